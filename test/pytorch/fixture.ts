/**
 * Tests against what PyTorch computed in float64: the cases that fixture.py recorded, each a function or a module of
 * tilegrad's, its arguments, its outputs and the gradients of all that has one.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fromValues } from "../../src/kernels/creation/creation.ts";
import type { Module } from "../../src/nn/module.ts";
import { type DeviceName, withDevice } from "../../src/tensor/device.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import * as tg from "../../src/tilegrad.ts";

interface HostArray {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly values: readonly (number | null)[]; // null is NaN
}

interface Case {
  readonly function?: string;
  readonly module?: string;
  /** Arguments, tensors as their elements. */
  readonly construct: readonly unknown[];
  readonly training: boolean;
  /** Arguments, in which { tensor: i } stands for one of `tensors`, and { function, arguments } for what it returns. */
  readonly call: readonly unknown[];
  readonly tensors: readonly HostArray[];
  readonly outputs: readonly HostArray[];
  readonly gradients: readonly (HostArray | null)[];
  /** Tensors that are changed in place, by their number. */
  readonly tensorsAfter?: Readonly<Record<string, HostArray>>;
  readonly state: Readonly<Record<string, HostArray>>;
  readonly stateGradients: Readonly<Record<string, HostArray>>;
  readonly stateAfter: Readonly<Record<string, HostArray>>;
}

// Of the expected tensor's largest magnitude, and in absolute terms: what cancellation in a sum of some dozen terms
// of magnitude one leaves in float32.
const TOLERANCE = {
  "cpu:f64": { relative: 1e-10, absolute: 1e-10 },
  cpu: { relative: 1e-5, absolute: 2e-6 },
  webgpu: { relative: 1e-5, absolute: 2e-6 },
};

/** Declares a test per function and module of a fixture: all its cases, on each device. */
export function testAgainstPytorch(fixture: string): void {
  const cases: readonly Case[] = JSON.parse(readFileSync(new URL(`./${fixture}.json`, import.meta.url), "utf8"));
  const nameOf = (one: Case) => one.function ?? one.module!;
  for (const name of new Set(cases.map(nameOf))) {
    test(`${name} is PyTorch's`, async () => {
      for (const one of cases.filter((one) => nameOf(one) === name)) {
        for (const device of ["cpu:f64", "cpu", "webgpu"] as const) {
          const { construct, call } = one;
          const what = `${name} ${JSON.stringify({ construct, call })} on ${device}`;
          await check(one, device, what);
        }
      }
    });
  }
}

async function check(one: Case, device: DeviceName & keyof typeof TOLERANCE, what: string): Promise<void> {
  const compare = async (label: string, actual: Tensor | null | undefined, expected: HostArray) => {
    if (!actual) throw new Error(`${what}: there is no ${label}`);
    expect(actual.shape, `${what}: ${label}`).toEqual(expected.shape);
    const { relative, absolute } = TOLERANCE[device];
    const values = plain(expected);
    const largest = values.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);
    const data = await actual.data();
    for (const [i, value] of values.entries()) {
      const isClose = Object.is(data[i], value) || Math.abs(data[i]! - value) <= relative * largest + absolute;
      if (!isClose) throw new Error(`${what}: ${label} is ${data[i]} at ${i}, expected ${value}`);
    }
  };
  const { tensors, outputs, module } = withDevice(device, () => compute(one));
  expect(outputs.length, what).toBe(one.outputs.length);
  for (const [i, expected] of one.outputs.entries()) await compare(`output ${i}`, outputs[i], expected);
  for (const [i, expected] of one.gradients.entries()) {
    if (expected) await compare(`gradient of tensor ${i}`, tensors[i]!.grad, expected);
  }
  for (const [i, expected] of Object.entries(one.tensorsAfter ?? {})) {
    await compare(`tensor ${i} afterwards`, tensors[Number(i)], expected);
  }
  const parameters = module?.namedParameters();
  for (const [key, expected] of Object.entries(one.stateGradients ?? {})) {
    await compare(`gradient of ${key}`, parameters!.get(key)?.grad, expected);
  }
  const state = module?.stateDict();
  for (const [key, expected] of Object.entries(one.stateAfter ?? {})) await compare(key, state!.get(key), expected);
  for (const tensor of [...tensors, ...outputs]) tensor.dispose();
}

type AnyFunction = (...inputs: unknown[]) => unknown;

function compute(one: Case): {
  tensors: Tensor[];
  outputs: Tensor[];
  module: (Module & { forward: AnyFunction }) | null;
} {
  return scope(() => {
    const tensors = one.tensors.map((x, i) =>
      fromValues("test", plain(x), x.shape, x.dtype, { requiresGrad: one.gradients[i] !== null }),
    );
    const inputs = withTensors(one.call, tensors) as unknown[];
    let outputs: Tensor[];
    let module: (Module & { forward: AnyFunction }) | null = null;
    if (one.module) {
      const Layer = (tg.nn as unknown as Record<string, new (...construct: readonly unknown[]) => Module>)[one.module]!;
      module = new Layer(...(withTensors(one.construct, []) as unknown[])).train(one.training) as Module & {
        forward: AnyFunction;
      };
      module.loadStateDict(
        new Map(
          Object.entries(one.state).map(([key, x]) => [key, { shape: x.shape, data: Float64Array.from(plain(x)) }]),
        ),
      );
      outputs = tensorsIn(module.forward(...inputs));
    } else {
      outputs = tensorsIn(functionNamed(one.function!)(...inputs));
    }
    // As in fixture.py: each output is weighted with 1, 2, 3, ... over its size.
    const losses = outputs
      .filter((y) => y.requiresGrad)
      .map((y) => {
        const size = sizeOf(y.shape);
        const weights = Array.from({ length: size }, (_, i) => (i + 1) / size);
        return y.mul(fromValues("test", weights, y.shape, "f32", {})).sum();
      });
    if (losses.length > 0) losses.reduce((total, loss) => total.add(loss)).backward();
    return { tensors, outputs, module };
  });
}

function plain({ values }: HostArray): number[] {
  return values.map((value) => value ?? Number.NaN);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function functionNamed(name: string): AnyFunction {
  return (tg as unknown as Record<string, AnyFunction>)[name]!;
}

/** The same structure, with what its parts stand for: tensors, their elements, and what functions return. */
function withTensors(value: unknown, tensors: readonly Tensor[]): unknown {
  if (Array.isArray(value)) return value.map((x) => withTensors(x, tensors));
  if (!isRecord(value)) return value;
  if (typeof value.tensor === "number") return tensors[value.tensor];
  if (Array.isArray(value.values)) {
    const { shape, dtype } = value as unknown as HostArray;
    return fromValues("test", plain(value as unknown as HostArray), shape, dtype, {});
  }
  if (typeof value.function === "string") {
    return functionNamed(value.function)(...(withTensors(value.arguments, tensors) as unknown[]));
  }
  return Object.fromEntries(Object.entries(value).map(([key, x]) => [key, withTensors(x, tensors)]));
}

/** The tensors in nested arrays and objects, in order. */
function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsIn);
  return isRecord(value) ? Object.values(value).flatMap(tensorsIn) : [];
}
