/** Dropout in all its forms. No mask is stored: the backward pass draws the same numbers again. */
import { record } from "../../autograd/record.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, loadKernel, type Reference } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { formatShape, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { zerosLike } from "../creation/creation.ts";
import { mul } from "../elementwise/binary-ops.ts";
import { RANDOM } from "../lib/lib.ts";
import { loadPacked } from "../lib/packed.ts";
import { nextStream, type RandomStream } from "../random/generator.ts";
import { randomWord } from "../random/threefry.ts";

const elementsKernel = loadKernel(new URL("./dropout.wgsl", import.meta.url), {
  lib: [RANDOM],
  reference: {
    forward({ x, y, randomState }, { size, stream, threshold, scale, shift, dropped }) {
      for (let i = 0; i < size; i++) {
        y[i] = randomWord(randomState, stream, i) >= threshold ? x[i] * scale + shift : dropped;
      }
    },
  } satisfies Reference,
});
const linesKernel = loadPacked(new URL("./dropout-lines.wgsl", import.meta.url), {
  lib: [RANDOM],
  reference: {
    forward({ x, y, randomState }, { lines, length, stream, threshold, scale, shift, dropped }) {
      for (let i = 0; i < lines * length; i++) {
        const word = randomWord(randomState, stream, Math.floor(i / length));
        y[i] = word >= threshold ? x[i] * scale + shift : dropped;
      }
    },
  } satisfies Reference,
});
const THREADS = 64;
// The elements, or fours of them, that share an evaluation of threefry; on GPUs, neighbours should read neighbours.
const CHUNK = { gpu: 1, software: 16 };

export interface DropoutOptions {
  /** The probability that something is dropped; 0.5 by default. */
  p?: number;
  /** false returns x as it is; true by default. */
  training?: boolean;
}

/**
 * Sets each element to 0 with probability p and divides the others by 1 - p.
 *
 * @param x f32, any shape
 * @throws ValueError unless 0 <= p <= 1
 * @see Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
 */
export function dropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  return draw("dropout", x, 1, plainAffine, options);
}

/**
 * Sets each channel to 0 with probability p and divides the others by 1 - p.
 *
 * @param x f32, [n, channels, length] or [channels, length]
 * @throws ValueError unless 0 <= p <= 1, ShapeError for another rank
 * @see Tompson et al. 2015, https://arxiv.org/abs/1411.4280
 */
export function dropout1d(x: Tensor, options: DropoutOptions = {}): Tensor {
  if (x.rank !== 2 && x.rank !== 3) {
    throw new ShapeError(
      `dropout1d: x has shape ${formatShape(x.shape)}, expected [n, channels, length] or [channels, length]`,
    );
  }
  return draw("dropout1d", x, x.shape.at(-1)!, plainAffine, options);
}

/**
 * Sets each channel to 0 with probability p and divides the others by 1 - p.
 *
 * @param x f32, [n, channels, height, width] or [channels, height, width]
 * @throws ValueError unless 0 <= p <= 1, ShapeError for another rank
 * @see Tompson et al. 2015, https://arxiv.org/abs/1411.4280
 */
export function dropout2d(x: Tensor, options: DropoutOptions = {}): Tensor {
  if (x.rank !== 3 && x.rank !== 4) {
    throw new ShapeError(
      `dropout2d: x has shape ${formatShape(x.shape)}, expected [n, channels, height, width] or [channels, height, width]`,
    );
  }
  return draw("dropout2d", x, sizeOf(x.shape.slice(-2)), plainAffine, options);
}

/**
 * Sets each element to selu's limit, -1.7581, with probability p, then scales and shifts all so that mean 0 and variance 1
 * stay: dropout for networks of selu.
 *
 * @param x f32, any shape
 * @throws ValueError unless 0 <= p <= 1
 * @see Klambauer et al. 2017, https://arxiv.org/abs/1706.02515
 */
export function alphaDropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  return draw("alphaDropout", x, 1, alphaAffine, options);
}

/**
 * As `alphaDropout`, of whole channels.
 *
 * @param x f32, [n, channels, ...]
 * @throws ValueError unless 0 <= p <= 1, ShapeError for fewer than two axes
 */
export function featureAlphaDropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  if (x.rank < 2) {
    throw new ShapeError(`featureAlphaDropout: x has shape ${formatShape(x.shape)}, expected [n, channels, ...]`);
  }
  return draw("featureAlphaDropout", x, sizeOf(x.shape.slice(2)), alphaAffine, options);
}

/** @throws ValueError unless 0 <= p <= 1 */
export function checkProbability(op: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new ValueError(`${op}: p is ${p}, expected a probability from 0 to 1`);
}

/** What becomes of elements: x to scale x + shift where it is kept, else to `dropped`. */
interface Affine {
  readonly scale: number;
  readonly shift: number;
  readonly dropped: number;
}

function plainAffine(p: number): Affine {
  return { scale: 1 / (1 - p), shift: 0, dropped: 0 };
}

const SELU_LIMIT = -1.7580993408473766; // -scale * alpha

function alphaAffine(p: number): Affine {
  const scale = 1 / Math.sqrt((1 - p) * (1 + p * SELU_LIMIT ** 2));
  const shift = -scale * SELU_LIMIT * p;
  return { scale, shift, dropped: scale * SELU_LIMIT + shift };
}

function draw(
  op: string,
  x: Tensor,
  length: number,
  affineFor: (p: number) => Affine,
  options: DropoutOptions,
): Tensor {
  checkOptions(op, options, ["p", "training"]);
  const { p = 0.5, training = true } = options;
  expectDType(op, "x", x.dtype, ["f32"]);
  checkProbability(op, p);
  if (!training || p === 0) return x;
  if (p === 1) return mul(x, zerosLike(x));
  const threshold = dropThreshold(p);
  return drop(op, x, length, threshold, affineFor(threshold * 2 ** -32), nextStream(x.device));
}

/** Drops elements with the random numbers of a stream. */
export function dropWith(x: Tensor, p: number, random: RandomStream): Tensor {
  const threshold = dropThreshold(p);
  return drop("dropout", x, 1, threshold, plainAffine(threshold * 2 ** -32), random);
}

/** Random words below it are dropped: p of all 2^32. */
export function dropThreshold(p: number): number {
  return Math.min(Math.round(p * 2 ** 32), 2 ** 32 - 1);
}

// `length` neighbours stay or go together.
function drop(
  op: string,
  x: Tensor,
  length: number,
  threshold: number,
  affine: Affine,
  { randomState, stream }: RandomStream,
): Tensor {
  const y = empty(x.shape, x);
  const { size } = x;
  const bind = { x, y, randomState };
  if (length === 1) {
    const params = { size, stream, threshold, ...affine };
    dispatch(elementsKernel, "forward", { bind, params, groups: ceilDiv(ceilDiv(size, 2), THREADS) });
  } else if (size > 0) {
    const lines = size / length;
    const packed = length % 4 === 0 ? length / 4 : length;
    const chunk = ceilDiv(packed, ceilDiv(packed, CHUNK[x.device.family]));
    const params = { lines, length, chunk, stream, threshold, ...affine };
    const groups = ceilDiv(lines * ceilDiv(packed, chunk), THREADS);
    dispatch(linesKernel(length), "forward", { bind, params, groups });
  }
  return record(y, {
    op,
    inputs: [x],
    saved: { randomState },
    // It is affine in x, so its backward is itself without what it adds.
    backward: (dy, { randomState }) => [
      drop(op, dy, length, threshold, { ...affine, shift: 0, dropped: 0 }, { randomState, stream }),
    ],
    composed: true,
  });
}
