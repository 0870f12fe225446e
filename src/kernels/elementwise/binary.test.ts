import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { tensor } from "../creation/creation.ts";
import { add, greater, mul } from "./binary-ops.ts";

for (const [a, b] of [
  [[3], [3]],
  [[5, 64], [64]],
  [
    [4, 1, 3],
    [2, 1],
  ],
  [[], [65]],
  [
    [2, 1, 3, 1, 2, 1],
    [1, 2, 1, 3, 1, 2],
  ],
  [[0, 3], [3]],
] as const) {
  test(`mul [${a}] [${b}]`, () => checkOp(mul, [a, b], { second: true }));
  test(`add [${a}] [${b}]`, () => checkOp(add, [a, b], { second: true }));
}

test("greater", async () => {
  expect(await greater(tensor([1, 2, 3]), 2).toArray()).toEqual([false, false, true]);
});
