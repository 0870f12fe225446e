import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { full, tensor, zeros } from "../creation/creation.ts";
import { all, any, countNonzero } from "./logic.ts";

const ops = { any, all, countNonzero };

for (const [name, op] of Object.entries(ops)) {
  for (const dtype of ["f32", "i32", "u32", "bool"] as const) {
    // Mostly 0 for any, mostly not for all, so that lines differ.
    const few = (n: number) => Array.from({ length: 6 * n }, (_, i) => Number((i * 7919) % (3 * n + 1) === 0));
    const values = (n: number) => few(n).map((x) => (name === "all" ? 1 - x : x * (dtype === "bool" ? 1 : 3)));
    test(`${name} of ${dtype}`, async () => {
      for (const n of dtype === "f32" ? [1, 64, 130, 600] : [20]) {
        await checkOp((x) => op(x!, 1), [{ shape: [6, n], dtype, values: values(n) }], { gradient: false });
        await checkOp((x) => op(x!, [0, 2]), [{ shape: [2, n, 3], dtype, values: values(n) }], { gradient: false });
        await checkOp((x) => op(x!, 0, { keepDim: true }), [{ shape: [n, 6], dtype, values: values(n) }], {
          gradient: false,
        });
      }
    });
  }
}

test("the dtypes of any, all and countNonzero", () => {
  const x = tensor([1, 0]);
  expect([any(x).dtype, all(x).dtype, countNonzero(x).dtype]).toEqual(["bool", "bool", "i32"]);
});

test("NaN is not 0, -0 is", async () => {
  const x = tensor([Number.NaN, -0]);
  expect(await any(x).item()).toBe(1);
  expect(await all(x).item()).toBe(0);
  expect(await countNonzero(x).item()).toBe(1);
  expect(await all(full([3], Number.NaN)).item()).toBe(1);
  expect(await any(full([3], -0)).item()).toBe(0);
});

test("any, all and countNonzero of nothing", async () => {
  const x = zeros([2, 0]);
  expect(await any(x, 1).toArray()).toEqual([false, false]);
  expect(await all(x, 1).toArray()).toEqual([true, true]);
  expect(await countNonzero(x, 1).toArray()).toEqual([0, 0]);
});

test("what any, all and countNonzero refuse", () => {
  for (const [name, op] of Object.entries(ops)) {
    expect(() => op(zeros([2]), 3)).toThrow(`${name}: axis is 3, expected a whole number from -1 to 0`);
    expect(() => op(zeros([2]), 0, { dim: 1 } as object)).toThrow(`${name}: unknown option "dim"`);
  }
});
