import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { glu } from "./glu.ts";

for (const [shape, axis] of [
  [[2], 0],
  [[3, 4], -1],
  [[4, 3], 0],
  [[2, 6, 5], 1],
  [[2, 0], 1],
  [[0, 2], 1],
] as const) {
  test(`glu [${shape}] along ${axis}`, () => checkOp((x) => glu(x, axis), [shape], { second: true }));
}

// More elements than the harness allows workgroups to have threads.
test.each([126, 128, 130, 772])("glu of %i elements", (size) => checkOp((x) => glu(x), [[2, size]]));

test("an open gate, a closed one, and NaN", async () => {
  for (const device of ["webgpu", "cpu"] as const) {
    const x = tensor([2, 3, 4, 200, -200, Number.NaN], { device });
    expect(await glu(x).toArray()).toEqual([2, 0, Number.NaN]);
  }
});

test("errors", () => {
  expect(() => glu(zeros([2, 3]))).toThrow("glu: x has shape [2, 3], expected an even size along axis 1");
  expect(() => glu(zeros([2, 3]), 2)).toThrow("glu: axis is 2");
  expect(() => glu(zeros([2], { dtype: "i32" }))).toThrow("glu: x has dtype i32, expected f32");
});
