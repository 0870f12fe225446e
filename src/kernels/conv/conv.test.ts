import { test } from "vitest";
import { type CheckOptions, checkOp } from "../../../test/check.ts";
import type { Shape } from "../../tensor/shape.ts";
import { type ConvOptions, conv2d } from "./conv.ts";
import { type ConvTransposeOptions, convTranspose2d } from "./conv-transpose.ts";

function check(x: Shape, weight: Shape, options: ConvOptions = {}, checks: CheckOptions = {}): Promise<void> {
  return checkOp((x, weight, bias) => conv2d(x!, weight!, bias!, options), [x, weight, [weight[0]!]], checks);
}
function checkTransposed(x: Shape, weight: Shape, options: ConvTransposeOptions = {}, checks: CheckOptions = {}) {
  const channels = weight[1]! * (options.groups ?? 1);
  return checkOp((x, weight, bias) => convTranspose2d(x!, weight!, bias!, options), [x, weight, [channels]], checks);
}

test("small", () =>
  check([2, 2, 4, 5], [4, 1, 3, 2], { groups: 2, stride: [1, 2], padding: [2, 1] }, { second: true }));
test("small t", () =>
  checkTransposed([2, 2, 4, 5], [2, 2, 3, 2], { groups: 2, stride: [1, 2], padding: [2, 1] }, { second: true }));
test("large", () => check([2, 9, 9, 10], [10, 9, 3, 3], { padding: 1 }));
test("large s", () => check([2, 9, 9, 10], [10, 9, 3, 3], { padding: 1, stride: 2 }));
test("large d", () => check([2, 9, 9, 10], [36, 9, 3, 3], { padding: [1, 2], stride: [3, 2], dilation: [2, 1] }));
test("large fold", () => check([2, 3, 9, 10], [36, 3, 3, 5], { padding: [1, 2], stride: [3, 2], dilation: [2, 1] }));
test("large t", () => checkTransposed([2, 9, 9, 10], [9, 10, 3, 3], { padding: 1, stride: 2, outputPadding: 1 }));
