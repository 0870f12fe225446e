import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { sum } from "./sum.ts";
for (const n of [0,1,127,128,129,256,257, 300,5000]) {
  test(`rows ${n}`, () => checkOp((x) => sum(x!, 1), [[3, n]], { second: n < 20 }));
  test(`columns ${n}`, () => checkOp((x) => sum(x!, 0), [[n, 3]], { second: n < 20 }));
}
test("x", () => expect(1).toBe(1));
