import { describe, expect, test } from "vitest";
import { checkOp, expectClose, type InputSpec } from "../../../test/check.ts";
import { checkedDevices } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import type { Device } from "../../gpu/device.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed, withDevice } from "../../tensor/device.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fromValues, tensor } from "../creation/creation.ts";
import { reshape } from "../view/reshape.ts";
import { prelu } from "./activations.ts";
import { binaryOps } from "./binary.ts";
import * as ops from "./binary-ops.ts";
import type { Operand } from "./operand.ts";

type Op = (a: Operand, b: Operand) => Tensor;

// Eight units in the last place: the bounds of math.test.ts, and a product or two.
const TOLERANCE = { relative: 1e-6, absolute: 1e-7 };
const GRADIENT = { relative: 1e-5, absolute: 1e-6 };

const positive = { range: [0.3, 3] } as const;
const away = { avoid: [0] } as const;
const FLOATS: Record<string, readonly [Op, Partial<InputSpec>, Partial<InputSpec>]> = {
  add: [ops.add, {}, {}],
  sub: [ops.sub, {}, {}],
  mul: [ops.mul, {}, {}],
  div: [ops.div, {}, positive],
  pow: [ops.pow, positive, {}],
  maximum: [ops.maximum, {}, {}],
  minimum: [ops.minimum, {}, {}],
  // Between multiples of b, where the quotient jumps.
  remainder: [ops.remainder, { range: [2.1, 2.9] }, { values: [1, -1, 3, 3.5, -3] }],
  fmod: [ops.fmod, { range: [2.1, 2.9] }, { values: [1, -1, 3, 3.5, -3] }],
  floorDivide: [ops.floorDivide, { range: [2.1, 2.9] }, { values: [1, -1, 3, 3.5, -3] }],
  atan2: [ops.atan2, away, away],
  hypot: [ops.hypot, away, away],
  logaddexp: [ops.logaddexp, {}, {}],
};
const COMPARISONS = {
  equal: ops.equal,
  notEqual: ops.notEqual,
  less: ops.less,
  lessEqual: ops.lessEqual,
  greater: ops.greater,
  greaterEqual: ops.greaterEqual,
};
const LOGIC = { logicalAnd: ops.logicalAnd, logicalOr: ops.logicalOr, logicalXor: ops.logicalXor };
const ALL: Record<string, Op> = {
  ...Object.fromEntries(Object.entries(FLOATS).map(([name, [op]]) => [name, op])),
  ...COMPARISONS,
  ...LOGIC,
  prelu: (x, weight) => prelu(reshape(x as Tensor, [1, -1]), weight as Tensor),
};

test("every op of the table is tested", () => {
  expect(Object.keys(ALL).sort()).toEqual([...binaryOps.keys()].sort());
});

for (const [name, [op, a, b]] of Object.entries(FLOATS)) {
  test(name, () =>
    checkOp(
      op,
      [
        { shape: [11, 5], ...a },
        { shape: [5], ...b },
      ],
      {
        second: true,
        tolerance: TOLERANCE,
        gradientTolerance: GRADIENT,
      },
    ),
  );
}

describe("sizes", () => {
  for (const shape of [[], [1], [63], [64], [65], [400], [0], [2, 0, 3]]) {
    test(`div [${shape}]`, () => checkOp(ops.div, [{ shape }, { shape, ...positive }], { second: true }));
  }
  test("a number on either side", async () => {
    await checkOp((x) => ops.div(2, x), [{ shape: [65], ...positive }], { second: true });
    await checkOp((x) => ops.sub(x, 0.5), [[4096]]);
    await checkOp((x) => ops.pow(1.5, x), [[65]], { second: true });
  });
});

// biome-ignore format: a table
const EDGES = [
  0, -0, 1, -1, 2, -2, 0.5, 3, -3, 2.5, -2.5, 7, 1e-30, 1e30, -1e30, 3e38, 33, 16, -16,
  Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN,
].map(Math.fround);

async function values(op: Op, pairs: readonly (readonly [number, number])[], device: Device) {
  const of = (k: 0 | 1) =>
    fromValues(
      "test",
      pairs.map((pair) => pair[k]),
      [pairs.length],
      "f32",
      { device },
    );
  return Array.from(await op(of(0), of(1)).data(), Number);
}

async function floatDevices(): Promise<Device[]> {
  return [deviceNamed("cpu"), ...(await checkedDevices(deviceNamed("webgpu") as WebGpuDevice))];
}

describe("zeros, infinities, NaN and large floats: values are the reference's", () => {
  const pairs = EDGES.flatMap((a) => EDGES.map((b) => [a, b] as const));
  const host = (value: number) => ({ shape: [1], dtype: "f32" as const, values: Float64Array.of(value) });
  for (const [name, op] of Object.entries(ALL)) {
    test(name, async () => {
      const expected = await values(op, pairs, deviceNamed("cpu:f64"));
      for (const device of await floatDevices()) {
        const actual = await values(op, pairs, device);
        for (const [i, [a, b]] of pairs.entries()) {
          // A quotient above 2^20 is not the exact one's floor.
          const tolerance = { relative: name === "floorDivide" ? 3e-7 : 1e-6, absolute: 1e-7 };
          const what = `${name}(${a}, ${b}) on ${device.name}`;
          expectClose(host(actual[i]!), host(Math.fround(expected[i]!)), tolerance, what);
        }
      }
    });
  }
});

describe("pow", () => {
  test("small whole powers are exact", async () => {
    for (const device of await floatDevices()) {
      const x = fromValues("test", [-3, -2, 0, 2, 3, 5, 10], [7], "f32", { device });
      for (const n of [0, 1, 2, 3, 4, 5, 10]) {
        expect(Array.from(await ops.pow(x, n).data())).toEqual([-3, -2, 0, 2, 3, 5, 10].map((v) => v ** n));
      }
      const roots = await ops.pow(fromValues("test", [0, 4, 2], [3], "f32", { device }), 0.5).data();
      for (const [i, root] of [0, 2, Math.SQRT2].entries()) expect(roots[i]).toBeCloseTo(root, 6);
    }
  });

  test("gradients at 0, of negative bases, and of exponent 0", async () => {
    for (const device of await floatDevices()) {
      const at = async (base: number, exponent: number) => {
        const a = fromValues("test", [base], [], "f32", { device, requiresGrad: true });
        const b = fromValues("test", [exponent], [], "f32", { device, requiresGrad: true });
        const [da, db] = grad(ops.pow(a, b), [a, b]);
        return [await da!.item(), await db!.item()];
      };
      expect(await at(0, 2)).toEqual([0, 0]);
      expect(await at(0, 1)).toEqual([1, 0]);
      expect(await at(0, 0)).toEqual([0, 0]);
      expect(await at(0, 0.5)).toEqual([Number.POSITIVE_INFINITY, 0]);
      expect(await at(-2, 3)).toEqual([12, Number.NaN]);
      expect(await at(-2, 0)).toEqual([0, Number.NaN]);
    }
  });
});

test("equal operands of maximum and minimum share the gradient; where one is NaN both get it", async () => {
  for (const device of await floatDevices()) {
    for (const op of [ops.maximum, ops.minimum]) {
      const a = fromValues("test", [1, Number.NaN, 1], [3], "f32", { device, requiresGrad: true });
      const b = fromValues("test", [1, 1, Number.NaN], [3], "f32", { device, requiresGrad: true });
      const [da, db] = grad(op(a, b).sum(), [a, b]);
      expect(Array.from(await da!.data())).toEqual([0.5, 1, 1]);
      expect(Array.from(await db!.data())).toEqual([0.5, 1, 1]);
    }
  }
});

describe("integers", () => {
  const I32 = [-(2 ** 31), -7, -3, -1, 0, 1, 2, 3, 7, 65_537, 2 ** 31 - 1];
  const U32 = [0, 1, 2, 3, 7, 65_537, 2 ** 31, 2 ** 32 - 1];
  const wrapped: Record<string, (a: bigint, b: bigint) => bigint> = {
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => a * b,
    maximum: (a, b) => (a > b ? a : b),
    minimum: (a, b) => (a < b ? a : b),
    remainder: (a, b) => (b === 0n ? 0n : ((a % b) + b) % b),
    fmod: (a, b) => (b === 0n ? 0n : a % b),
    floorDivide: (a, b) => (b === 0n ? 0n : (a - (((a % b) + b) % b)) / b),
    equal: (a, b) => BigInt(a === b),
    notEqual: (a, b) => BigInt(a !== b),
    less: (a, b) => BigInt(a < b),
    lessEqual: (a, b) => BigInt(a <= b),
    greater: (a, b) => BigInt(a > b),
    greaterEqual: (a, b) => BigInt(a >= b),
  };
  for (const [name, f] of Object.entries(wrapped)) {
    test.each([
      ["i32", I32],
      ["u32", U32],
    ] as const)(`${name} of %s wraps around`, async (dtype, list) => {
      const pairs = list.flatMap((a) => list.map((b) => [a, b] as const));
      const wrap = dtype === "i32" ? BigInt.asIntN : BigInt.asUintN;
      for (const device of await floatDevices()) {
        const of = (k: 0 | 1) =>
          fromValues(
            "test",
            pairs.map((pair) => pair[k]),
            [pairs.length],
            dtype,
            { device },
          );
        const y = ALL[name]!(of(0), of(1));
        expect(y.dtype).toBe(name in COMPARISONS ? "bool" : dtype);
        const expected = pairs.map(([a, b]) => Number(wrap(32, f(BigInt(a), BigInt(b)))));
        expect(Array.from(await y.data(), Number), device.name).toEqual(expected);
      }
    });
  }
});

describe("promotion", () => {
  const of = (dtype: DType) => fromValues("test", [1, 0, 1], [3], dtype, {});
  test.each([
    ["f32", "i32", "f32"],
    ["i32", "bool", "i32"],
    ["u32", "bool", "u32"],
    ["bool", "bool", "i32"],
    ["f32", "bool", "f32"],
  ] as const)("%s + %s is %s", async (a, b, result) => {
    for (const y of [ops.add(of(a), of(b)), ops.add(of(b), of(a))]) {
      expect(y.dtype).toBe(result);
      expect(Array.from(await y.data(), Number)).toEqual([2, 0, 2]);
    }
  });
  test.each([
    ["i32", 2, "i32"],
    ["u32", 2, "u32"],
    ["i32", 0.5, "f32"],
    ["bool", 2, "i32"],
    ["f32", 2, "f32"],
  ] as const)("%s * %s is %s", async (dtype, number, result) => {
    const y = ops.mul(of(dtype), number);
    expect(y.dtype).toBe(result);
    expect(Array.from(await y.data(), Number)).toEqual([number, 0, number]);
  });
  test("division, powers and functions of integers are f32", async () => {
    const seven = tensor([7, -7], { dtype: "i32" });
    expect(await ops.div(seven, 2).toArray()).toEqual([3.5, -3.5]);
    expect(await ops.pow(seven, 2).toArray()).toEqual([49, 49]);
    expect(ops.atan2(seven, seven).dtype).toBe("f32");
  });
  test("a comparison with a fraction is exact", async () => {
    expect(await ops.less(tensor([0, 1], { dtype: "i32" }), 0.5).toArray()).toEqual([true, false]);
  });
  test("logic takes anything but 0 for true", async () => {
    const x = tensor([0, 0.25, Number.NaN]);
    const flags = tensor([true, true, false]);
    expect(await ops.logicalAnd(x, flags).toArray()).toEqual([false, true, false]);
    expect(await ops.logicalOr(x, flags).toArray()).toEqual([true, true, true]);
    expect(await ops.logicalXor(x, flags).toArray()).toEqual([true, false, true]);
    expect(await ops.logicalAnd(x, 2).toArray()).toEqual([false, true, true]);
  });
});

test("the graph keeps only the operands that a gradient needs", () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const w = tensor([3, 4]);
  const y = ops.mul(x, w);
  const z = ops.add(x, w);
  x.device.write(x.storage, Float32Array.of(5, 6)); // neither gradient needs x
  expect(() => grad(ops.add(y, z).sum(), [x])).not.toThrow();
});

describe("errors", () => {
  test("shapes that do not broadcast", () => {
    expect(() => ops.add(tensor([1, 2]), tensor([1, 2, 3]))).toThrow("add: the shapes [2] and [3] do not broadcast");
  });
  test("two numbers", () => {
    expect(() => ops.mul(1, 2)).toThrow("mul: all operands are numbers, expected a tensor among them");
  });
  test("i32 with u32", () => {
    expect(() => ops.add(tensor([1], { dtype: "i32" }), tensor([1], { dtype: "u32" }))).toThrow(
      "add: i32 with u32 has no common dtype",
    );
  });
  test("a number that an integer dtype cannot hold", () => {
    expect(() => ops.less(tensor([1], { dtype: "u32" }), -1)).toThrow(
      'less: the number -1 does not fit u32; convert the tensor first, with .to("f32")',
    );
  });
  test("two devices", () => {
    const there = withDevice("cpu", () => tensor([1]));
    expect(() => ops.add(tensor([1]), there)).toThrow("add: tensors on webgpu and on cpu");
  });
});

describe("prelu", () => {
  test("of one weight, and of one per channel", async () => {
    for (const [shape, weight] of [
      [[], [1]],
      [[5], [1]],
      [[2, 3, 4], [1]],
      [[2, 3, 4], [3]],
      [[2, 4, 3, 4], [4]],
      [[11, 5], [5]],
      [[0, 3], [3]],
    ] as const) {
      await checkOp((x, w) => prelu(x!, w!), [{ shape, avoid: [0] }, { shape: weight }], { second: true });
    }
  });

  test("keeps NaN and infinities; the gradient at 0 is the weight's", async () => {
    const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
    const x = tensor([nan, infinity, -infinity, 0], { requiresGrad: true });
    const y = prelu(x, tensor([0.25]));
    y.sum().backward();
    expect(await y.toArray()).toEqual([nan, infinity, -infinity, 0]);
    expect(await x.grad!.toArray()).toEqual([0.25, 1, 0.25, 0.25]);
  });

  test("errors", () => {
    const x = tensor([[1, 2, 3]]);
    expect(() => prelu(x, tensor([1, 2]))).toThrow("prelu: weight has shape [2], expected [1] or [3]");
    expect(() => prelu(x, tensor([[1]]))).toThrow("prelu: weight has shape [1, 1], expected [1] or [3]");
    expect(() => prelu(tensor([1, 2]), tensor([1, 2]))).toThrow("prelu: weight has shape [2], expected [1]");
    expect(() => prelu(x.cast("i32"), tensor([1]))).toThrow("prelu: x has dtype i32, expected f32");
  });
});

test("gradients where a formula divides by 0, and the quotient's of fmod", async () => {
  const cases: [Op, a: number, b: number, da: number, db: number][] = [
    [ops.hypot, 0, 0, 0, 0],
    [ops.hypot, 0, 2, 0, 1],
    [ops.hypot, 1, 0, 1, 0],
    [ops.hypot, 2, 0, 1, 0],
    [ops.atan2, 0, 0, 0, 0],
    [ops.atan2, 0, 2, 0.5, 0],
    [ops.atan2, 1, 0, 0, -1],
    [ops.atan2, 2, 0, 0, -0.5],
    [ops.logaddexp, 2, 2, 0.5, 0.5],
    [ops.logaddexp, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.5, 0.5],
    [ops.fmod, 7, 2, 1, -3],
    [ops.fmod, -7, 2, 1, 3],
    [ops.fmod, 9, -4, 1, 2],
  ];
  for (const device of ["cpu:f64", "cpu", "webgpu"] as const) {
    for (const [op, x, y, da, db] of cases) {
      const [a, b] = [x, y].map((value) => tensor([value], { device, requiresGrad: true })) as [Tensor, Tensor];
      const gradients = grad(op(a, b).sum(), [a, b]);
      const found = await Promise.all(gradients.map((gradient) => gradient!.item()));
      expect(
        found.map((value) => Math.round(value * 1e5) / 1e5 + 0),
        `${op.name} at ${x}, ${y}`,
      ).toEqual([da, db]);
    }
  }
});

test("the gradients of more elements than a few workgroups take at once", async () => {
  for (const size of [1021, 1024]) {
    const input = { shape: [size], ...positive };
    await checkOp(ops.hypot, [input, input], { tolerance: TOLERANCE, gradientTolerance: GRADIENT });
  }
});
