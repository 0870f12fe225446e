import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { argmax, argmin, max, min } from "./extrema.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

// The largest magnitude need not be among the results, so they are exact or they are wrong.
const exact = { tolerance: { relative: 0, absolute: 0 }, gradientTolerance: { relative: 1e-6 } };

for (const n of [1, 2, 5, 64, 128, 513, 4097]) {
  test(`max, min and where they are, of ${n} elements of rows and columns`, async () => {
    const options = { ...exact, second: n < 20 };
    for (const op of [max, min]) {
      await checkOp((x) => op(x!, 1), [[3, n]], options);
      await checkOp((x) => op(x!, 0), [[n, 3]], options);
    }
    for (const op of [argmax, argmin]) {
      await checkOp((x) => op(x!, 1), [[3, n]], { gradient: false });
      await checkOp((x) => op(x!, 0), [[n, 3]], { gradient: false });
    }
  });
}

test("max and min over axes together and apart", async () => {
  for (const axes of [undefined, [], [0, 1], [0, 2], [-1, 0]]) {
    await checkOp((x) => max(x!, axes), [[2, 3, 4]], { ...exact, second: true });
    await checkOp((x) => min(x!, axes, { keepDim: true }), [[2, 3, 4]], { ...exact, second: true });
  }
});

test("argmax and argmin along an axis and of the flattened tensor", async () => {
  for (const op of [argmax, argmin]) {
    for (const keepDim of [false, true]) {
      for (const axis of [undefined, 1, -1]) {
        await checkOp((x) => op(x!, axis, { keepDim }), [[2, 30, 4]], { gradient: false });
      }
    }
  }
  expect(argmax(zeros([2, 3]), undefined, { keepDim: true }).shape).toEqual([1, 1]);
  expect(await argmax(tensor(5)).item()).toBe(0);
});

test("of equal elements the first is found", async () => {
  const x = tensor([1, 3, 3, 0, 0]);
  expect(await argmax(x).item()).toBe(1);
  expect(await argmin(x).item()).toBe(3);
  expect(await argmax(tensor([-0, 0])).item()).toBe(0);
  for (const n of [600, 5000]) {
    expect(await argmax(zeros([n])).item()).toBe(0);
    expect(await argmin(zeros([n, 2]), 0).toArray()).toEqual([0, 0]);
  }
});

test("equal elements share the gradient, over all axes alike", async () => {
  const x = tensor([[3, 1, 3], [2, 3, 0]], { requiresGrad: true }); // biome-ignore format: the matrix
  max(x).backward();
  const third = Math.fround(1 / 3);
  expect(await x.grad!.toArray()).toEqual([[third, 0, third], [0, third, 0]]); // biome-ignore format: the matrix
  const y = tensor([[[5, 5, 1], [2, 3, 4]], [[5, 0, 0], [0, 0, 5]]], { requiresGrad: true }); // biome-ignore format: the matrices
  max(y, [0, 2]).backward({ gradient: tensor([3, 8]) });
  expect(await y.grad!.data()).toEqual(Float32Array.of(1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 8));
});

test("NaN is found, and makes the gradient of its line NaN", async () => {
  const x = tensor([[1, nan, 3], [nan, -inf, nan], [1, inf, 2]], { requiresGrad: true }); // biome-ignore format: the matrix
  expect(await max(x, 1).toArray()).toEqual([nan, nan, inf]);
  expect(await min(x, 1).toArray()).toEqual([nan, nan, 1]);
  expect(await argmax(x, 1).toArray()).toEqual([1, 0, 1]);
  expect(await argmin(x, 1).toArray()).toEqual([1, 0, 0]);
  max(x, 1).backward({ gradient: tensor([1, 1, 1]) });
  expect(await x.grad!.toArray()).toEqual([[nan, nan, nan], [nan, nan, nan], [0, 1, 0]]); // biome-ignore format: the matrix
  for (const n of [100, 5000]) {
    const values = Array.from({ length: n }, (_, i) => (i === n - 2 ? nan : i));
    for (const op of [max, min]) await checkOp((x) => op(x!), [{ shape: [n], values }], { gradient: false });
    for (const op of [argmax, argmin]) await checkOp((x) => op(x!), [{ shape: [n], values }], { gradient: false });
  }
});

test("max and min of lines of infinities", async () => {
  const x = tensor([[-inf, -inf], [inf, inf]]); // biome-ignore format: the matrix
  expect(await max(x, 1).toArray()).toEqual([-inf, inf]);
  expect(await min(x, 1).toArray()).toEqual([-inf, inf]);
  expect(await argmin(x, 1).toArray()).toEqual([0, 0]);
});

test("max and min of integers over their whole range, and of bool", async () => {
  for (const [dtype, range] of [
    ["i32", [-(2 ** 31), 2 ** 31]],
    ["u32", [0, 2 ** 32]],
    ["bool", [0, 2]],
  ] as const) {
    for (const op of [max, min, argmax, argmin]) {
      await checkOp((x) => op(x!, 0), [{ shape: [100, 3], dtype, range }]);
    }
  }
  const lowest = tensor([-(2 ** 31), -(2 ** 31)], { dtype: "i32" });
  expect(await max(lowest).item()).toBe(-(2 ** 31));
  expect(await argmin(lowest).item()).toBe(0);
  expect(await min(tensor([2 ** 32 - 1], { dtype: "u32" })).item()).toBe(2 ** 32 - 1);
  expect(await min(tensor([2 ** 31 - 1], { dtype: "i32" })).item()).toBe(2 ** 31 - 1);
  expect(await max(tensor([true, false])).toArray()).toBe(true);
  expect(await argmin(tensor([2 ** 32 - 1, 2 ** 32 - 1], { dtype: "u32" })).item()).toBe(0);
});

test("max and argmin of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ n: fc.integer({ min: 1, max: 6 }), reduced: fc.boolean() }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.integer(),
      async (dimensions, axis, seed) => {
        const shape = dimensions.map(({ n }) => n);
        const axes = [...shape.keys()].filter((axis) => dimensions[axis]!.reduced);
        await checkOp((x) => max(x!, axes), [shape], { ...exact, seed });
        await checkOp((x) => argmin(x!, axis % shape.length), [shape], { gradient: false, seed });
      },
    ),
    { numRuns: cases(8) },
  ));

test("what max, min, argmax and argmin refuse", () => {
  const x = zeros([2, 0]);
  expect(() => max(x, 1)).toThrow("max: x has shape [2, 0], without elements along axes [1], expected at least one");
  expect(() => min(x)).toThrow("min: x has shape [2, 0], without elements along axes [0, 1]");
  expect(() => argmax(x, 1)).toThrow("argmax: x has shape [2, 0], without elements along axes [1]");
  expect(max(x, 0).shape).toEqual([0]);
  expect(() => argmin(x, 2)).toThrow("argmin: axis is 2, expected a whole number from -2 to 1");
  expect(() => max(x, 0, { keepDims: true } as object)).toThrow('max: unknown option "keepDims"');
  expect(() => argmax(x, 0, { axis: 1 } as object)).toThrow('argmax: unknown option "axis"');
});
