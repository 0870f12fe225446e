import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { grad } from "../../autograd/backward.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { norm } from "./norm.ts";
import { sum } from "./sum.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

for (const p of [1, 2, 3, 0.5, 2.5, -1, inf, -inf]) {
  test(`norm with p = ${p}`, async () => {
    for (const n of [1, 9, 70, 600]) {
      const options = { second: n < 20 };
      await checkOp((x) => norm(x!, 1, { p }), [{ shape: [3, n], avoid: [0] }], options);
      await checkOp((x) => norm(x!, 0, { p, keepDim: true }), [{ shape: [n, 3], avoid: [0] }], options);
    }
    await checkOp((x) => norm(x!, [0, 2], { p }), [{ shape: [2, 3, 2], avoid: [0] }], { second: true });
    await checkOp((x) => norm(x!, undefined, { p }), [{ shape: [2, 3], avoid: [0] }], { second: true });
  });
}

test("norm is Euclidean by default", async () => {
  expect(await norm(tensor([3, -4])).item()).toBe(5);
  expect(await norm(tensor([3, -4], { dtype: "i32" })).item()).toBe(5);
});

test("norm with p = 0 counts, and its gradient is 0", async () => {
  const x = tensor([[0, 2, -3], [0, 0, 1]], { requiresGrad: true }); // biome-ignore format: the matrix
  expect(await norm(x, 1, { p: 0, keepDim: true }).toArray()).toEqual([[2], [1]]);
  sum(norm(x, [0, 1], { p: 0 })).backward();
  expect(x.grad).toBe(null);
});

test("norm of zeros has gradients of 0, by ops too", async () => {
  for (const p of [1, 2, 3]) {
    for (const createGraph of [false, true]) {
      const x = tensor([0, 0], { requiresGrad: true });
      const [dx] = grad(norm(x, 0, { p }), [x], { createGraph });
      expect(await dx!.toArray()).toEqual([0, 0]);
      const y = tensor([0, 2], { requiresGrad: true });
      const [dy] = grad(norm(y, 0, { p }), [y], { createGraph });
      expect(await dy!.toArray()).toEqual([0, 1]);
    }
  }
});

test("norm keeps NaN and infinities in their lines", async () => {
  const x = tensor([[1, nan], [1, -inf], [3, 4]], { requiresGrad: true }); // biome-ignore format: the matrix
  expect(await norm(x, 1).toArray()).toEqual([nan, inf, 5]);
  for (const p of [1, 3, inf]) expect((await norm(x, 1, { p }).data()).slice(0, 2)).toEqual(Float32Array.of(nan, inf));
  norm(x, 1, { p: 1 }).backward({ gradient: tensor([1, 1, 1]) });
  expect(await x.grad!.toArray()).toEqual([[1, nan], [1, -1], [1, 1]]); // biome-ignore format: the matrix
});

test("norm of nothing", async () => {
  expect(await norm(zeros([2, 0]), 1).toArray()).toEqual([0, 0]);
  expect(await norm(zeros([0]), 0, { p: 0 }).item()).toBe(0);
  expect(() => norm(zeros([2, 0]), 1, { p: inf })).toThrow("norm: x has shape [2, 0], without elements along axes [1]");
});

test("what norm refuses", () => {
  expect(() => norm(zeros([2]), 1)).toThrow("norm: axis is 1, expected a whole number from -1 to 0");
  expect(() => norm(zeros([2]), 1, { p: 0 })).toThrow("norm: axis is 1, expected a whole number from -1 to 0");
  expect(() => norm(zeros([2]), 0, { p: nan })).toThrow("norm: p is NaN, expected a number");
  expect(() => norm(zeros([2]), 0, { ord: 2 } as object)).toThrow('norm: unknown option "ord"');
});
