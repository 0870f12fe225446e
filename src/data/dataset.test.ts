import fc from "fast-check";
import { expect, test } from "vitest";
import { zeros } from "../kernels/creation/creation.ts";
import { ArrayDataset, concat, mapDataset, Subset, TensorDataset } from "./dataset.ts";
import { randomSplit } from "./split.ts";

const items = (count: number, first = 0) => new ArrayDataset(Array.from({ length: count }, (_, i) => first + i));
const listed = async <T>(set: { length: number; get(i: number, epoch: number): T | Promise<T> }) =>
  Promise.all(Array.from({ length: set.length }, (_, i) => set.get(i, 0)));

test("a subset has the examples it was told, in their order", async () => {
  const subset = new Subset(items(5, 10), [4, 0, 0]);
  expect(await listed(subset)).toEqual([14, 10, 10]);
  expect(await listed(new Subset(subset, [1]))).toEqual([10]);
  expect(() => new Subset(items(5), [5])).toThrow("Subset: index is 5, expected 0 to 4");
  expect(() => subset.get(3, 0)).toThrow("Subset: index is 3, expected 0 to 2");
});

test("concat is one after the other, empty ones among them", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.nat()), { minLength: 1, maxLength: 5 }), async (lists) => {
      const joined = concat(...lists.map((list) => new ArrayDataset(list)));
      expect(await listed(joined)).toEqual(lists.flat());
      expect(() => joined.get(lists.flat().length, 0)).toThrow("concat: index is");
    }),
  );
  expect(() => concat()).toThrow("concat: there are no data sets");
});

test("what wraps a data set puts examples together as that one does", async () => {
  const set = new TensorDataset(zeros([4, 2]));
  for (const wrapped of [new Subset(set, [1, 2]), concat(set, set), randomSplit(set, [0.5, 0.5])[0]!]) {
    const [rows] = await wrapped.collate!([0, 1, 3], { epoch: 0, batch: 0 });
    expect(rows.shape).toEqual([3, 2]);
  }
});

test("mapDataset computes what is asked for, of the example and its place", async () => {
  const mapped = mapDataset(items(3), (value, { index, epoch }) => [value, index, epoch]);
  expect(mapped.get(2, 7)).toEqual([2, 2, 7]);
  const late = mapDataset({ length: 1, get: async () => "a" }, (text) => text + text);
  expect(await late.get(0, 0)).toBe("aa");
});

test("randomSplit splits data sets as it does lists", async () => {
  const parts = randomSplit(items(10), [0.6, 0.4], { seed: 3 });
  const lists = randomSplit(items(10).items, [0.6, 0.4], { seed: 3 });
  expect(await Promise.all(parts.map(listed))).toEqual(lists);
});

test("tensors need as many rows", () => {
  expect(() => new TensorDataset(zeros([3, 2]), zeros([2]))).toThrow("tensor 1 has shape [2], expected 3 rows");
  expect(() => new TensorDataset(zeros([]))).toThrow("tensor 0 has shape [], expected one axis or more");
  expect(() => new TensorDataset()).toThrow("there are no tensors");
});
