import { record } from "../../autograd/record.ts";
import { checkOptions, ValueError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, loadKernel, type Reference } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { zerosLike } from "../creation/creation.ts";
import { mul } from "../elementwise/binary-ops.ts";
import { RANDOM } from "../lib/lib.ts";
import { nextStream, type RandomStream } from "../random/generator.ts";
import { randomWord } from "../random/threefry.ts";

const reference = {
  forward({ x, y, randomState }, { size, stream, threshold, scale }) {
    for (let i = 0; i < size; i++) y[i] = randomWord(randomState, stream, i) >= threshold ? x[i] * scale : 0;
  },
} satisfies Reference;

const kernel = loadKernel(new URL("./dropout.wgsl", import.meta.url), { lib: [RANDOM], reference });
const THREADS = 64;

/**
 * Sets each element to 0 with probability p and divides the others by 1 - p. No mask is stored: the backward pass
 * draws the same numbers again.
 *
 * @param x f32, any shape
 * @param options p (default 0.5); training: false returns x as it is (default true)
 * @throws ValueError unless 0 <= p <= 1
 * @see Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
 */
export function dropout(x: Tensor, options: { p?: number; training?: boolean } = {}): Tensor {
  checkOptions("dropout", options, ["p", "training"]);
  const { p = 0.5, training = true } = options;
  expectDType("dropout", "x", x.dtype, ["f32"]);
  checkProbability("dropout", p);
  if (!training || p === 0) return x;
  if (p === 1) return mul(x, zerosLike(x));
  return dropWith(x, p, nextStream(x.device));
}

/** @throws ValueError unless 0 <= p <= 1 */
export function checkProbability(op: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new ValueError(`${op}: p is ${p}, expected a probability from 0 to 1`);
}

/** Drops with the random numbers of a stream. It is linear in x, so its backward is itself. */
export function dropWith(x: Tensor, p: number, { randomState, stream }: RandomStream): Tensor {
  const y = empty(x.shape, x);
  const threshold = dropThreshold(p);
  const params = { size: x.size, stream, threshold, scale: 1 / (1 - threshold * 2 ** -32) };
  dispatch(kernel, "forward", { bind: { x, y, randomState }, params, groups: ceilDiv(ceilDiv(x.size, 2), THREADS) });
  return record(y, {
    op: "dropout",
    inputs: [x],
    saved: { randomState },
    backward: (dy, { randomState }) => [dropWith(dy, p, { randomState, stream })],
    composed: true,
  });
}

/** Random words below it are dropped: p of all 2^32. */
export function dropThreshold(p: number): number {
  return Math.min(Math.round(p * 2 ** 32), 2 ** 32 - 1);
}
