import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { prod } from "./prod.ts";
import { sum } from "./sum.ts";

const range = [0.8, 1.25] as const; // so that long products stay near 1

for (const n of [0, 1, 17, 64, 300, 5000]) {
  test(`prod over ${n} elements of rows and columns`, async () => {
    // One rounding per factor.
    const options = { tolerance: { relative: Math.max(1e-5, n * 1e-7) }, second: n < 20 };
    await checkOp((x) => prod(x!, 1), [{ shape: [2, n], range }], options);
    await checkOp((x) => prod(x!, 0), [{ shape: [n, 2], range }], options);
  });
}

test("prod over axes that lie apart", async () => {
  for (const keepDim of [false, true]) {
    await checkOp((x) => prod(x!, [0, 2], { keepDim }), [[2, 3, 4]], { second: true });
    await checkOp((x) => prod(x!, undefined, { keepDim }), [[2, 3]], { second: true });
  }
});

for (const zerosAt of [[1], [0, 2], [0, 1, 2, 3]]) {
  test(`prod's gradients where elements ${zerosAt} of four are 0`, async () => {
    const values = [2, -3, 0.5, 4].map((x, i) => (zerosAt.includes(i) ? 0 : x));
    await checkOp((x) => prod(x!), [{ shape: [4], values }], { second: true });
    await checkOp((x) => prod(x!, [0, 2]), [{ shape: [2, 1, 2], values }], { second: true });
    await checkOp((x) => prod(x!, [0, 2]), [{ shape: [1, 1, 4], values }], { second: true });
  });
}

test("the third derivative of prod at zeros", async () => {
  const x = tensor([0, 0, 0], { requiresGrad: true });
  let [d] = grad(prod(x), [x], { createGraph: true });
  [d] = grad(sum(d!.mul(tensor([1, 0, 0]))), [x], { createGraph: true });
  [d] = grad(sum(d!.mul(tensor([0, 1, 0]))), [x]);
  expect(await d!.toArray()).toEqual([0, 0, 1]);
});

test("prod of integers and bool", async () => {
  for (const dtype of ["i32", "u32", "bool"] as const) {
    await checkOp((x) => prod(x!, 1), [{ shape: [3, 30], dtype, range: [1, dtype === "bool" ? 2 : 9] }]);
  }
  expect(prod(tensor([true, false])).dtype).toBe("i32");
  expect(await prod(zeros([2, 0]), 1).toArray()).toEqual([1, 1]);
});

test("prod keeps NaN and infinities in their lines", async () => {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const x = tensor([[2, nan], [2, -inf], [0, inf], [0, 2]]); // biome-ignore format: a line per product
  expect(await prod(x, 1).toArray()).toEqual([nan, -inf, nan, 0]);
});

test("prod of drawn shapes and axes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ n: fc.integer({ min: 0, max: 4 }), reduced: fc.boolean() }), { maxLength: 4 }),
      fc.integer(),
      async (dimensions, seed) => {
        const axes = [...dimensions.keys()].filter((axis) => dimensions[axis]!.reduced);
        await checkOp((x) => prod(x!, axes), [{ shape: dimensions.map(({ n }) => n), range }], { seed });
      },
    ),
    { numRuns: cases(8) },
  ));

test("what prod refuses", () => {
  expect(() => prod(zeros([2]), 1)).toThrow("prod: axis is 1, expected a whole number from -1 to 0");
  expect(() => prod(zeros([2]), 0, { keep: true } as object)).toThrow('prod: unknown option "keep"');
});
