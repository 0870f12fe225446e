/** Labelled images as batches of tensors. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Random } from "./random.ts";

export interface ImageShape {
  /** 1 for grey, 3 for red, green and blue. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** For each channel, of pixels from 0 to 1. */
export interface PixelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface ImageBatch {
  /** f32 [batch, channels, height, width], each channel less its mean and divided by its deviation. */
  readonly images: Tensor<"f32">;
  /** i32 [batch] */
  readonly labels: Tensor<"i32">;
  /** The number of examples. */
  readonly size: number;
  /** Which examples of the data set they are. */
  readonly indices: Int32Array;
}

export interface ImageBatchOptions extends PixelStatistics {
  batchSize: number;
  /** New order in each epoch (default true). */
  shuffle?: boolean;
  seed?: number;
  /** The batch to begin with, to go on within an epoch (default 0). */
  from?: number;
}

/** Images of one size, with a class for each. */
export class ImageDataset {
  /** Row-major [length, channels, height, width], from 0 to 255. */
  readonly pixels: Uint8Array;
  readonly shape: ImageShape;
  readonly labels: Int32Array;

  /** @throws ValueError unless there are as many pixels as images of this shape have, and a label for each */
  constructor(pixels: Uint8Array, shape: ImageShape, labels: Int32Array) {
    const size = shape.channels * shape.height * shape.width;
    if (pixels.length !== labels.length * size) {
      throw new ValueError(
        `ImageDataset: there are ${pixels.length} pixels, expected ${labels.length} images x ${size}, one per label`,
      );
    }
    this.pixels = pixels;
    this.shape = shape;
    this.labels = labels;
  }

  get length(): number {
    return this.labels.length;
  }

  /** Some of the images, in the order given. */
  pick(indices: ArrayLike<number>): ImageDataset {
    const size = this.pixels.length / this.length;
    const pixels = new Uint8Array(indices.length * size);
    const labels = new Int32Array(indices.length);
    for (let i = 0; i < indices.length; i++) {
      const from = indices[i]!;
      pixels.set(this.pixels.subarray(from * size, (from + 1) * size), i * size);
      labels[i] = this.labels[from]!;
    }
    return new ImageDataset(pixels, this.shape, labels);
  }

  /** The mean and deviation of each channel; a channel that is all the same has the deviation 1. */
  statistics(): PixelStatistics {
    const { channels, height, width } = this.shape;
    const area = height * width;
    const count = Math.max(1, this.length * area);
    const mean: number[] = [];
    const std: number[] = [];
    for (let c = 0; c < channels; c++) {
      // Whole numbers below 2^53 for 10^11 pixels: the sums are exact.
      let sum = 0;
      let squares = 0;
      for (let start = c * area; start < this.pixels.length; start += channels * area) {
        for (let i = start; i < start + area; i++) {
          sum += this.pixels[i]!;
          squares += this.pixels[i]! ** 2;
        }
      }
      mean.push(sum / count / 255);
      std.push(Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2)) / 255 || 1);
    }
    return { mean, std };
  }

  /** The batches of an epoch. Each batch's tensors are made when it is asked for, and are the caller's to free. */
  *batches(epoch: number, options: ImageBatchOptions): Iterable<ImageBatch> {
    checkOptions("batches", options, ["batchSize", "shuffle", "seed", "from", "mean", "std"]);
    const { batchSize, shuffle = true, seed = 0, from = 0, mean, std } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new ValueError(`batches: batchSize is ${batchSize}, expected a whole number above 0`);
    }
    const { channels, height, width } = this.shape;
    for (const [name, values] of Object.entries({ mean, std })) {
      if (values.length !== channels) {
        throw new ValueError(
          `batches: ${name} has ${values.length} values, expected one for each of ${channels} channels`,
        );
      }
    }
    const random = new Random(seed, epoch + 1); // stream 0 is that of splits
    const order = shuffle ? random.permutation(this.length) : Int32Array.from({ length: this.length }, (_, i) => i);
    for (let start = from * batchSize; start < order.length; start += batchSize) {
      const indices = order.slice(start, start + batchSize);
      yield {
        images: tensor(this.#normalized(indices, { mean, std }), {
          shape: [indices.length, channels, height, width],
        }) as Tensor<"f32">,
        labels: tensor(
          indices.map((i) => this.labels[i]!),
          { dtype: "i32" },
        ),
        size: indices.length,
        indices,
      };
    }
  }

  #normalized(indices: Int32Array, { mean, std }: PixelStatistics): Float32Array {
    const { channels, height, width } = this.shape;
    const area = height * width;
    const values = new Float32Array(indices.length * channels * area);
    let at = 0;
    for (const index of indices) {
      for (let c = 0; c < channels; c++) {
        const scale = 1 / (255 * std[c]!);
        const shift = -mean[c]! / std[c]!;
        const start = (index * channels + c) * area;
        for (let i = start; i < start + area; i++) values[at++] = this.pixels[i]! * scale + shift;
      }
    }
    return values;
  }
}
