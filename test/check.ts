/**
 * The one harness for ops. `checkOp` runs an op on every device and compares: values with the float64 reference,
 * gradients with the float64 graph, that graph with central differences; it looks for leaks, for writes behind tensors,
 * for results that change from run to run, and folds the work by a tiny dispatch limit.
 */

import { grad } from "../src/autograd/backward.ts";
import { gradcheck, gradgradcheck } from "../src/autograd/gradcheck.ts";
import type { Device } from "../src/gpu/device.ts";
import type { WebGpuDevice } from "../src/gpu/webgpu.ts";
import { fromValues } from "../src/kernels/creation/creation.ts";
import { deviceNamed, withDevice } from "../src/tensor/device.ts";
import { type DType, isFloat } from "../src/tensor/dtype.ts";
import { scope } from "../src/tensor/scope.ts";
import { formatShape, type Shape, sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { checkedDevices } from "./devices.ts";

export interface InputSpec {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** Elements drawn uniformly from here; -2 to 2 by default. */
  readonly range?: readonly [number, number];
  /** The elements themselves. */
  readonly values?: readonly number[];
  /** Moves drawn elements away from points where the op has a kink, by at least 0.05. */
  readonly avoid?: readonly number[];
}

export interface Tolerance {
  /** Of the largest magnitude in the expected tensor. */
  readonly relative: number;
  readonly absolute: number;
}

export interface CheckOptions {
  /** How far a float32 result may be from the float64 one; say why where it is not the default. */
  readonly tolerance?: Partial<Tolerance>;
  readonly gradientTolerance?: Partial<Tolerance>;
  /** false for ops without a gradient. */
  readonly gradient?: boolean;
  /** false where rounding makes steps of the op, which differences do not see a slope in. */
  readonly numeric?: boolean;
  /** true for ops whose second derivative exists too. */
  readonly second?: boolean;
  /** Added to the inputs' elements, one number per input. */
  readonly offset?: readonly number[];
  readonly seed?: number;
}

export type CheckedOp = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

const DEFAULT: Tolerance = { relative: 1e-5, absolute: 1e-6 };
const EXACT: Tolerance = { relative: 1e-11, absolute: 1e-11 }; // between two float64 computations
// Above this many input elements, central differences are taken along one random direction instead of each element.
const MAX_ELEMENTS_ONE_BY_ONE = 120;
const TINY_DISPATCH_LIMIT = 3;

interface HostTensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly values: Float64Array;
}

interface Outcome {
  readonly outputs: HostTensor[];
  readonly gradients: (HostTensor | null)[];
}

/**
 * Checks an op at drawn inputs.
 *
 * @param op a function of tensors
 * @param inputs a shape for f32 elements drawn from [-2, 2], or more detail
 */
export async function checkOp(
  op: CheckedOp,
  inputs: readonly (Shape | InputSpec)[],
  options: CheckOptions = {},
): Promise<void> {
  const { gradient = true, numeric = true, second = false, seed = 1 } = options;
  const random = randomNumbers(seed);
  const specs = inputs.map((input) => ("shape" in input ? input : { shape: input }) as InputSpec);
  const hosts = specs.map((spec, i) => draw(spec, random, options.offset?.[i] ?? 0));
  const tolerance = { ...DEFAULT, ...options.tolerance };
  const gradientTolerance = { ...tolerance, ...options.gradientTolerance };

  const expected = await run(op, hosts, deviceNamed("cpu:f64"), gradient);
  const compare = (actual: Outcome, where: string) => {
    for (const [i, y] of expected.outputs.entries())
      expectClose(actual.outputs[i]!, y, tolerance, `output ${i} on ${where}`);
    for (const [i, dx] of expected.gradients.entries()) {
      if (dx) expectClose(actual.gradients[i]!, dx, gradientTolerance, `the gradient of input ${i} on ${where}`);
    }
  };

  compare(await run(op, hosts, deviceNamed("cpu"), gradient), "cpu");
  for (const device of await checkedDevices(deviceNamed("webgpu") as WebGpuDevice)) {
    const where = `webgpu, ${device.family} kernels`;
    const first = await run(op, hosts, device, gradient);
    compare(first, where);
    expectIdentical(await run(op, hosts, device, gradient), first, where);
    const { maxGroups } = device;
    device.maxGroups = TINY_DISPATCH_LIMIT;
    try {
      compare(await run(op, hosts, device, gradient), `${where}, ${TINY_DISPATCH_LIMIT} workgroups at most`);
    } finally {
      device.maxGroups = maxGroups;
    }
    await device.checkGuards();
  }

  if (!gradient || !numeric) return;
  if (second) {
    for (const [i, dx] of (await composedGradients(op, hosts)).entries()) {
      const fused = expected.gradients[i];
      if (dx && fused) expectClose(dx, fused, EXACT, `the gradient of input ${i} as ops`);
    }
  }
  const tensors = hosts.map((host) => toDevice(host, deviceNamed("cpu:f64")));
  const floats = hosts.filter(({ dtype }) => isFloat(dtype)).reduce((total, { values }) => total + values.length, 0);
  if (floats <= MAX_ELEMENTS_ONE_BY_ONE) {
    await gradcheck(op, tensors, { seed });
    if (second) await gradgradcheck(op, tensors, { seed });
  } else {
    await checkDirection(op, hosts, expected, random);
  }
  for (const tensor of tensors) tensor.dispose();
}

/** Outputs and gradients on one device, inside of a scope. */
function evaluate(op: CheckedOp, hosts: readonly HostTensor[], device: Device, gradient: boolean, createGraph = false) {
  const xs = hosts.map((host) => toDevice(host, device));
  if (gradient) for (const x of xs) if (isFloat(x.dtype)) x.requiresGrad = true;
  const result = op(...xs);
  const outputs = Array.isArray(result) ? [...(result as Tensor[])] : [result as Tensor];
  const differentiable = outputs.filter((y) => y.requiresGrad);
  const floats = xs.filter((x) => isFloat(x.dtype));
  const found =
    gradient && differentiable.length > 0
      ? grad(differentiable, floats, {
          gradOutputs: differentiable.map((y) => toDevice(weightsFor(y.shape), device)),
          allowUnused: true,
          createGraph,
        })
      : [];
  const gradients = xs.map((x) => (isFloat(x.dtype) ? (found.shift() ?? null) : null));
  return { outputs, gradients };
}

/** The gradients by the second backward, which stands in for a fused one where a graph of it is wanted. */
async function composedGradients(op: CheckedOp, hosts: readonly HostTensor[]): Promise<(HostTensor | null)[]> {
  const device = deviceNamed("cpu:f64");
  const gradients = withDevice(device, () =>
    scope(() => evaluate(op, hosts, device, true, true).gradients.map((dx) => dx?.detach() ?? null)),
  );
  const values = await Promise.all(gradients.map((dx) => (dx ? toHost(dx) : null)));
  for (const dx of gradients) dx?.dispose();
  return values;
}

/** Runs the op and its backward on one device, and checks that nothing stays behind. */
async function run(op: CheckedOp, hosts: readonly HostTensor[], device: Device, gradient: boolean): Promise<Outcome> {
  const once = () => withDevice(device, () => scope(() => evaluate(op, hosts, device, gradient)));

  const before = device.memory.storages;
  const { outputs, gradients } = once();
  const outcome = {
    outputs: await Promise.all(outputs.map(toHost)),
    gradients: await Promise.all(gradients.map((dx) => (dx ? toHost(dx) : null))),
  };
  for (const tensor of [...outputs, ...gradients]) tensor?.dispose();
  // A first run may leave constants behind, which are made once.
  if (device.memory.storages !== before) {
    const between = device.memory.storages;
    const again = once();
    for (const tensor of [...again.outputs, ...again.gradients]) tensor?.dispose();
    if (device.memory.storages !== between) {
      throw new Error(`${device.memory.storages - between} storages stayed alive on ${device.name}`);
    }
  }
  return outcome;
}

// The derivative along a random direction, against a central difference of the weighted outputs.
async function checkDirection(
  op: CheckedOp,
  hosts: readonly HostTensor[],
  expected: Outcome,
  random: () => number,
): Promise<void> {
  const eps = 1e-6;
  const directions = hosts.map(({ values, dtype }) => values.map(() => (isFloat(dtype) ? 2 * random() - 1 : 0)));
  const weighted = async (sign: number) => {
    const moved = hosts.map((host, k) => ({
      ...host,
      values: host.values.map((x, i) => x + sign * eps * directions[k]![i]!),
    }));
    const { outputs } = await run(op, moved, deviceNamed("cpu:f64"), false);
    let total = 0;
    for (const y of outputs) {
      if (isFloat(y.dtype)) {
        const w = weightsFor(y.shape).values;
        y.values.forEach((value, i) => {
          total += w[i]! * value;
        });
      }
    }
    return total;
  };
  const numeric = ((await weighted(1)) - (await weighted(-1))) / (2 * eps);
  let analytic = 0;
  let scale = 0;
  for (const [k, dx] of expected.gradients.entries()) {
    dx?.values.forEach((value, i) => {
      analytic += value * directions[k]![i]!;
      scale += Math.abs(value * directions[k]![i]!);
    });
  }
  if (!(Math.abs(analytic - numeric) <= 1e-5 + 1e-5 * scale)) {
    throw new Error(`the derivative along a direction is ${analytic}, expected ${numeric} by a central difference`);
  }
}

function toDevice({ shape, dtype, values }: HostTensor, device: Device): Tensor {
  return fromValues("check", values, shape, dtype, { device });
}

async function toHost(tensor: Tensor): Promise<HostTensor> {
  return { shape: tensor.shape, dtype: tensor.dtype, values: Float64Array.from(await tensor.data()) };
}

// The same weights for every device: a random weighting of the outputs, since a plain sum hides errors.
function weightsFor(shape: Shape): HostTensor {
  const random = randomNumbers(77);
  return {
    shape,
    dtype: "f32",
    values: Float64Array.from({ length: sizeOf(shape) }, () => Math.fround(2 * random() - 1)),
  };
}

function draw(spec: InputSpec, random: () => number, offset: number): HostTensor {
  const { shape, dtype = "f32", range = dtype === "bool" ? [0, 2] : [-2, 2], avoid = [] } = spec;
  const element = () => {
    const value = range[0] + (range[1] - range[0]) * random();
    if (!isFloat(dtype)) return Math.floor(value);
    const near = avoid.find((kink) => Math.abs(value - kink) < 0.05);
    return Math.fround((near === undefined ? value : near + (value < near ? -0.05 : 0.05) * (1 + random())) + offset);
  };
  const values = spec.values ? Float64Array.from(spec.values) : Float64Array.from({ length: sizeOf(shape) }, element);
  return { shape, dtype, values };
}

/** Throws unless both have one shape and dtype and differ by at most relative * max|expected| + absolute. */
export function expectClose(
  actual: HostTensor,
  expected: HostTensor,
  { relative, absolute }: Tolerance,
  what: string,
): void {
  if (formatShape(actual.shape) !== formatShape(expected.shape) || actual.dtype !== expected.dtype) {
    throw new Error(
      `${what} is ${actual.dtype} ${formatShape(actual.shape)}, expected ${expected.dtype} ${formatShape(expected.shape)}`,
    );
  }
  const exact = !isFloat(expected.dtype);
  const largest = expected.values.reduce(
    (max, value) => (Number.isFinite(value) ? Math.max(max, Math.abs(value)) : max),
    0,
  );
  const allowed = exact ? 0 : relative * largest + absolute;
  for (let i = 0; i < expected.values.length; i++) {
    const a = actual.values[i]!;
    const e = expected.values[i]!;
    if (Object.is(a, e) || a === e || Math.abs(a - e) <= allowed) continue;
    throw new Error(`${what} ${formatShape(expected.shape)} is ${a} at element ${i}, expected ${e} within ${allowed}`);
  }
}

function expectIdentical(actual: Outcome, expected: Outcome, where: string): void {
  const pairs = [
    ...expected.outputs.map((y, i) => [y, actual.outputs[i]!] as const),
    ...expected.gradients.map((dx, i) => [dx, actual.gradients[i]!] as const),
  ];
  for (const [e, a] of pairs) {
    if (e && e.values.some((value, i) => !Object.is(value, a!.values[i]))) {
      throw new Error(`a second run on ${where} gave other bits`);
    }
  }
}

/** A seeded generator of numbers in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
