/** Labelled images of one size, whose pixels are bytes until they are put together. */
import { ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Dataset, expectIndex, type LabelledBatch } from "./dataset.ts";

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

export interface ImageExample {
  /** [channels, height, width], from 0 to 255; a view of the data set's. */
  readonly pixels: Uint8Array;
  readonly label: number;
  readonly index: number;
}

/**
 * Images of one size, with a class for each. A batch's input is f32 [batch, channels, height, width], from 0 to 1 or, of what
 * `normalize` gives, each channel less its mean and divided by its deviation.
 *
 * @example
 * const loader = new DataLoader(train.normalize(train.statistics()), { batchSize: 64, shuffle: true });
 * for await (const { inputs: [images], labels } of loader) ...
 */
export class ImageDataset implements Dataset<ImageExample, LabelledBatch<readonly [Tensor<"f32">]>> {
  /** Row-major [length, channels, height, width], from 0 to 255. */
  readonly pixels: Uint8Array;
  readonly shape: ImageShape;
  readonly labels: Int32Array;
  readonly #normalization: PixelStatistics;

  /**
   * @param normalization of the batches (default: none)
   * @throws ValueError unless there are as many pixels as images of this shape have, and a label for each
   */
  constructor(pixels: Uint8Array, shape: ImageShape, labels: Int32Array, normalization?: PixelStatistics) {
    const size = shape.channels * shape.height * shape.width;
    if (pixels.length !== labels.length * size) {
      throw new ValueError(
        `ImageDataset: there are ${pixels.length} pixels, expected ${labels.length} images x ${size}, one per label`,
      );
    }
    const { mean, std } = normalization ?? {
      mean: new Array<number>(shape.channels).fill(0),
      std: new Array<number>(shape.channels).fill(1),
    };
    for (const [name, values] of Object.entries({ mean, std })) {
      if (values.length === shape.channels) continue;
      throw new ValueError(
        `ImageDataset: ${name} has ${values.length} values, expected one for each of ${shape.channels} channels`,
      );
    }
    this.pixels = pixels;
    this.shape = shape;
    this.labels = labels;
    this.#normalization = { mean, std };
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
    return new ImageDataset(pixels, this.shape, labels, this.#normalization);
  }

  /** The same images, of which batches are normalised. */
  normalize(statistics: PixelStatistics): ImageDataset {
    return new ImageDataset(this.pixels, this.shape, this.labels, statistics);
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

  get(index: number): ImageExample {
    expectIndex("ImageDataset", index, this.length);
    const size = this.pixels.length / this.length;
    const pixels = this.pixels.subarray(index * size, (index + 1) * size);
    return { pixels, label: this.labels[index]!, index };
  }

  collate(examples: readonly ImageExample[]): LabelledBatch<readonly [Tensor<"f32">]> {
    const { channels, height, width } = this.shape;
    const values = this.#normalized(examples);
    const images = tensor(values, { shape: [examples.length, channels, height, width] }) as Tensor<"f32">;
    return {
      inputs: [images],
      labels: tensor(
        Int32Array.from(examples, ({ label }) => label),
        { dtype: "i32" },
      ),
      size: examples.length,
      indices: Int32Array.from(examples, ({ index }) => index),
    };
  }

  #normalized(examples: readonly ImageExample[]): Float32Array {
    const { mean, std } = this.#normalization;
    const { channels, height, width } = this.shape;
    const area = height * width;
    const values = new Float32Array(examples.length * channels * area);
    let at = 0;
    for (const { pixels } of examples) {
      for (let c = 0; c < channels; c++) {
        const scale = 1 / (255 * std[c]!);
        const shift = -mean[c]! / std[c]!;
        for (let i = c * area; i < (c + 1) * area; i++) values[at++] = pixels[i]! * scale + shift;
      }
    }
    return values;
  }
}
