/** Rotation, translation, scale and shear of an image around its middle, by torchvision's formulas for tensors. */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { type Fill, type Image, type ImageTransform, range, uniform } from "./image-transforms.ts";
import type { Random } from "./random.ts";

export interface AffineSampling {
  /** Default "nearest". */
  interpolation?: "nearest" | "bilinear";
  /** What is seen outside of the image (default 0). */
  fill?: Fill;
}

export interface AffineOptions extends AffineSampling {
  /** In degrees, clockwise (default 0). */
  angle?: number;
  /** To the right and down, in pixels (default [0, 0]). */
  translate?: readonly [number, number];
  /** Default 1. */
  scale?: number;
  /** Along x and y, in degrees (default [0, 0]). */
  shear?: readonly [number, number];
}

/**
 * Rotates, scales and shears an image around its middle, then moves it. The pixel at p shows what was at
 * A^-1 (p - translate), with A = scale R(angle) [1 0; -tan(shear y) 1] [1 -tan(shear x); 0 1], positions being counted from
 * the middle.
 *
 * @throws ShapeError for fill values that are not one per channel; ValueError for an option that is unknown or impossible
 * @see https://pytorch.org/vision/stable/generated/torchvision.transforms.functional.affine.html
 */
export function affine(image: Image, options: AffineOptions): Image {
  checkOptions("affine", options, ["angle", "translate", "scale", "shear", "interpolation", "fill"]);
  const { angle = 0, translate = [0, 0], scale = 1, shear = [0, 0], interpolation = "nearest", fill = 0 } = options;
  if (!(scale > 0)) throw new ValueError(`affine: scale is ${scale}, expected a number above 0`);
  const { channels, height, width } = image;
  const fills = typeof fill === "number" ? new Array<number>(channels).fill(fill) : fill;
  if (fills.length !== channels) {
    throw new ShapeError(`affine: fill has ${fills.length} values, expected one for each of ${channels} channels`);
  }
  const sample = SAMPLES[interpolation];
  if (!sample) throw new ValueError(`affine: interpolation is "${interpolation}", expected nearest or bilinear`);
  const [a, b, c, d] = inverse(angle, scale, shear);
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const data = new Float32Array(image.data.length);
  for (let y = 0; y < height; y++) {
    const v = y - middleY - translate[1];
    for (let x = 0; x < width; x++) {
      const u = x - middleX - translate[0];
      const fromX = a * u + b * v + middleX;
      const fromY = c * u + d * v + middleY;
      for (let channel = 0; channel < channels; channel++) {
        const plane = channel * height * width;
        data[plane + y * width + x] = sample(image, plane, fromX, fromY, fills[channel]!);
      }
    }
  }
  return { ...image, data };
}

// The matrix [a b; c d] from where a pixel is to where it was. Rotation and shears have the determinant 1.
function inverse(angle: number, scale: number, shear: readonly [number, number]): [number, number, number, number] {
  const [turn, x, y] = [angle, ...shear].map((degrees) => (degrees * Math.PI) / 180) as [number, number, number];
  const p = Math.cos(turn - y) / Math.cos(y);
  const q = -p * Math.tan(x) - Math.sin(turn);
  const r = Math.sin(turn - y) / Math.cos(y);
  const s = -r * Math.tan(x) + Math.cos(turn);
  return [s / scale, -q / scale, -r / scale, p / scale];
}

type Sample = (image: Image, plane: number, x: number, y: number, fill: number) => number;

const SAMPLES: Readonly<Record<"nearest" | "bilinear", Sample>> = {
  nearest: (image, plane, x, y, fill) => pixel(image, plane, Math.round(x), Math.round(y), fill),
  bilinear(image, plane, x, y, fill) {
    const left = Math.floor(x);
    const top = Math.floor(y);
    const right = x - left; // shares
    const below = y - top;
    const upper = (1 - right) * pixel(image, plane, left, top, fill) + right * pixel(image, plane, left + 1, top, fill);
    const lower =
      (1 - right) * pixel(image, plane, left, top + 1, fill) + right * pixel(image, plane, left + 1, top + 1, fill);
    return (1 - below) * upper + below * lower;
  },
};

function pixel({ data, height, width }: Image, plane: number, x: number, y: number, fill: number): number {
  return x < 0 || y < 0 || x >= width || y >= height ? fill : data[plane + y * width + x]!;
}

export interface RandomAffineOptions extends AffineSampling {
  /** The most that it moves, as shares of the width and the height. */
  translate?: readonly [number, number];
  /** The least and the largest scale. */
  scale?: readonly [number, number];
  /** In degrees: along x, from minus this to this; or from the first to the second; or these of x, then those of y. */
  shear?: number | readonly [number, number] | readonly [number, number, number, number];
}

/** Rotates, moves, scales and shears by random amounts, each equally likely. */
export class RandomAffine implements ImageTransform {
  readonly #degrees: readonly [number, number];
  readonly #translate: readonly [number, number];
  readonly #scale: readonly [number, number];
  readonly #shear: readonly [x: readonly [number, number], y: readonly [number, number]];
  readonly #sampling: AffineSampling;

  /**
   * @param degrees of rotation: from minus this to this, or from the first to the second
   * @throws ValueError
   */
  constructor(degrees: number | readonly [number, number], options: RandomAffineOptions = {}) {
    checkOptions("RandomAffine", options, ["translate", "scale", "shear", "interpolation", "fill"]);
    const { translate = [0, 0], scale = [1, 1], shear = 0, interpolation = "nearest", fill = 0 } = options;
    this.#degrees = typeof degrees === "number" ? [-degrees, degrees] : degrees;
    this.#translate = translate;
    this.#scale = scale;
    const [minX, maxX, minY = 0, maxY = 0] = typeof shear === "number" ? [-shear, shear] : shear;
    this.#shear = [
      [minX, maxX],
      [minY, maxY],
    ];
    this.#sampling = { interpolation, fill };
    range("RandomAffine", "degrees", this.#degrees);
    range("RandomAffine", "scale", scale, Number.MIN_VALUE);
    for (const one of this.#shear) range("RandomAffine", "shear", one, -89, 89);
    if (!translate.every((share) => share >= 0 && share <= 1)) {
      throw new ValueError(`RandomAffine: translate is [${translate.join(", ")}], expected shares from 0 to 1`);
    }
  }

  apply(image: Image, random: Random): Image {
    const angle = uniform(random, this.#degrees);
    const move = (share: number, size: number) => Math.round(uniform(random, [-share * size, share * size]));
    const translate = [move(this.#translate[0], image.width), move(this.#translate[1], image.height)] as const;
    const scale = uniform(random, this.#scale);
    const shear = [uniform(random, this.#shear[0]), uniform(random, this.#shear[1])] as const;
    return affine(image, { angle, translate, scale, shear, ...this.#sampling });
  }
}
