/** Images that are changed at random each time they are asked for, the same in the same epoch. */
import { checkOptions, ShapeError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { BatchPlace, Dataset, LabelledBatch } from "./dataset.ts";
import { type Image, type ImageTransform, imageOf } from "./image-transforms.ts";
import type { ImageDataset } from "./images.ts";
import { MixUp } from "./mixup.ts";
import { Random } from "./random.ts";

export interface AugmentedExample {
  readonly image: Image;
  readonly label: number;
  readonly index: number;
}

/** As of `ImageDataset`; where examples are mixed, the labels are probabilities, f32 [batch, classes]. */
export type AugmentedBatch = Omit<LabelledBatch<readonly [Tensor<"f32">]>, "labels"> & { readonly labels: Tensor };

export interface AugmentedImagesOptions {
  /** What is drawn is a function of it, the epoch and the example's or the batch's number (default 0). */
  seed?: number;
  /** Blends the examples of a batch. */
  mixUp?: MixUp | undefined;
}

/**
 * The images of a data set, each through a transform. Pixels are from 0 to 1 and not normalised, which is the transform's.
 *
 * @example
 * const { mean, std } = train.statistics();
 * const transform = new Compose([new RandomCrop(32, { padding: 4 }), new RandomHorizontalFlip(), new Normalize(mean, std)]);
 * const loader = new DataLoader(new AugmentedImages(train, transform, { seed: 1 }), { batchSize: 64, shuffle: true, seed: 1 });
 */
export class AugmentedImages implements Dataset<AugmentedExample, AugmentedBatch> {
  readonly images: ImageDataset;
  readonly transform: ImageTransform;
  readonly #seed: number;
  readonly #mixUp: MixUp | undefined;

  /** @throws ValueError for an option that is unknown */
  constructor(images: ImageDataset, transform: ImageTransform, options: AugmentedImagesOptions = {}) {
    checkOptions("AugmentedImages", options, ["seed", "mixUp"]);
    this.images = images;
    this.transform = transform;
    this.#seed = options.seed ?? 0;
    this.#mixUp = options.mixUp;
  }

  get length(): number {
    return this.images.length;
  }

  get(index: number, epoch: number): AugmentedExample {
    const { pixels, label } = this.images.get(index);
    const image = imageOf(pixels, this.images.shape);
    return { image: this.transform.apply(image, Random.at({ epoch, index }, this.#seed)), label, index };
  }

  /** @throws ShapeError if the transform gave images of different sizes */
  collate(examples: readonly AugmentedExample[], { epoch, batch }: BatchPlace): AugmentedBatch {
    const { channels, height, width, data } = examples[0]!.image;
    const values = new Float32Array(examples.length * data.length);
    for (const [i, { image }] of examples.entries()) {
      if (image.channels !== channels || image.height !== height || image.width !== width) {
        throw new ShapeError(
          `AugmentedImages: the transform gave [${image.channels}, ${image.height}, ${image.width}] and ` +
            `[${channels}, ${height}, ${width}] in one batch, expected images of one size`,
        );
      }
      values.set(image.data, i * data.length);
    }
    const images = tensor(values, { shape: [examples.length, channels, height, width] }) as Tensor<"f32">;
    const labels = tensor(
      Int32Array.from(examples, ({ label }) => label),
      { dtype: "i32" },
    );
    const rest = { size: examples.length, indices: Int32Array.from(examples, ({ index }) => index) };
    if (!this.#mixUp) return { inputs: [images], labels, ...rest };
    const mixed = this.#mixUp.apply(images, labels, Random.at({ epoch, index: batch }, this.#seed, MixUp.STREAM));
    images.dispose();
    labels.dispose();
    return { inputs: [mixed.images as Tensor<"f32">], labels: mixed.labels, ...rest };
  }
}
