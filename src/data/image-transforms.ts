/**
 * Changes of one image on the host, by torchvision's names and with its meaning: `apply` gives a new image, or the same one
 * where nothing changes, and never writes into the one it was given. What is random is drawn from the generator it is
 * handed, so that `Random.at({ epoch, index }, seed)` makes the same image again.
 *
 * @see https://pytorch.org/vision/stable/transforms.html
 */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import type { ImageShape } from "./images.ts";
import type { Random } from "./random.ts";

/** An image on the host. */
export interface Image extends ImageShape {
  /** Row-major [channels, height, width]; from 0 to 1 until it is normalised. */
  readonly data: Float32Array;
}

export interface ImageTransform {
  apply(image: Image, random: Random): Image;
}

/**
 * An image of bytes, as torchvision's ToTensor: 0 to 255 becomes 0 to 1.
 *
 * @param bytes [channels, height, width]
 * @throws ShapeError if there are more or fewer bytes
 */
export function imageOf(bytes: Uint8Array, { channels, height, width }: ImageShape): Image {
  const size = channels * height * width;
  if (bytes.length !== size) {
    throw new ShapeError(`imageOf: there are ${bytes.length} bytes, expected ${channels} x ${height} x ${width}`);
  }
  const data = new Float32Array(size);
  for (let i = 0; i < size; i++) data[i] = bytes[i]! / 255; // `from` with a function takes twenty times as long
  return { channels, height, width, data };
}

/** One transform after the other. */
export class Compose implements ImageTransform {
  readonly transforms: readonly ImageTransform[];

  constructor(transforms: readonly ImageTransform[]) {
    this.transforms = transforms;
  }

  apply(image: Image, random: Random): Image {
    return this.transforms.reduce((image, transform) => transform.apply(image, random), image);
  }
}

/** (x - mean) / std, for each channel. */
export class Normalize implements ImageTransform {
  readonly mean: readonly number[];
  readonly std: readonly number[];

  /** @throws ValueError unless there is a positive deviation for each mean */
  constructor(mean: readonly number[], std: readonly number[]) {
    if (mean.length !== std.length || !std.every((value) => value > 0)) {
      throw new ValueError(
        `Normalize: std is [${std.join(", ")}], expected ${mean.length} numbers above 0, as of mean`,
      );
    }
    this.mean = mean;
    this.std = std;
  }

  apply(image: Image): Image {
    if (image.channels !== this.mean.length) {
      throw new ShapeError(`Normalize: the image has ${image.channels} channels, expected ${this.mean.length}`);
    }
    const area = image.height * image.width;
    const data = new Float32Array(image.data.length);
    for (const [c, mean] of this.mean.entries()) {
      const std = this.std[c]!;
      for (let i = c * area; i < (c + 1) * area; i++) data[i] = (image.data[i]! - mean) / std;
    }
    return { ...image, data };
  }
}

/** Mirrors left and right, with probability `p`. */
export class RandomHorizontalFlip implements ImageTransform {
  readonly p: number;

  /** @throws ValueError */
  constructor(p = 0.5) {
    this.p = probability("RandomHorizontalFlip", p);
  }

  apply(image: Image, random: Random): Image {
    if (random.uniform() >= this.p) return image;
    const data = image.data.slice();
    for (let start = 0; start < data.length; start += image.width) data.subarray(start, start + image.width).reverse();
    return { ...image, data };
  }
}

export interface RandomCropOptions {
  /** Pixels added around the image first: on all sides, or [left and right, above and below] (default 0). */
  padding?: number | readonly [number, number];
  /** What is added: one value (the default), the edge's, or the image mirrored at the edge, without or with the edge. */
  paddingMode?: "constant" | "edge" | "reflect" | "symmetric";
  /** The value of `constant` (default 0). */
  fill?: number;
}

// Where the pixel at `i`, perhaps outside of 0 to `size - 1`, is taken from; -1: nowhere.
const SOURCES: Readonly<Record<NonNullable<RandomCropOptions["paddingMode"]>, (i: number, size: number) => number>> = {
  constant: (i, size) => (i < 0 || i >= size ? -1 : i),
  edge: (i, size) => Math.min(Math.max(i, 0), size - 1),
  reflect: (i, size) => (i < 0 ? -i : i >= size ? 2 * size - 2 - i : i),
  symmetric: (i, size) => (i < 0 ? -i - 1 : i >= size ? 2 * size - 1 - i : i),
};

/** Cuts out a rectangle, each place being equally likely. */
export class RandomCrop implements ImageTransform {
  readonly height: number;
  readonly width: number;
  readonly #padding: readonly [number, number];
  readonly #mode: NonNullable<RandomCropOptions["paddingMode"]>;
  readonly #fill: number;

  /**
   * @param size the side, or [height, width], in pixels
   * @throws ValueError
   */
  constructor(size: number | readonly [number, number], options: RandomCropOptions = {}) {
    checkOptions("RandomCrop", options, ["padding", "paddingMode", "fill"]);
    const { padding = 0, paddingMode = "constant", fill = 0 } = options;
    [this.height, this.width] = typeof size === "number" ? [size, size] : size;
    this.#padding = typeof padding === "number" ? [padding, padding] : padding;
    const isCount = (value: number) => Number.isInteger(value) && value >= 0;
    if (![this.height, this.width].every((side) => isCount(side) && side > 0)) {
      throw new ValueError(`RandomCrop: size is ${size}, expected whole numbers above 0`);
    }
    if (!this.#padding.every(isCount)) {
      throw new ValueError(`RandomCrop: padding is ${padding}, expected whole numbers from 0 up`);
    }
    if (!Object.hasOwn(SOURCES, paddingMode)) {
      throw new ValueError(`RandomCrop: paddingMode is "${paddingMode}", expected ${Object.keys(SOURCES).join(", ")}`);
    }
    this.#mode = paddingMode;
    this.#fill = fill;
  }

  /** @throws ShapeError for an image that, padded, is smaller than the crop, or smaller than a mirrored padding */
  apply(image: Image, random: Random): Image {
    const { height, width } = this;
    const [padX, padY] = this.#padding;
    const [roomY, roomX] = [image.height + 2 * padY - height, image.width + 2 * padX - width];
    const most = this.#mode === "reflect" ? 1 : 0;
    const isMirrored = this.#mode === "reflect" || this.#mode === "symmetric";
    if (roomY < 0 || roomX < 0 || (isMirrored && (padY > image.height - most || padX > image.width - most))) {
      throw new ShapeError(
        `RandomCrop: the image is ${image.height} x ${image.width}, too small for a crop of ${height} x ${width} ` +
          `with ${this.#mode} padding of ${padY} x ${padX}`,
      );
    }
    const top = random.integer(roomY + 1) - padY;
    const left = random.integer(roomX + 1) - padX;
    const source = SOURCES[this.#mode];
    const rows = Int32Array.from({ length: height }, (_, y) => source(top + y, image.height));
    const cols = Int32Array.from({ length: width }, (_, x) => source(left + x, image.width));
    const data = new Float32Array(image.channels * height * width);
    let to = 0;
    for (let c = 0; c < image.channels; c++) {
      for (let y = 0; y < height; y++) {
        const start = (c * image.height + rows[y]!) * image.width;
        for (let x = 0; x < width; x++) {
          data[to++] = rows[y]! < 0 || cols[x]! < 0 ? this.#fill : image.data[start + cols[x]!]!;
        }
      }
    }
    return { channels: image.channels, height, width, data };
  }
}

/** What is put in the place of what is erased: a value for all channels, or one for each. */
export type Fill = number | readonly number[];

export interface RandomErasingOptions {
  /** The probability that something is erased (default 0.5). */
  p?: number;
  /** The least and the largest share of the image (default [0.02, 0.33]). */
  scale?: readonly [number, number];
  /** The least and the largest height by width (default [0.3, 3.3]). */
  ratio?: readonly [number, number];
  /** "random": normally distributed numbers (default 0). */
  value?: Fill | "random";
}

const ATTEMPTS = 10;

/**
 * Erases a rectangle of random size, shape and place, with probability `p`. Where 10 rectangles in a row do not fit, nothing
 * is erased.
 *
 * @see https://arxiv.org/abs/1708.04896
 */
export class RandomErasing implements ImageTransform {
  readonly #options: Required<RandomErasingOptions>;

  /** @throws ValueError */
  constructor(options: RandomErasingOptions = {}) {
    checkOptions("RandomErasing", options, ["p", "scale", "ratio", "value"]);
    this.#options = { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], value: 0, ...options };
    const { p, scale, ratio } = this.#options;
    probability("RandomErasing", p);
    range("RandomErasing", "scale", scale, 0, 1);
    range("RandomErasing", "ratio", ratio, Number.MIN_VALUE);
  }

  apply(image: Image, random: Random): Image {
    const { p, scale, ratio, value } = this.#options;
    if (random.uniform() >= p) return image;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const area = image.height * image.width * uniform(random, scale);
      const aspect = Math.exp(uniform(random, [Math.log(ratio[0]), Math.log(ratio[1])]));
      const height = Math.round(Math.sqrt(area * aspect));
      const width = Math.round(Math.sqrt(area / aspect));
      if (height >= image.height || width >= image.width) continue;
      const top = random.integer(image.height - height + 1);
      const left = random.integer(image.width - width + 1);
      return erased("RandomErasing", image, { top, left, bottom: top + height, right: left + width }, value, random);
    }
    return image;
  }
}

export interface CutoutOptions {
  /** Squares that are erased (default 1). */
  holes?: number;
  /** Default 0. */
  fill?: Fill;
}

/**
 * Erases squares around random pixels; what of them is outside of the image is cut off.
 *
 * @see https://arxiv.org/abs/1708.04552
 */
export class Cutout implements ImageTransform {
  readonly size: number;
  readonly holes: number;
  readonly fill: Fill;

  /**
   * @param size the side of a square in pixels
   * @throws ValueError
   */
  constructor(size: number, options: CutoutOptions = {}) {
    checkOptions("Cutout", options, ["holes", "fill"]);
    const { holes = 1, fill = 0 } = options;
    for (const [name, value] of Object.entries({ size, holes })) {
      if (Number.isInteger(value) && value > 0) continue;
      throw new ValueError(`Cutout: ${name} is ${value}, expected a whole number above 0`);
    }
    this.size = size;
    this.holes = holes;
    this.fill = fill;
  }

  apply(image: Image, random: Random): Image {
    let result = image;
    for (let hole = 0; hole < this.holes; hole++) {
      const top = random.integer(image.height) - Math.floor(this.size / 2);
      const left = random.integer(image.width) - Math.floor(this.size / 2);
      const bottom = Math.min(top + this.size, image.height);
      const right = Math.min(left + this.size, image.width);
      const box = { top: Math.max(top, 0), left: Math.max(left, 0), bottom, right };
      result = erased("Cutout", result, box, this.fill, random);
    }
    return result;
  }
}

interface Box {
  readonly top: number;
  readonly left: number;
  /** Below the last row. */
  readonly bottom: number;
  readonly right: number;
}

function erased(op: string, image: Image, box: Box, value: Fill | "random", random: Random): Image {
  if (typeof value === "object" && value.length !== image.channels) {
    throw new ShapeError(
      `${op}: there are ${value.length} values to fill in, expected one for each of ${image.channels} channels`,
    );
  }
  const data = image.data.slice();
  for (let c = 0; c < image.channels; c++) {
    for (let y = box.top; y < box.bottom; y++) {
      const row = (c * image.height + y) * image.width;
      for (let x = box.left; x < box.right; x++) {
        data[row + x] = value === "random" ? random.normal() : typeof value === "number" ? value : value[c]!;
      }
    }
  }
  return { ...image, data };
}

/** A number from the first to the second of two, each equally likely. */
export function uniform(random: Random, [low, high]: readonly [number, number]): number {
  return low + (high - low) * random.uniform();
}

/** @throws ValueError unless `least` <= first <= second <= `most` */
export function range(
  op: string,
  name: string,
  [low, high]: readonly [number, number],
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
): void {
  if (least <= low && low <= high && high <= most) return;
  throw new ValueError(`${op}: ${name} is [${low}, ${high}], expected the least and the largest value that it takes`);
}

function probability(op: string, p: number): number {
  if (p >= 0 && p <= 1) return p;
  throw new ValueError(`${op}: p is ${p}, expected a probability from 0 to 1`);
}
