import { describe, expect, test } from "vitest";
import { type CheckOptions, checkOp, expectClose } from "../../../test/check.ts";
import { checkedDevices } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fromValues } from "../creation/creation.ts";
import * as activations from "./activations.ts";
import { unaryOps } from "./unary.ts";
import * as functions from "./unary-ops.ts";

// Eight units in the last place: the bounds of math.test.ts, and a product or two. Derivatives are sums and products of
// such, some of which cancel, to the default tolerance.
const TOLERANCE = { relative: 1e-6, absolute: 1e-7 };
const GRADIENT = { relative: 1e-5, absolute: 1e-6 };

interface Case {
  op: (x: Tensor) => Tensor;
  range?: readonly [number, number];
  /** Kinks and jumps, where there is no derivative to compare with. */
  avoid?: readonly number[];
}

const halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5];
const whole = [-3, -2, -1, 0, 1, 2, 3];

const f = functions;
const a = activations;
const CASES: Record<string, Case> = {
  neg: { op: f.neg },
  abs: { op: f.abs, avoid: [0] },
  sign: { op: f.sign, avoid: [0] },
  sqrt: { op: f.sqrt, range: [0.1, 4] },
  rsqrt: { op: f.rsqrt, range: [0.1, 4] },
  square: { op: f.square },
  reciprocal: { op: f.reciprocal, range: [0.2, 3] },
  exp: { op: f.exp, range: [-4, 4] },
  expm1: { op: f.expm1 },
  exp2: { op: f.exp2, range: [-4, 4] },
  log: { op: f.log, range: [0.1, 5] },
  log1p: { op: f.log1p, range: [-0.9, 4] },
  log2: { op: f.log2, range: [0.1, 5] },
  log10: { op: f.log10, range: [0.1, 5] },
  sin: { op: f.sin, range: [-9, 9] },
  cos: { op: f.cos, range: [-9, 9] },
  tan: { op: f.tan, range: [-1.2, 1.2] },
  asin: { op: f.asin, range: [-0.95, 0.95] },
  acos: { op: f.acos, range: [-0.95, 0.95] },
  atan: { op: f.atan, range: [-4, 4] },
  sinh: { op: f.sinh },
  cosh: { op: f.cosh },
  tanh: { op: f.tanh },
  sigmoid: { op: f.sigmoid, range: [-6, 6] },
  erf: { op: f.erf },
  erfc: { op: f.erfc },
  floor: { op: f.floor, range: [-3, 3], avoid: whole },
  ceil: { op: f.ceil, range: [-3, 3], avoid: whole },
  round: { op: f.round, range: [-3, 3], avoid: halves },
  trunc: { op: f.trunc, range: [-3, 3], avoid: whole },
  frac: { op: f.frac, range: [-3, 3], avoid: whole },
  clamp: { op: (x) => f.clamp(x, { min: -1, max: 0.5 }), avoid: [-1, 0.5] },
  relu: { op: a.relu, avoid: [0] },
  relu6: { op: a.relu6, range: [-3, 9], avoid: [0, 6] },
  hardtanh: { op: (x) => a.hardtanh(x, { max: 1.5 }), avoid: [-1, 1.5] },
  leakyRelu: { op: (x) => a.leakyRelu(x, 0.2), avoid: [0] },
  elu: { op: (x) => a.elu(x, 1.3), avoid: [0] },
  selu: { op: a.selu, avoid: [0] },
  gelu: { op: (x) => a.gelu(x), range: [-4, 4] },
  geluTanh: { op: (x) => a.gelu(x, { approximate: "tanh" }), range: [-4, 4] },
  silu: { op: a.silu, range: [-4, 4] },
  softplus: { op: (x) => a.softplus(x, { beta: 2, threshold: 3 }), avoid: [1.5] },
  logSigmoid: { op: a.logSigmoid, range: [-5, 5] },
  mish: { op: a.mish, range: [-4, 4] },
  hardswish: { op: a.hardswish, range: [-5, 5], avoid: [-3, 3] },
  hardsigmoid: { op: a.hardsigmoid, range: [-5, 5], avoid: [-3, 3] },
};

const PREDICATES = ["isnan", "isinf", "isfinite", "logicalNot"];

test("every op of the tables is tested", () => {
  expect([...Object.keys(CASES), ...PREDICATES].sort()).toEqual([...unaryOps.keys()].sort());
});

for (const [name, { op, range = [-2, 2], avoid = [] }] of Object.entries(CASES)) {
  test(name, () =>
    checkOp(op, [{ shape: [65], range, avoid }], {
      second: true,
      tolerance: TOLERANCE,
      gradientTolerance: GRADIENT,
    }),
  );
}

describe("sizes", () => {
  const options: CheckOptions = { second: true };
  for (const shape of [[], [1], [63], [64], [130], [0], [2, 0], [2, 3, 4]]) {
    test(`exp [${shape}]`, () => checkOp(f.exp, [shape], options));
    test(`neg [${shape}]`, () => checkOp(f.neg, [shape], options));
    test(`isfinite [${shape}]`, () => checkOp(f.isfinite, [shape], { gradient: false }));
  }
  // From 4096 elements on, four at a time where their number is a multiple of four.
  for (const shape of [[4095], [4096], [8, 515], [4098]]) {
    test(`relu [${shape}]`, () => checkOp(a.relu, [{ shape, avoid: [0] }]));
    test(`leakyRelu [${shape}]`, () => checkOp((x) => a.leakyRelu(x, 0.2), [{ shape, avoid: [0] }]));
    test(`isnan [${shape}]`, () => checkOp(f.isnan, [shape], { gradient: false }));
    test(`abs of i32 [${shape}]`, () => checkOp(f.abs, [{ shape, dtype: "i32", range: [-9, 9] }], { gradient: false }));
  }
});

// Zeros, infinities, NaN, and floats whose functions overflow or vanish.
// biome-ignore format: a table
const EDGES = [
  0, -0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 6, 3, -3, 1e-3, -1e-3, 1e-30, -1e-30, 20, -20, 90, -90, 1e4, -1e4, 3e38, -3e38,
  Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN,
];

async function valueAndGradient(
  op: (x: Tensor) => Tensor,
  values: readonly number[],
  device: ReturnType<typeof deviceNamed>,
) {
  const x = fromValues("test", values, [values.length], "f32", { device, requiresGrad: true });
  const y = op(x);
  const ones = fromValues("test", new Array(values.length).fill(1), [values.length], "f32", { device });
  const [dx] = grad(y, [x], { gradOutputs: [ones] });
  return [Float64Array.from(await y.data()), Float64Array.from(await dx!.data())] as const;
}

describe("zeros, infinities, NaN and large floats: values and gradients are the reference's", () => {
  const values = EDGES.map(Math.fround);
  for (const [name, { op }] of Object.entries(CASES)) {
    test(name, async () => {
      const expected = await valueAndGradient(op, values, deviceNamed("cpu:f64"));
      for (const device of [deviceNamed("cpu"), ...(await checkedDevices(deviceNamed("webgpu") as WebGpuDevice))]) {
        const actual = await valueAndGradient(op, values, device);
        for (const [k, what] of ["value", "gradient"].entries()) {
          for (const [i, x] of values.entries()) {
            const host = (value: number) => ({ shape: [1], dtype: "f32" as const, values: Float64Array.of(value) });
            expectClose(
              host(actual[k]![i]!),
              host(Math.fround(expected[k]![i]!)),
              { relative: 1e-5, absolute: 1e-6 },
              `the ${what} of ${name}(${x}) on ${device.name}`,
            );
          }
        }
      }
    });
  }
});
