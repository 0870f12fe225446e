import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp, type InputSpec } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { full, tensor, zeros } from "../creation/creation.ts";
import { mean, sum } from "./sum.ts";
import { sumTo } from "./sum-to.ts";

// Terms of both signs cancel, so the error is a fraction not of the sum but of the sum of magnitudes, about one per element.
const tolerance = (elements: number) => ({ absolute: 2e-7 * elements + 1e-6 });

// Rows: a thread's up to 63 elements (127 on a software adapter), a workgroup's, and in parts from 4,097 on. Columns: in parts
// from 513 on, whose number 9,000 elements need more than one further dispatch to add up.
for (const n of [0, 1, 3, 4, 5, 63, 64, 65, 127, 128, 129, 512, 513, 4096, 4097, 9000]) {
  test(`sum and mean over ${n} elements of rows and columns`, async () => {
    const options = { second: n < 20, tolerance: tolerance(n) };
    await checkOp((x) => sum(x!, 1), [[3, n]], options);
    await checkOp((x) => sum(x!, 0), [[n, 3]], options);
    await checkOp((x) => mean(x!, 1), [[3, n]], { second: n < 20 });
    await checkOp((x) => mean(x!, 0), [[n, 3]], { second: n < 20 });
  });
}

test("more columns than threads are wanted, of lines long enough for parts", () =>
  checkOp((x) => sum(x!, 1), [[2, 1030, 33]], { tolerance: tolerance(1030), gradient: false }));

for (const axes of [undefined, [], 0, -1, [1], [0, 1], [1, 2], [0, 2], [-1, 0], [0, 1, 2]]) {
  test(`sum and mean over axes ${axes === undefined ? "left out" : `[${axes}]`}`, async () => {
    for (const keepDim of [false, true]) {
      await checkOp((x) => sum(x!, axes, { keepDim }), [[3, 4, 5]], { second: true, tolerance: tolerance(60) });
      await checkOp((x) => mean(x!, axes, { keepDim }), [[3, 4, 5]], { second: true });
    }
  });
}

test("sum over axes of any rank", async () => {
  await checkOp((x) => sum(x!), [[]], { second: true });
  await checkOp((x) => mean(x!), [[]], { second: true });
  await checkOp((x) => sum(x!, [1, 3, 5]), [[2, 3, 1, 2, 2, 3]]);
  await checkOp((x) => sum(x!, [0, 2, 4, 7]), [[2, 1, 2, 2, 1, 2, 2, 2]]);
});

test("sum and mean without elements", async () => {
  expect(await sum(zeros([0])).item()).toBe(0);
  expect(await sum(zeros([2, 0, 3]), [0, 2]).data()).toHaveLength(0);
  expect(await mean(zeros([2, 0]), 1).toArray()).toEqual([Number.NaN, Number.NaN]);
  expect(await mean(zeros([0, 3, 2]), [0, 2]).toArray()).toEqual([Number.NaN, Number.NaN, Number.NaN]);
});

test("sum of integers and bool, mean of them in f32", async () => {
  for (const dtype of ["i32", "u32", "bool"] as const) {
    const input: InputSpec = { shape: [3, 300], dtype, range: [0, dtype === "bool" ? 2 : 2 ** 24] };
    await checkOp((x) => sum(x!, 0), [input]);
    await checkOp((x) => mean(x!, 1), [input]);
  }
  expect(sum(tensor([true, true])).dtype).toBe("i32");
  expect(sum(tensor([[true, true]]), 0).dtype).toBe("i32");
  expect(sum(tensor([1], { dtype: "u32" })).dtype).toBe("u32");
  expect(await sum(tensor([2 ** 31 - 1, 1], { dtype: "i32" })).item()).toBe(-(2 ** 31));
});

test("sums of 10^7 times 0.1 and of 2^24 + 1 ones", async () => {
  const exact = 1e7 * Math.fround(0.1);
  expect(Math.abs((await sum(full([1e7], 0.1)).item()) / exact - 1)).toBeLessThan(1e-6);
  const columns = await sum(full([1e7 / 4, 4], 0.1), 0).data();
  for (const column of columns) expect(Math.abs((4 * column) / exact - 1)).toBeLessThan(1e-6);
  expect(await mean(full([2 ** 24 + 1], 1)).item()).toBe(1);
});

test("sum keeps NaN and infinities in their lines", async () => {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const x = tensor([
    [1, nan],
    [inf, 1],
    [inf, -inf],
  ]);
  expect(await sum(x, 1).toArray()).toEqual([nan, inf, nan]);
  expect(await mean(x, 0).toArray()).toEqual([inf, nan]);
});

test("sum and mean of drawn shapes and axes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ n: fc.integer({ min: 0, max: 6 }), reduced: fc.boolean() }), { maxLength: 5 }),
      fc.boolean(),
      fc.integer(),
      async (dimensions, keepDim, seed) => {
        const shape = dimensions.map(({ n }) => n);
        const axes = [...shape.keys()].filter((axis) => dimensions[axis]!.reduced);
        await checkOp((x) => sum(x!, axes, { keepDim }), [shape], { seed, tolerance: tolerance(sizeOf(shape)) });
        await checkOp((x) => mean(x!, axes, { keepDim }), [shape], { seed });
      },
    ),
    { numRuns: cases(10) },
  ));

for (const [from, to] of [
  [[5, 7], [7]],
  [
    [5, 7],
    [1, 7],
  ],
  [
    [5, 7],
    [5, 1],
  ],
  [[5, 7], []],
  [[600, 8], [8]],
  [
    [2, 3, 4, 5],
    [3, 1, 5],
  ],
  [[1, 3], [3]],
] as const) {
  test(`sumTo [${from}] to [${to}]`, () =>
    checkOp((x) => sumTo(x!, to), [from], { second: from.length === 2, tolerance: tolerance(600) }));
}

test("sumTo of a shape that is there gives the tensor itself", () => {
  const x = zeros([2, 3]);
  expect(sumTo(x, [2, 3])).toBe(x);
});

test("what sum and mean refuse", () => {
  const x = zeros([2, 3]);
  expect(() => sum(x, 2)).toThrow("sum: axis is 2, expected a whole number from -2 to 1");
  expect(() => mean(x, [0, 0])).toThrow("mean: axes are [0, 0], expected each axis once");
  expect(() => sum(x, 0, { keepdims: true } as object)).toThrow(
    'sum: unknown option "keepdims"; did you mean "keepDim"?',
  );
  expect(() => mean(x, 0, { keepdim: true } as object)).toThrow('mean: unknown option "keepdim"');
});
