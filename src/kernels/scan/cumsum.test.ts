import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { tensor } from "../creation/creation.ts";
import { cumsum } from "./cumsum.ts";

// One part of 256 elements at most, or several; the parts of 66,000 are scanned in parts themselves.
for (const n of [0, 1, 2, 255, 256, 257, 600]) {
  test(`cumsum [3, ${n}] along each axis`, async () => {
    await checkOp((x) => cumsum(x!, 1), [[3, n]], { second: n < 10 });
    await checkOp((x) => cumsum(x!, 0), [[n, 3]], { second: n < 10 });
  });
}

// Terms of both signs, so that the magnitude that the tolerance is a fraction of stays small: 256 roundings of it.
test("cumsum of a long line", () => checkOp((x) => cumsum(x!, 0), [[66_000]], { tolerance: { relative: 2e-5 } }));

test("cumsum along the middle axis, counted from the end", () =>
  checkOp((x) => cumsum(x!, -2), [[2, 300, 7]], { tolerance: { relative: 2e-5 } }));

test("cumsum of more lines than three workgroups have threads", () => checkOp((x) => cumsum(x!, 1), [[70, 2, 4]]));

test("cumsum of integers and bool", async () => {
  for (const dtype of ["i32", "u32"] as const) {
    await checkOp((x) => cumsum(x!, 0), [{ shape: [700], dtype, range: [0, 1e6] }], { gradient: false });
  }
  const counts = cumsum(tensor([true, false, true, true]), 0);
  expect(counts.dtype).toBe("i32");
  expect(await counts.toArray()).toEqual([1, 1, 2, 3]);
  expect(await cumsum(tensor([2 ** 31 - 1, 1], { dtype: "i32" }), 0).toArray()).toEqual([2 ** 31 - 1, -(2 ** 31)]);
});

test("cumsum keeps NaN from where it is, and infinities", async () => {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const x = tensor([
    [1, nan, 2],
    [1, inf, 2],
    [inf, -inf, 2],
  ]);
  expect(await cumsum(x, 1).toArray()).toEqual([
    [1, nan, nan],
    [1, inf, inf],
    [inf, nan, nan],
  ]);
});

test("cumsum of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.integer(),
      (shape, axis, seed) => checkOp((x) => cumsum(x!, axis % shape.length), [shape], { seed }),
    ),
    { numRuns: cases(10) },
  ));

test("cumsum refuses an axis that is not there", () => {
  expect(() => cumsum(tensor([1, 2]), 1)).toThrow("cumsum: axis is 1, expected a whole number from -1 to 0");
  expect(() => cumsum(tensor(3), 0)).toThrow("cumsum: axis is 0, expected none for a scalar");
});
