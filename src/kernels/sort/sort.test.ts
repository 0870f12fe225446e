import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { argsort, sort, topk } from "./sort.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const both = ({ values, indices }: ReturnType<typeof sort>) => [values, indices];

// By ranks up to 64 elements; then by blocks of 8 and merges in stretches of 16.
for (const n of [0, 1, 2, 63, 64, 65, 72, 127, 129, 300]) {
  test(`sort [3, ${n}] along each axis, both ways`, async () => {
    await checkOp((x) => both(sort(x!)), [[3, n]], { second: n < 10 });
    await checkOp((x) => both(sort(x!, { axis: 0, descending: true })), [[n, 3]]);
  });
}

test("sort along the middle axis", () => checkOp((x) => both(sort(x!, { axis: 1 })), [[2, 67, 3]]));

test("sort of a long line", () => checkOp((x) => both(sort(x!)), [[20_011]], { gradient: false }));

for (const n of [40, 200]) {
  test(`sort keeps the order of ${n} equal elements`, async () => {
    const values = Array.from({ length: n }, (_, i) => (i * 7) % 3);
    for (const descending of [false, true]) {
      await checkOp((x) => both(sort(x!, { descending })), [{ shape: [n], values }], { gradient: false });
    }
    expect(await argsort(zeros([n]), { descending: true }).data()).toEqual(Int32Array.from({ length: n }, (_, i) => i));
  });
}

test("sort puts NaN last, descending first, and takes -0 for 0", async () => {
  const x = [0, nan, -1, inf, -0, -inf, nan, 1e-40, -1e-40];
  for (const copies of [1, 20]) {
    const values = Array.from({ length: copies }, () => x).flat();
    const spec = { shape: [values.length], values };
    await checkOp((x) => both(sort(x!)), [spec], { gradient: false });
    await checkOp((x) => both(sort(x!, { descending: true })), [spec], { gradient: false });
  }
  expect(await argsort(tensor(x)).toArray()).toEqual([5, 2, 8, 0, 4, 7, 3, 1, 6]);
  expect(await argsort(tensor(x), { descending: true }).toArray()).toEqual([1, 6, 3, 7, 0, 4, 8, 2, 5]);
});

test("sort of integers over their whole range, and of bool", async () => {
  for (const n of [50, 150]) {
    for (const [dtype, range] of [
      ["i32", [-(2 ** 31), 2 ** 31]],
      ["u32", [0, 2 ** 32]],
      ["bool", [0, 2]],
    ] as const) {
      await checkOp((x) => both(sort(x!)), [{ shape: [2, n], dtype, range }], { gradient: false });
    }
  }
  expect(await sort(tensor([true, false, true])).values.toArray()).toEqual([false, true, true]);
});

for (const [n, k] of [
  [5, 0],
  [5, 3],
  [64, 64],
  [100, 1],
  [100, 7],
  [100, 8],
  [100, 9],
  [300, 17],
  [300, 299],
] as const) {
  test(`topk ${k} of ${n}, both ways, along each axis`, async () => {
    await checkOp((x) => both(topk(x!, k)), [[3, n]], { second: n < 10 });
    await checkOp((x) => both(topk(x!, k, { axis: 0, largest: false, sorted: false })), [[n, 3]]);
  });
}

test("topk of equal elements takes the first", async () => {
  expect(await topk(tensor([1, 3, 3, 2, 3]), 2).indices.toArray()).toEqual([1, 2]);
  expect(await topk(zeros([500]), 3).indices.toArray()).toEqual([0, 1, 2]);
});

test("sort and topk of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
      fc.integer({ min: 1, max: 150 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
      fc.nat(),
      fc.boolean(),
      async (outer, n, inner, k, largest) => {
        const spec = { shape: [...outer, n, ...inner], range: [-5, 5], dtype: "i32" } as const; // with many ties
        await checkOp((x) => both(topk(x!, k % (n + 1), { axis: outer.length, largest })), [spec], { gradient: false });
      },
    ),
    { numRuns: cases(12) },
  ));

test("what sort and topk refuse", () => {
  const x = tensor([[1, 2, 3]]);
  expect(() => sort(x, { axis: 2 })).toThrow("sort: axis is 2, expected a whole number from -2 to 1");
  expect(() => argsort(x, { axis: -3 })).toThrow("argsort: axis is -3, expected a whole number from -2 to 1");
  expect(() => topk(x, 4)).toThrow("topk: k is 4, expected a whole number from 0 to 3, the size of axis 1");
  expect(() => topk(x, 1.5)).toThrow("topk: k is 1.5, expected a whole number from 0 to 3");
  expect(() => topk(x, 1, { biggest: true } as object)).toThrow('topk: unknown option "biggest"');
  expect(() => sort(x, { desc: true } as object)).toThrow('sort: unknown option "desc"');
});
