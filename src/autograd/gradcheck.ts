/** Compares analytic gradients with central differences, in float64 on the `cpu` device. */
import { Storage } from "../gpu/device.ts";
import { checkOptions, GradientError } from "../gpu/errors.ts";
import { deviceNamed, withDevice } from "../tensor/device.ts";
import { elementType, isFloat } from "../tensor/dtype.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { grad } from "./backward.ts";

export interface GradcheckOptions {
  /** The step of the differences. */
  eps?: number;
  /** A gradient may be off by atol + rtol * |numeric|. */
  atol?: number;
  rtol?: number;
  /** Chooses the random weighting of the outputs. */
  seed?: number;
}

export type DifferentiableFunction = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/**
 * Checks the gradient of `fn` at `inputs`: of a randomly weighted sum of all its outputs, by every element of every
 * f32 input, against (f(x + eps) - f(x - eps)) / (2 eps). All of it runs in float64 on the `cpu` device.
 *
 * @param fn a function of tensors that draws no random numbers
 * @param inputs where to check; integer tensors are passed on as they are
 * @throws GradientError that names input, element, and both values
 * @see https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html for the method and defaults
 */
export async function gradcheck(
  fn: DifferentiableFunction,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<void> {
  checkOptions("gradcheck", options, ["eps", "atol", "rtol", "seed"]);
  await check(fn, await readInputs(inputs), options);
}

/**
 * As `gradcheck`, for second derivatives: checks the gradient of fn's gradient.
 *
 * @throws GradientError
 */
export async function gradgradcheck(
  fn: DifferentiableFunction,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<void> {
  checkOptions("gradgradcheck", options, ["eps", "atol", "rtol", "seed"]);
  const values = await readInputs(inputs);
  const weights = randomWeights((options.seed ?? 1) + 1);
  const outer = new Map<number, Tensor>();
  const gradient = (...xs: Tensor[]) => {
    const floats = xs.filter((x) => isFloat(x.dtype));
    for (const x of floats) if (!x.requiresGrad) x.requiresGrad = true;
    const ys = listed(fn(...xs)).filter((y) => y.requiresGrad);
    const gradOutputs = ys.map((y, i) => {
      let w = outer.get(i);
      if (!w) {
        w = fromHost(weights(y.size), y.shape);
        w.kept = true;
        outer.set(i, w);
      }
      return w;
    });
    return grad(ys, floats, { gradOutputs, createGraph: true, allowUnused: true }).filter((g) => g !== null);
  };
  try {
    await check(gradient, values, options);
  } finally {
    for (const w of outer.values()) w.dispose();
  }
}

interface HostInput {
  readonly shape: Shape;
  readonly dtype: Tensor["dtype"];
  readonly values: Float64Array;
}

async function readInputs(inputs: readonly Tensor[]): Promise<HostInput[]> {
  return Promise.all(
    inputs.map(async (x) => ({ shape: x.shape, dtype: x.dtype, values: Float64Array.from(await x.data()) })),
  );
}

async function check(
  fn: DifferentiableFunction,
  inputs: readonly HostInput[],
  { eps = 1e-6, atol = 1e-5, rtol = 1e-3, seed = 1 }: GradcheckOptions,
): Promise<void> {
  const outputs = await evaluate(fn, inputs);
  const weightsOf = randomWeights(seed);
  const weights = outputs.map((y) => weightsOf(y.length));
  const analytic = await analyticGradients(fn, inputs, weights);

  const weightedSum = async (): Promise<number> => {
    let total = 0;
    for (const [k, y] of (await evaluate(fn, inputs)).entries())
      y.forEach((value, i) => (total += weights[k]![i]! * value));
    return total;
  };
  for (const [k, { shape, dtype, values }] of inputs.entries()) {
    if (!isFloat(dtype)) continue;
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!;
      values[i] = x + eps;
      const above = await weightedSum();
      values[i] = x - eps;
      const below = await weightedSum();
      values[i] = x;
      const numeric = (above - below) / (2 * eps);
      const actual = analytic[k]?.[i] ?? 0;
      if (Math.abs(actual - numeric) <= atol + rtol * Math.abs(numeric)) continue;
      throw new GradientError(
        `gradcheck: the gradient by input ${k} of shape ${formatShape(shape)} is ${actual} at element ${i}, ` +
          `expected ${numeric} by central differences`,
      );
    }
  }
}

async function evaluate(fn: DifferentiableFunction, inputs: readonly HostInput[]): Promise<Float64Array[]> {
  const ys = withDevice("cpu:f64", () => scope(() => floats(listed(fn(...inputs.map(toTensor))))));
  const values = await Promise.all(ys.map((y) => y.data()));
  for (const y of ys) y.dispose();
  return values as Float64Array[];
}

async function analyticGradients(
  fn: DifferentiableFunction,
  inputs: readonly HostInput[],
  weights: readonly Float64Array[],
): Promise<(Float64Array | null)[]> {
  const gradients = withDevice("cpu:f64", () =>
    scope(() => {
      const xs = inputs.map(toTensor);
      for (const x of floats(xs)) x.requiresGrad = true;
      const ys = floats(listed(fn(...xs)));
      const seeded = ys.map((y, k) => ({ y, w: fromHost(weights[k]!, y.shape) })).filter(({ y }) => y.requiresGrad);
      if (seeded.length === 0) return [];
      const found = grad(
        seeded.map(({ y }) => y),
        floats(xs),
        { gradOutputs: seeded.map(({ w }) => w), allowUnused: true },
      );
      return xs.map((x) => (isFloat(x.dtype) ? found.shift()! : null));
    }),
  );
  return Promise.all(gradients.map(async (g) => (g ? ((await g.data()) as Float64Array) : null)));
}

function toTensor({ shape, dtype, values }: HostInput): Tensor {
  return isFloat(dtype) ? fromHost(values, shape) : new Tensor(hostStorage(dtype, values), shape, dtype);
}

function fromHost(values: Float64Array, shape: Shape): Tensor {
  if (values.length !== sizeOf(shape))
    throw new GradientError("gradcheck: the function's outputs changed their shapes");
  return new Tensor(hostStorage("f32", values), shape, "f32");
}

function hostStorage(dtype: Tensor["dtype"], values: Float64Array): Storage {
  return Storage.from(deviceNamed("cpu:f64"), elementType(dtype), values);
}

function listed(result: Tensor | readonly Tensor[]): Tensor[] {
  return Array.isArray(result) ? [...result] : [result as Tensor];
}

function floats(tensors: readonly Tensor[]): Tensor[] {
  return tensors.filter((tensor) => isFloat(tensor.dtype));
}

// A plain sum would hide errors in softmax and layer norm, whose outputs' sums are constant.
function randomWeights(seed: number): (length: number) => Float64Array {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    return state / 2 ** 31 - 1;
  };
  return (length) => Float64Array.from({ length }, next);
}
