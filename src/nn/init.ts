/** Fills parameters with random numbers by the usual recipes; each works in place and returns its tensor. */
import { ShapeError } from "../gpu/errors.ts";
import { full } from "../kernels/creation/creation.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { copyInto } from "../kernels/strided-copy/strided-copy.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

function assign<T extends Tensor>(tensor: T, values: () => Tensor): T {
  scope(() => copyInto(values(), tensor.storage));
  return tensor;
}

/** Fills with numbers drawn uniformly from [low, high). */
export function uniform<T extends Tensor>(tensor: T, low = 0, high = 1): T {
  return assign(tensor, () => rand(tensor.shape, { low, high, device: tensor.device }));
}

/** Fills with normally distributed numbers. */
export function normal<T extends Tensor>(tensor: T, mean = 0, std = 1): T {
  return assign(tensor, () => randn(tensor.shape, { mean, std, device: tensor.device }));
}

/** Fills with one value. */
export function constant<T extends Tensor>(tensor: T, value: number): T {
  return assign(tensor, () => full(tensor.shape, value, { device: tensor.device }));
}

/**
 * Fills uniformly from ±gain * sqrt(6 / (fanIn + fanOut)).
 *
 * @throws ShapeError for fewer than two axes
 * @see Glorot, Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html
 */
export function xavierUniform<T extends Tensor>(tensor: T, { gain = 1 } = {}): T {
  const { fanIn, fanOut } = fans("xavierUniform", tensor);
  const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
  return uniform(tensor, -bound, bound);
}

/** Fills from a normal distribution of deviation gain * sqrt(2 / (fanIn + fanOut)). @throws ShapeError */
export function xavierNormal<T extends Tensor>(tensor: T, { gain = 1 } = {}): T {
  const { fanIn, fanOut } = fans("xavierNormal", tensor);
  return normal(tensor, 0, gain * Math.sqrt(2 / (fanIn + fanOut)));
}

/**
 * Fills uniformly from ±sqrt(6 / ((1 + a²) fan)), for layers followed by a leaky ReLU of slope `a`.
 *
 * @param options a (default 0, a plain ReLU), mode: which fan, "fanIn" (default) or "fanOut"
 * @throws ShapeError for fewer than two axes
 * @see He et al. 2015, https://arxiv.org/abs/1502.01852
 */
export function kaimingUniform<T extends Tensor>(
  tensor: T,
  options: { a?: number; mode?: "fanIn" | "fanOut" } = {},
): T {
  const { a = 0, mode = "fanIn" } = options;
  const bound = Math.sqrt(6 / ((1 + a * a) * fans("kaimingUniform", tensor)[mode]));
  return uniform(tensor, -bound, bound);
}

/** Fills from a normal distribution of deviation sqrt(2 / ((1 + a²) fan)). @throws ShapeError */
export function kaimingNormal<T extends Tensor>(tensor: T, options: { a?: number; mode?: "fanIn" | "fanOut" } = {}): T {
  const { a = 0, mode = "fanIn" } = options;
  return normal(tensor, 0, Math.sqrt(2 / ((1 + a * a) * fans("kaimingNormal", tensor)[mode])));
}

// A weight is [out, in, ...receptive field].
function fans(op: string, { shape }: Tensor): { fanIn: number; fanOut: number } {
  if (shape.length < 2)
    throw new ShapeError(`${op}: the tensor has shape ${formatShape(shape)}, expected at least two axes`);
  const field = sizeOf(shape.slice(2));
  return { fanIn: shape[1]! * field, fanOut: shape[0]! * field };
}
