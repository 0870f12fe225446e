import { test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { exp, neg, relu } from "./unary-ops.ts";

for (const shape of [[1], [63], [64], [65], [130], [0], [2, 3, 4]]) {
  test(`exp [${shape}]`, () => checkOp(exp, [shape], { second: true }));
  test(`relu [${shape}]`, () => checkOp(relu, [{ shape, avoid: [0] }], { second: true }));
  test(`neg [${shape}]`, () => checkOp(neg, [shape], { second: true }));
}
