import { describe, expect, test } from "vitest";
import { checkOp, type InputSpec } from "../../../test/check.ts";
import type { Shape } from "../../tensor/shape.ts";
import { tensor } from "../creation/creation.ts";
import { lerp, where } from "./ternary.ts";

const flags = (shape: Shape): InputSpec => ({ shape, dtype: "bool" });

for (const [c, a, b] of [
  [[], [], []],
  [[63], [63], [63]],
  [[65], [65], [65]],
  [[400], [400], []],
  [[0], [1], [0]],
  [[4, 1], [3], [4, 3]],
  [[3], [2, 1, 3], [4, 1]],
] as const) {
  test(`where [${c}] [${a}] [${b}]`, () => checkOp(where, [flags(c), a, b], { second: true }));
  test(`lerp [${c}] [${a}] [${b}]`, () => checkOp(lerp, [c, a, b], { second: true }));
}

test("where with numbers, and of other dtypes", async () => {
  const condition = tensor([true, false]);
  const whole = where(condition, 1, 0);
  expect([whole.dtype, await whole.toArray()]).toEqual(["i32", [1, 0]]);
  const mixed = where(condition, tensor([7, 8], { dtype: "i32" }), 0.5);
  expect([mixed.dtype, await mixed.toArray()]).toEqual(["f32", [7, 0.5]]);
  const bool = where(condition, tensor([false, true]), condition);
  expect([bool.dtype, await bool.toArray()]).toEqual(["bool", [false, false]]);
  const unsigned = where(condition, tensor(Uint32Array.of(2 ** 31, 1)), 3);
  expect([unsigned.dtype, await unsigned.toArray()]).toEqual(["u32", [2 ** 31, 3]]);
});

test("what where does not choose leaves no trace, NaN included", async () => {
  const x = tensor([Number.NaN, 2], { requiresGrad: true });
  const y = where(tensor([false, true]), x.log(), 0);
  expect(await y.toArray()).toEqual([0, Math.fround(Math.LN2)]);
  y.backward({ gradient: tensor([Number.POSITIVE_INFINITY, 1]) });
  expect((await x.grad!.data())[1]).toBe(0.5);
});

test("lerp reaches both ends exactly, and passes them", async () => {
  const [a, b] = [0.1, 1e8];
  const y = await lerp(tensor([a, a, a, a]), b, tensor([0, 1, 2, -1])).data();
  expect(Array.from(y)).toEqual([a, b, 2 * b, -b].map(Math.fround));
  expect(lerp(tensor([1], { dtype: "i32" }), 2, 0.5).dtype).toBe("f32");
});

describe("errors", () => {
  test("a condition that is not bool", () => {
    expect(() => where(tensor([1]), 1, 0)).toThrow("where: condition has dtype f32, expected bool");
  });
  test("shapes that do not broadcast", () => {
    expect(() => where(tensor([true, false]), tensor([1, 2, 3]), 0)).toThrow(
      "where: the shapes [2] and [3] and [] do not broadcast",
    );
    expect(() => lerp(1, 2, 0.5)).toThrow("lerp: all operands are numbers, expected a tensor among them");
  });
});
