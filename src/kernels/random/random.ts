/** Random tensors from the seeded generator. Every call draws new numbers; the same seed and calls give the same ones. */
import { checkOptions, ValueError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, loadKernel, type Reference } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import type { Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { CreationOptions } from "../creation/creation.ts";
import { MATH, RANDOM } from "../lib/lib.ts";
import { nextStream } from "./generator.ts";
import { normalNumber, randomWord, unitFloat } from "./threefry.ts";

const reference = {
  uniformNumbers({ y, randomState }, { size, stream, offset, scale }) {
    for (let i = 0; i < size; i++) y[i] = offset + scale * unitFloat(randomWord(randomState, stream, i));
  },
  normal({ y, randomState }, { size, stream, offset, scale }) {
    for (let i = 0; i < size; i++) y[i] = offset + scale * normalNumber(randomState, stream, i);
  },
  randomIntegers({ integers, randomState }, { size, stream, low, range }) {
    for (let i = 0; i < size; i++) integers[i] = low + (randomWord(randomState, stream, i) % range);
  },
  bernoulli({ p, y, randomState }, { size, stream }) {
    for (let i = 0; i < size; i++) y[i] = Number(unitFloat(randomWord(randomState, stream, i)) < p[i]);
  },
} satisfies Reference;

const kernel = loadKernel(new URL("./random.wgsl", import.meta.url), { lib: [MATH, RANDOM], reference });
const THREADS = 64;

function draw(y: Tensor, entry: keyof typeof reference, output: string, options: DrawOptions): void {
  const { randomState, stream } = nextStream(y.device);
  const { p, ...given } = options;
  dispatch(kernel, entry, {
    bind: { [output]: y, randomState, ...(p ? { p } : {}) },
    params: { size: y.size, stream, offset: 0, scale: 1, low: 0, range: 1, ...given },
    groups: ceilDiv(ceilDiv(y.size, 2), THREADS),
  });
}

interface DrawOptions {
  offset?: number;
  scale?: number;
  low?: number;
  range?: number;
  p?: Tensor;
}

export type RandomOptions = Omit<CreationOptions<"f32">, "dtype">;

/**
 * Draws uniformly from [low, high); the numbers are multiples of (high - low) * 2^-24.
 *
 * @param options low (default 0), high (default 1), device, requiresGrad
 * @returns f32 of `shape`
 */
export function rand(shape: Shape, options: RandomOptions & { low?: number; high?: number } = {}): Tensor<"f32"> {
  checkOptions("rand", options, ["low", "high", "device", "requiresGrad"]);
  const { low = 0, high = 1, requiresGrad, ...rest } = options;
  const y = empty(shape, rest);
  draw(y, "uniformNumbers", "y", { offset: low, scale: high - low });
  if (requiresGrad) y.requiresGrad = true;
  return y;
}

/**
 * Draws from a normal distribution, by Box and Muller's transform; no number is further than 5.8 deviations away.
 *
 * @param options mean (default 0), std (default 1), device, requiresGrad
 * @returns f32 of `shape`
 */
export function randn(shape: Shape, options: RandomOptions & { mean?: number; std?: number } = {}): Tensor<"f32"> {
  checkOptions("randn", options, ["mean", "std", "device", "requiresGrad"]);
  const { mean = 0, std = 1, requiresGrad, ...rest } = options;
  const y = empty(shape, rest);
  draw(y, "normal", "y", { offset: mean, scale: std });
  if (requiresGrad) y.requiresGrad = true;
  return y;
}

/**
 * Draws whole numbers from [low, high).
 *
 * @returns i32 of `shape`
 * @throws ValueError unless low < high, both whole and within i32
 */
export function randint(
  low: number,
  high: number,
  shape: Shape,
  options: { device?: RandomOptions["device"] } = {},
): Tensor<"i32"> {
  checkOptions("randint", options, ["device"]);
  if (!Number.isInteger(low) || !Number.isInteger(high) || low >= high || low < -(2 ** 31) || high > 2 ** 31) {
    throw new ValueError(
      `randint: low is ${low} and high is ${high}, expected whole numbers with low < high within i32`,
    );
  }
  const y = empty(shape, { ...options, dtype: "i32" });
  draw(y, "randomIntegers", "integers", { low, range: high - low });
  return y;
}

/**
 * Draws 1 with probability p, element by element, else 0. No gradient flows to p.
 *
 * @param p probabilities, any shape
 * @returns f32 of p's shape
 */
export function bernoulli(p: Tensor): Tensor<"f32"> {
  expectDType("bernoulli", "p", p.dtype, ["f32"]);
  const y = empty(p.shape, { device: p.device });
  draw(y, "bernoulli", "y", { p });
  return y;
}

/** As `rand`, with the shape and device of x. */
export function randLike(x: Tensor): Tensor<"f32"> {
  return rand(x.shape, { device: x.device });
}

/** As `randn`, with the shape and device of x. */
export function randnLike(x: Tensor): Tensor<"f32"> {
  return randn(x.shape, { device: x.device });
}
