import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { bilinear } from "./bilinear.ts";

test("any sizes", async () => {
  const size = fc.integer({ min: 1, max: 5 });
  const samples = fc.record({
    leading: fc.array(size, { maxLength: 3 }),
    sizes: fc.tuple(size, size, size),
    hasBias: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(samples, async ({ leading, sizes: [out, in1, in2], hasBias }) => {
      const shapes = [[...leading, in1], [...leading, in2], [out, in1, in2], ...(hasBias ? [[out]] : [])];
      await checkOp((x1, x2, weight, bias) => bilinear(x1!, x2!, weight!, bias), shapes, { second: true });
    }),
    { numRuns: cases(8) },
  );
});

test.each([3, 40])("%i outputs", (out) =>
  checkOp((x1, x2, w, b) => bilinear(x1!, x2!, w!, b!), [[9, 17], [9, 20], [out, 17, 20], [out]], { second: true }),
);

test("values, and none for no batch", async () => {
  const y = bilinear(
    tensor([[1, 2]]),
    tensor([[3, 4, 5]]),
    tensor([
      [
        [1, 0, 0],
        [0, 1, 0],
      ],
    ]),
    tensor([10]),
  );
  expect(await y.toArray()).toEqual([[1 * 3 + 2 * 4 + 10]]);
  expect(bilinear(zeros([0, 2]), zeros([0, 3]), zeros([4, 2, 3])).shape).toEqual([0, 4]);
  expect(bilinear(zeros([0, 2]), zeros([0, 3]), zeros([1, 2, 3]), zeros([1])).shape).toEqual([0, 1]);
});

test("errors", () => {
  const [x1, x2, weight] = [zeros([5, 2]), zeros([5, 3]), zeros([4, 2, 3])];
  expect(() => bilinear(x1, x2, zeros([2, 3]))).toThrow("bilinear: weight has shape [2, 3], expected [out, in1, in2]");
  expect(() => bilinear(x2, x2, weight)).toThrow("bilinear: x1 has shape [5, 3], expected [5, 2]");
  expect(() => bilinear(x1, zeros([4, 3]), weight)).toThrow("bilinear: x2 has shape [4, 3], expected [5, 3]");
  expect(() => bilinear(x1, x2, weight, zeros([3]))).toThrow("bilinear: bias has shape [3], expected [4]");
  expect(() => bilinear(x1, zeros([5, 3], { dtype: "i32" }), weight)).toThrow(
    "bilinear: x2 has dtype i32, expected f32",
  );
});
