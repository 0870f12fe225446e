import { describe, expect, test } from "vitest";
import { type CheckOptions, checkOp, expectClose, randomNumbers } from "../../../test/check.ts";
import { checkedDevices } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fromValues, tensor } from "../creation/creation.ts";
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
  erfinv: { op: f.erfinv, range: [-0.95, 0.95] },
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
  celu: { op: (x) => a.celu(x, 1.7), avoid: [0] },
  softsign: { op: a.softsign, avoid: [0] },
  tanhshrink: { op: a.tanhshrink, range: [-3, 3] },
  hardshrink: { op: (x) => a.hardshrink(x, 0.7), avoid: [-0.7, 0.7] },
  softshrink: { op: (x) => a.softshrink(x, 0.7), avoid: [-0.7, 0.7] },
  threshold: { op: (x) => a.threshold(x, 0.25, -3), avoid: [0.25] },
};

const PREDICATES = ["isnan", "isinf", "isfinite", "logicalNot"];

test("every op of the tables is tested", () => {
  expect([...Object.keys(CASES), ...PREDICATES].sort()).toEqual([...unaryOps.keys()].sort());
});

for (const [name, { op, ...input }] of Object.entries(CASES)) {
  test(name, () =>
    checkOp(op, [{ shape: [65], ...input }], {
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
  // From 4096 elements on, four at a time where their number is a multiple of four, else in steps on software adapters.
  for (const shape of [[4095], [4096], [8, 515], [4098], [4103]]) {
    test(`relu [${shape}]`, () => checkOp(a.relu, [{ shape, avoid: [0] }]));
    test(`leakyRelu [${shape}]`, () => checkOp((x) => a.leakyRelu(x, 0.2), [{ shape, avoid: [0] }]));
    test(`isnan [${shape}]`, () => checkOp(f.isnan, [shape], { gradient: false }));
    test(`abs of i32 [${shape}]`, () => checkOp(f.abs, [{ shape, dtype: "i32", range: [-9, 9] }], { gradient: false }));
  }
});

test("four elements at a time, every op gives what it gives one by one", async () => {
  const random = randomNumbers(5);
  const elements = Float32Array.from({ length: 4096 }, () => 8 * random() - 4);
  const values = async (op: (x: Tensor) => Tensor, count: number) =>
    Float64Array.from(await op(tensor(elements.slice(0, count))).data());
  for (const [name, { op }] of Object.entries(CASES)) {
    const host = (data: Float64Array) => ({ shape: [4095], dtype: "f32" as const, values: data.slice(0, 4095) });
    expectClose(host(await values(op, 4096)), host(await values(op, 4095)), TOLERANCE, name);
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

describe("integers", () => {
  const I32 = [-(2 ** 31), -65_537, -2, -1, 0, 1, 3, 65_537, 2 ** 31 - 1];
  const U32 = [0, 1, 3, 65_537, 2 ** 31, 2 ** 32 - 1];
  const wrapped: Record<string, readonly [(x: Tensor) => Tensor, (x: bigint) => bigint]> = {
    neg: [f.neg, (x) => -x],
    abs: [f.abs, (x) => (x < 0n ? -x : x)],
    sign: [f.sign, (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n)],
    square: [f.square, (x) => x * x],
    floor: [f.floor, (x) => x],
    ceil: [f.ceil, (x) => x],
    round: [f.round, (x) => x],
    trunc: [f.trunc, (x) => x],
    relu: [a.relu, (x) => (x > 0n ? x : 0n)],
    clamp: [(x) => f.clamp(x, { min: 1, max: 2 ** 31 - 2 }), (x) => (x < 1n ? 1n : x > 2147483646n ? 2147483646n : x)],
  };
  const devices = async () => [deviceNamed("cpu"), ...(await checkedDevices(deviceNamed("webgpu") as WebGpuDevice))];
  for (const [name, [op, define]] of Object.entries(wrapped)) {
    test.each([
      ["i32", I32],
      ["u32", U32],
    ] as const)(`${name} of %s wraps around`, async (dtype, list) => {
      const wrap = dtype === "i32" ? BigInt.asIntN : BigInt.asUintN;
      for (const device of await devices()) {
        const y = op(fromValues("test", list, [list.length], dtype, { device }));
        expect(y.dtype).toBe(dtype);
        expect(Array.from(await y.data(), Number), device.name).toEqual(
          list.map((x) => Number(wrap(32, define(BigInt(x))))),
        );
      }
    });
  }

  test("bool becomes i32, and functions of integers are f32", async () => {
    const flags = tensor([true, false]);
    expect(await f.neg(flags).toArray()).toEqual([-1, 0]);
    expect(f.neg(flags).dtype).toBe("i32");
    const y = f.exp2(tensor([3, -1], { dtype: "i32" }));
    expect([y.dtype, await y.toArray()]).toEqual(["f32", [8, 0.5]]);
    expect(await f.sqrt(flags).toArray()).toEqual([1, 0]);
  });

  test("tests of integers and bool", async () => {
    const x = tensor([0, -3], { dtype: "i32" });
    expect(await f.logicalNot(x).toArray()).toEqual([true, false]);
    expect(await f.logicalNot(tensor([true, false])).toArray()).toEqual([false, true]);
    expect(await f.isfinite(x).toArray()).toEqual([true, true]);
    expect(await f.isnan(x).toArray()).toEqual([false, false]);
  });

  test("a fractional bound makes integers f32", async () => {
    const y = f.clamp(tensor([0, 5], { dtype: "i32" }), { min: 0.5 });
    expect([y.dtype, await y.toArray()]).toEqual(["f32", [0.5, 5]]);
  });
});

test("tests of floats", async () => {
  const x = tensor([0, -0, 1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38]);
  expect(await f.isnan(x).toArray()).toEqual([false, false, false, true, false, false, false]);
  expect(await f.isinf(x).toArray()).toEqual([false, false, false, false, true, true, false]);
  expect(await f.isfinite(x).toArray()).toEqual([true, true, true, false, false, false, true]);
  expect(await f.logicalNot(x).toArray()).toEqual([true, true, false, false, false, false, false]);
});

test("a linear function keeps nothing for its gradient, a step function's is zeros", async () => {
  const x = tensor([1.5, -2.5], { requiresGrad: true });
  const y = f.neg(x).add(f.floor(x)).add(f.frac(x));
  x.device.write(x.storage, Float32Array.of(5, 6));
  y.sum().backward();
  expect(await x.grad!.toArray()).toEqual([0, 0]);
});

describe("errors", () => {
  const x = () => tensor([1]);
  test("clamp", () => {
    expect(() => f.clamp(x(), {})).toThrow("clamp: expected min, max or both");
    expect(() => f.clamp(x(), { min: Number.NaN })).toThrow("clamp: min is NaN and max is undefined, expected numbers");
    expect(() => f.clamp(x(), { minimum: 0 } as never)).toThrow('clamp: unknown option "minimum"; known: min, max');
  });
  test("activations", () => {
    expect(() => a.hardtanh(x(), { min: 1 })).toThrow("hardtanh: min is 1 and max is 1, expected min < max");
    expect(() => a.gelu(x(), { approximate: "erf" as never })).toThrow(
      'gelu: approximate is "erf", expected none or tanh',
    );
    expect(() => a.softplus(x(), { beta: 0 })).toThrow("softplus: beta is 0, expected a number above 0");
    expect(() => a.softplus(x(), { alpha: 0 } as never)).toThrow('softplus: unknown option "alpha"');
    expect(() => a.celu(x(), 0)).toThrow("celu: alpha is 0, expected a number other than 0");
    expect(() => a.hardshrink(x(), -1)).toThrow("hardshrink: lambda is -1, expected 0 or more");
    expect(() => a.softshrink(x(), Number.NaN)).toThrow("softshrink: lambda is NaN, expected 0 or more");
  });
});

test("what lies exactly on a threshold", async () => {
  const cases: [op: (x: Tensor) => Tensor, x: number, y: number, dx: number][] = [
    [(x) => a.hardshrink(x, 0.5), 0.5, 0, 0],
    [(x) => a.hardshrink(x, 0.5), -0.5, 0, 0],
    [(x) => a.softshrink(x, 0.5), 0.5, 0, 0],
    [(x) => a.softshrink(x, 0.5), -0.5, 0, 0],
    [(x) => a.threshold(x, 0.25, -3), 0.25, -3, 0],
  ];
  for (const device of ["cpu:f64", "cpu", "webgpu"] as const) {
    for (const [op, at, value, derivative] of cases) {
      const x = tensor([at], { device, requiresGrad: true });
      const y = op(x);
      const [dx] = grad(y.sum(), [x]);
      expect([(await y.item()) + 0, (await dx!.item()) + 0]).toEqual([value, derivative]);
    }
  }
});
