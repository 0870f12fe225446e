import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { multiHeadAttention, scaledDotProductAttention, selfAttention } from "./attention.ts";

for (const [tq, tk, d, dv] of [
  [1, 1, 1, 1],
  [7, 9, 4, 8],
  [33, 17, 5, 3],
  [8, 16, 32, 32],
]) {
  test(`scaledDotProductAttention of ${tq} queries, ${tk} keys, ${d} and ${dv} features`, () =>
    checkOp(scaledDotProductAttention, [
      [2, 2, tq!, d!],
      [2, 2, tk!, d!],
      [2, 2, tk!, dv!],
    ]));
}
test("packed", () => checkOp((q, k, v) => multiHeadAttention(q, k, v, { heads: 2 }), [[2, 9, 8], [2, 17, 8], [2, 17, 12]]));
test("self", () => checkOp((x) => selfAttention(x, { heads: 2, causal: true }), [[2, 35, 24]]));
