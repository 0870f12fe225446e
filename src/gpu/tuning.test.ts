import { expect, test } from "vitest";
import { bucketSize, bucketSizes, withDifferentPlans } from "./tuning.ts";

test("a size stands for those above the power of two below it", () => {
  expect([0, 1, 2, 3, 4, 5, 8, 9, 16, 1000, 1024, 1025].map(bucketSize)).toEqual([
    0, 1, 2, 4, 4, 8, 8, 16, 16, 1024, 1024, 2048,
  ]);
  for (let exponent = 0; exponent < 32; exponent++) expect(bucketSize(2 ** exponent)).toBe(2 ** exponent);
  expect(bucketSizes(3, 64, 65)).toBe("4x64x128");
});

test("of choices that lead to one plan, the first stays", () => {
  expect(withDifferentPlans([5, 1, 4, 2, 3], (x) => ({ isEven: x % 2 === 0 }))).toEqual([5, 4]);
});
