import { describe, expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { noGrad } from "../../autograd/record.ts";
import { withDevice } from "../../tensor/device.ts";
import { keep, scope } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { ones, tensor, zeros } from "../creation/creation.ts";
import { mul } from "../elementwise/binary-ops.ts";
import { reshape } from "../view/reshape.ts";
import { copyFrom, fill, zero } from "./assign.ts";
import { to, toDevice } from "./to.ts";

const changes: Record<string, (x: Tensor) => Tensor> = {
  fill: (x) => fill(x, 2),
  zero,
  copyFrom: (x) => copyFrom(x, ones(x.shape, { device: x.device })),
};

for (const size of [0, 1, 3, 4, 64, 65, 260, 1030]) {
  test(`fill, zero and copyFrom of ${size} elements`, () =>
    checkOp((x) => [fill(x, -1.5), zero(x.clone()), copyFrom(x.clone(), x)], [[size]], { gradient: false }));
}

test("fill takes the values of the dtype", async () => {
  expect(await fill(zeros([3]), Number.NaN).toArray()).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  expect(await fill(zeros([2], { dtype: "bool" }), 5).toArray()).toEqual([true, true]);
  expect(await fill(zeros([1], { dtype: "u32" }), 2 ** 32 - 1).item()).toBe(2 ** 32 - 1);
  expect(await fill(zeros([4], { dtype: "i32" }), -(2 ** 31)).toArray()).toEqual(new Array(4).fill(-(2 ** 31)));
  const i32 = zeros([2], { dtype: "i32" });
  for (const value of [0.5, 2 ** 31, Number.NaN]) {
    expect(() => fill(i32, value)).toThrow(
      `fill: value is ${value}, expected a whole number from -2147483648 to 2147483647 for i32`,
    );
  }
});

describe("copyFrom", () => {
  test("a tensor that broadcasts, of any dtype", async () => {
    const x = zeros([2, 3]);
    expect(copyFrom(x, tensor([1, 2, 3]))).toBe(x);
    expect(await x.toArray()).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    copyFrom(x, tensor([[true], [false]]));
    expect(await x.toArray()).toEqual([
      [1, 1, 1],
      [0, 0, 0],
    ]);
    const i32 = zeros([2], { dtype: "i32" });
    copyFrom(i32, tensor([1.7, -1.7]));
    expect(await i32.toArray()).toEqual([1, -1]);
  });

  test("host data", async () => {
    const x = zeros([2, 2]);
    copyFrom(x, [
      [1, 2],
      [3, 4],
    ]);
    expect(await x.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    copyFrom(x, Float64Array.of(5, 6, 7, 8));
    expect(await x.toArray()).toEqual([
      [5, 6],
      [7, 8],
    ]);
    copyFrom(x, Uint8Array.of(1, 0, 0, 1));
    expect(await x.toArray()).toEqual([
      [1, 0],
      [0, 1],
    ]);
    const mask = copyFrom(zeros([2], { dtype: "bool" }), [3, 0]);
    expect(await mask.toArray()).toEqual([true, false]);
    const f64 = withDevice("cpu:f64", () => copyFrom(zeros([1]), [0.1]));
    expect(await f64.item()).toBe(0.1);
  });

  test("comes after what was dispatched before, and before what follows", async () => {
    const x = ones([4]);
    const before = mul(x, 3);
    copyFrom(x, [10, 20, 30, 40]);
    const after = mul(x, 3);
    expect(await before.toArray()).toEqual([3, 3, 3, 3]);
    expect(await after.toArray()).toEqual([30, 60, 90, 120]);
  });

  test("from itself", async () => {
    const x = tensor([1, 2, 3]);
    expect(await copyFrom(x, reshape(x, [1, 3]).reshape([3])).toArray()).toEqual([1, 2, 3]);
  });

  test("frees what it makes on the way", () => {
    const x = keep(zeros([2, 2], { dtype: "i32" }));
    const source = keep(tensor([1, 2]));
    const { memory } = x.device;
    const before = memory.storages;
    copyFrom(x, source);
    expect(memory.storages).toBe(before);
    x.dispose();
    source.dispose();
  });

  test("errors", () => {
    const x = zeros([2, 3]);
    expect(() => copyFrom(x, zeros([3, 2]))).toThrow("copyFrom: the shapes [2, 3] and [3, 2] do not broadcast");
    expect(() => copyFrom(x, zeros([4, 2, 3]))).toThrow(
      "copyFrom: source has shape [4, 2, 3], expected one that broadcasts to [2, 3]",
    );
    expect(() => copyFrom(zeros([1]), zeros([3]))).toThrow(
      "copyFrom: source has shape [3], expected one that broadcasts",
    );
    expect(() => copyFrom(x, [1, 2, 3])).toThrow(
      "copyFrom: source has shape [3], expected [2, 3] or a typed array of 6 elements",
    );
    expect(() => copyFrom(x, new Float32Array(5))).toThrow("copyFrom: source has shape [5], expected [2, 3]");
    expect(() => copyFrom(x, [[1, 2, 3], [4]])).toThrow("copyFrom: the nested arrays are ragged at depth 1");
    expect(() =>
      copyFrom(
        x,
        withDevice("cpu", () => zeros([2, 3])),
      ),
    ).toThrow("copyFrom: source is on cpu and x on webgpu; pass await source.toDevice(...)");
  });
});

describe.each(Object.entries(changes))("%s and gradients", (op, change) => {
  test("is refused where a gradient is recorded", () => {
    const parameter = zeros([2], { requiresGrad: true });
    const message = `${op}: x of shape [2] requires a gradient; change it in place under noGrad(() => ...) only`;
    expect(() => change(parameter)).toThrow(message);
    expect(() => change(mul(parameter, 2))).toThrow(message);
    expect(noGrad(() => change(parameter))).toBe(parameter);
    expect(parameter.requiresGrad).toBe(true);
    expect(change(parameter.detach())).toBeDefined();
  });

  test("a change of what a gradient needs is noticed", () => {
    const x = ones([2], { requiresGrad: true });
    const y = mul(x, x).sum();
    noGrad(() => change(x));
    expect(() => y.backward()).toThrow(
      "mul: the saved tensor a of shape [2] was changed in place after the forward pass",
    );
  });
});

describe("to and toDevice", () => {
  test("to converts", async () => {
    const x = tensor([1.5, -2, 0]);
    expect(await to(x, "i32").data()).toEqual(Int32Array.of(1, -2, 0));
    expect(await x.to("bool").toArray()).toEqual([true, true, false]);
    expect(to(x, "f32")).toBe(x);
    expect(() => to(x, "cpu" as never)).toThrow('to: "cpu" is a device, expected a dtype; use await x.toDevice("cpu")');
    expect(() => to(x, "f64" as never)).toThrow("dtype has dtype f64, expected f32 or i32 or u32 or bool");
  });

  test("toDevice moves any dtype there and back", async () => {
    for (const dtype of ["f32", "i32", "u32", "bool"] as const) {
      const x = tensor(
        [
          [1, 0],
          [3, 1],
        ],
        { dtype },
      );
      const there = await toDevice(x, "cpu:f64");
      expect([there.device.name, there.dtype, there.shape]).toEqual(["cpu:f64", dtype, [2, 2]]);
      const back = await there.toDevice("webgpu");
      expect(await back.toArray()).toEqual(await x.toArray());
    }
    const x = zeros([0, 2]);
    expect(await x.toDevice("webgpu")).toBe(x);
    expect((await x.toDevice("cpu")).shape).toEqual([0, 2]);
  });

  test("a moved tensor is a leaf", async () => {
    const x = ones([2], { requiresGrad: true });
    expect((await toDevice(mul(x, 2), "cpu")).requiresGrad).toBe(false);
    await expect(toDevice(x, "gpu" as never)).rejects.toThrow('unknown device "gpu"; known: webgpu, cpu, cpu:f64');
  });
});

test("scopes free nothing that was only changed", async () => {
  const x = keep(zeros([2]));
  scope(() => {
    fill(x, 1);
    copyFrom(x, mul(x, 5));
  });
  expect(await x.toArray()).toEqual([5, 5]);
  x.dispose();
});
