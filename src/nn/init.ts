/**
 * Recipes for the first values of parameters. Each fills a tensor in place, without a gradient, and returns it. The seed
 * of `manualSeed` decides the numbers, on every device alike (drawn on the device: to rounding).
 *
 * A weight is [out, in, ...receptive field]: fanIn is in times the field's size, fanOut is out times it.
 */

import { noGrad } from "../autograd/record.ts";
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { full } from "../kernels/creation/creation.ts";
import { add, mul } from "../kernels/elementwise/binary-ops.ts";
import { clamp, erfinv } from "../kernels/elementwise/unary-ops.ts";
import { erf } from "../kernels/lib/math.reference.ts";
import { nextHostStream } from "../kernels/random/generator.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { normalNumber, randomWord } from "../kernels/random/threefry.ts";
import { copyInto } from "../kernels/strided-copy/strided-copy.ts";
import { scope } from "../tensor/scope.ts";
import { expectRank, formatShape, sizeOf, stridesOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

function assign<T extends Tensor>(tensor: T, values: () => Tensor): T {
  scope(() => noGrad(() => copyInto(values(), tensor.storage)));
  return tensor;
}

function write<T extends Tensor>(tensor: T, values: Float64Array): T {
  tensor.device.write(tensor.storage, values);
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

/**
 * Fills with numbers of a normal distribution that are within [low, high], by the inverse of its distribution function.
 *
 * @param low the bounds themselves, not in deviations; the interval should be no more than four of them from the mean
 * @throws ValueError unless low < high
 */
export function truncNormal<T extends Tensor>(tensor: T, mean = 0, std = 1, low = -2, high = 2): T {
  if (!(low < high)) throw new ValueError(`truncNormal: low is ${low} and high is ${high}, expected low < high`);
  const quantile = (x: number) => erf((x - mean) / (std * Math.SQRT2));
  return assign(tensor, () => {
    const u = rand(tensor.shape, { low: quantile(low), high: quantile(high), device: tensor.device });
    return clamp(add(mul(erfinv(u), std * Math.SQRT2), mean), { min: low, max: high });
  });
}

/** Fills with one value. */
export function constant<T extends Tensor>(tensor: T, value: number): T {
  return assign(tensor, () => full(tensor.shape, value, { device: tensor.device }));
}

/** Fills with ones. */
export function ones<T extends Tensor>(tensor: T): T {
  return constant(tensor, 1);
}

/** Fills with zeros. */
export function zeros<T extends Tensor>(tensor: T): T {
  return constant(tensor, 0);
}

/** Fills with the identity matrix. @throws ShapeError unless there are two axes */
export function eye<T extends Tensor>(tensor: T): T {
  expectRank("eye", "tensor", tensor.shape, 2);
  const [rows, cols] = tensor.shape as [number, number];
  const values = new Float64Array(tensor.size);
  for (let i = 0; i < Math.min(rows, cols); i++) values[i * cols + i] = 1;
  return write(tensor, values);
}

/**
 * Fills a convolution's weight so that it passes as many channels on as it can, in each group.
 *
 * @param tensor [out, in, ...kernel]
 * @param options groups (default 1)
 * @throws ShapeError unless there are three to five axes and out is a multiple of groups
 */
export function dirac<T extends Tensor>(tensor: T, options: { groups?: number } = {}): T {
  checkOptions("dirac", options, ["groups"]);
  const { groups = 1 } = options;
  const { shape, rank } = tensor;
  if (rank < 3 || rank > 5)
    throw new ShapeError(`dirac: the tensor has shape ${formatShape(shape)}, expected three to five axes`);
  const [out, channels, ...kernel] = shape as [number, number, ...number[]];
  if (!Number.isInteger(groups) || groups < 1 || out % groups !== 0) {
    throw new ShapeError(`dirac: groups is ${groups}, expected a divisor of ${out}, the size of the first axis`);
  }
  const strides = stridesOf(shape);
  const middle = kernel.reduce((at, size, k) => at + Math.floor(size / 2) * strides[2 + k]!, 0);
  const perGroup = out / groups;
  const values = new Float64Array(tensor.size);
  for (let o = 0; o < out; o++) {
    if (o % perGroup < channels) values[o * strides[0]! + (o % perGroup) * strides[1]! + middle] = 1;
  }
  return write(tensor, values);
}

// biome-ignore format: a table
const GAINS = {
  linear: 1, conv1d: 1, conv2d: 1, conv3d: 1, convTranspose1d: 1, convTranspose2d: 1, convTranspose3d: 1,
  sigmoid: 1, tanh: 5 / 3, relu: Math.SQRT2, leakyRelu: null, selu: 3 / 4,
};

export type Nonlinearity = keyof typeof GAINS;

/**
 * What the deviation of a layer's weights is multiplied by, so that the layer and the nonlinearity behind it keep the
 * variance of what passes: 1 for linear functions and sigmoid, 5/3 for tanh, √2 for relu, √(2 / (1 + a²)) for leakyRelu, 3/4
 * for selu.
 *
 * @param a leakyRelu's slope; 0.01 by default
 * @throws ValueError for another nonlinearity
 */
export function calculateGain(nonlinearity: Nonlinearity, a = 0.01): number {
  if (!Object.hasOwn(GAINS, nonlinearity)) {
    throw new ValueError(
      `calculateGain: nonlinearity is "${nonlinearity}", expected one of ${Object.keys(GAINS).join(", ")}`,
    );
  }
  return GAINS[nonlinearity] ?? Math.sqrt(2 / (1 + a * a));
}

/**
 * Fills uniformly from ±gain * sqrt(6 / (fanIn + fanOut)).
 *
 * @param options gain (default 1)
 * @throws ShapeError for fewer than two axes
 * @see Glorot, Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html
 */
export function xavierUniform<T extends Tensor>(tensor: T, options: { gain?: number } = {}): T {
  const bound = Math.sqrt(3) * xavierDeviation("xavierUniform", tensor, options);
  return uniform(tensor, -bound, bound);
}

/** Fills from a normal distribution of deviation gain * sqrt(2 / (fanIn + fanOut)); otherwise as `xavierUniform`. */
export function xavierNormal<T extends Tensor>(tensor: T, options: { gain?: number } = {}): T {
  return normal(tensor, 0, xavierDeviation("xavierNormal", tensor, options));
}

function xavierDeviation(op: string, tensor: Tensor, options: { gain?: number }): number {
  checkOptions(op, options, ["gain"]);
  const { fanIn, fanOut } = fans(op, tensor);
  return (options.gain ?? 1) * Math.sqrt(2 / Math.max(fanIn + fanOut, 1));
}

export interface KaimingOptions {
  /** The slope of the leaky ReLU behind the layer; 0 by default, a plain ReLU. */
  a?: number;
  /** Which fan keeps its variance: that of the forward pass (default), or of the backward pass. */
  mode?: "fanIn" | "fanOut";
  /** What is behind the layer; leakyRelu by default. */
  nonlinearity?: Nonlinearity;
}

/**
 * Fills uniformly from ±gain * sqrt(3 / fan), where the gain is that of the nonlinearity.
 *
 * @throws ShapeError for fewer than two axes
 * @see He et al. 2015, https://arxiv.org/abs/1502.01852
 */
export function kaimingUniform<T extends Tensor>(tensor: T, options: KaimingOptions = {}): T {
  const bound = Math.sqrt(3) * kaimingDeviation("kaimingUniform", tensor, options);
  return uniform(tensor, -bound, bound);
}

/** Fills from a normal distribution of deviation gain / sqrt(fan); otherwise as `kaimingUniform`. */
export function kaimingNormal<T extends Tensor>(tensor: T, options: KaimingOptions = {}): T {
  return normal(tensor, 0, kaimingDeviation("kaimingNormal", tensor, options));
}

function kaimingDeviation(op: string, tensor: Tensor, options: KaimingOptions): number {
  checkOptions(op, options, ["a", "mode", "nonlinearity"]);
  const { a = 0, mode = "fanIn", nonlinearity = "leakyRelu" } = options;
  if (mode !== "fanIn" && mode !== "fanOut") throw new ValueError(`${op}: mode is "${mode}", expected fanIn or fanOut`);
  return calculateGain(nonlinearity, a) / Math.sqrt(Math.max(fans(op, tensor)[mode], 1));
}

function fans(op: string, { shape }: Tensor): { fanIn: number; fanOut: number } {
  if (shape.length < 2)
    throw new ShapeError(`${op}: the tensor has shape ${formatShape(shape)}, expected at least two axes`);
  const field = sizeOf(shape.slice(2));
  return { fanIn: shape[1]! * field, fanOut: shape[0]! * field };
}

/**
 * Fills with an orthogonal matrix times the gain: of [rows, the rest as columns], the columns are orthonormal, or the rows
 * where those are fewer. It is drawn evenly from all such matrices, on the host.
 *
 * @param options gain (default 1)
 * @throws ShapeError for fewer than two axes
 * @see Saxe et al. 2013, https://arxiv.org/abs/1312.6120
 */
export function orthogonal<T extends Tensor>(tensor: T, options: { gain?: number } = {}): T {
  checkOptions("orthogonal", options, ["gain"]);
  const { shape, size } = tensor;
  if (shape.length < 2)
    throw new ShapeError(`orthogonal: the tensor has shape ${formatShape(shape)}, expected at least two axes`);
  if (size === 0) return tensor;
  const rows = shape[0]!;
  const cols = size / rows;
  const [count, length] = [Math.min(rows, cols), Math.max(rows, cols)];
  const { state, stream } = nextHostStream(tensor.device);
  const vectors = Array.from({ length: count }, (_, v) =>
    Float64Array.from({ length }, (_, i) => normalNumber(state, stream, v * length + i)),
  );
  orthonormalize(vectors);
  const { gain = 1 } = options;
  const values = new Float64Array(size);
  for (const [v, vector] of vectors.entries()) {
    for (let i = 0; i < length; i++) values[rows < cols ? v * cols + i : i * cols + v] = gain * vector[i]!;
  }
  return write(tensor, values);
}

// Gram and Schmidt's process, in place; what a first pass leaves of the earlier vectors, a second one takes away.
function orthonormalize(vectors: readonly Float64Array[]): void {
  for (const [v, vector] of vectors.entries()) {
    for (let pass = 0; pass < 2; pass++) {
      for (let e = 0; e < v; e++) {
        const earlier = vectors[e]!;
        const share = dot(vector, earlier);
        for (let i = 0; i < vector.length; i++) vector[i]! -= share * earlier[i]!;
      }
    }
    const scale = 1 / Math.sqrt(dot(vector, vector));
    for (let i = 0; i < vector.length; i++) vector[i]! *= scale;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Fills a matrix with normally distributed numbers, and in each column sets a part of them to 0, on the host.
 *
 * @param tensor [rows, cols]
 * @param sparsity the part of each column that is 0, rounded up to whole elements
 * @throws ShapeError unless there are two axes; ValueError for a sparsity outside of [0, 1]
 * @see Martens 2010, https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf
 */
export function sparse<T extends Tensor>(tensor: T, sparsity: number, std = 0.01): T {
  expectRank("sparse", "tensor", tensor.shape, 2);
  if (!(sparsity >= 0 && sparsity <= 1))
    throw new ValueError(`sparse: sparsity is ${sparsity}, expected a number from 0 to 1`);
  const [rows, cols] = tensor.shape as [number, number];
  const numbers = nextHostStream(tensor.device);
  const choices = nextHostStream(tensor.device);
  const values = Float64Array.from(
    { length: tensor.size },
    (_, i) => std * normalNumber(numbers.state, numbers.stream, i),
  );
  const zerosPerColumn = Math.ceil(sparsity * rows);
  for (let c = 0; c < cols; c++) {
    const left = Array.from({ length: rows }, (_, row) => row);
    for (let k = 0; k < zerosPerColumn; k++) {
      const word = randomWord(choices.state, choices.stream, c * rows + k);
      const [row] = left.splice(word % left.length, 1);
      values[row! * cols + c] = 0;
    }
  }
  return write(tensor, values);
}
