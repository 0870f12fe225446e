import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { full, tensor, zeros } from "../creation/creation.ts";
import { logSoftmax, softmax, softmin } from "./softmax.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

// One thread's line up to 63 elements (127 on a software adapter), from there on a workgroup's.
for (const n of [0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 300]) {
  test(`softmax and logSoftmax of ${n} elements of rows and columns`, async () => {
    for (const op of [softmax, logSoftmax]) {
      await checkOp((x) => op(x!), [[3, n]], { second: n < 20 });
      await checkOp((x) => op(x!, 0), [[n, 3]], { second: n < 20 });
    }
  });
}

test("softmax and logSoftmax of more lines than three workgroups have threads", async () => {
  for (const op of [softmax, logSoftmax]) await checkOp((x) => op(x!, 1), [[70, 2, 4]]);
});

test("softmax and logSoftmax along every axis", async () => {
  for (const op of [softmax, logSoftmax]) {
    for (const axis of [0, 1, 2, -2]) await checkOp((x) => op(x!, axis), [[2, 5, 3]], { second: true });
  }
});

test("softmin", () => checkOp((x) => softmin(x, 0), [[3, 4]], { second: true }));

test("softmax and logSoftmax of few long columns", async () => {
  for (const op of [softmax, logSoftmax]) await checkOp((x) => op(x!, 1), [[2, 1024, 3]]);
});

test("softmax and logSoftmax of elements around 1e4 and -1e4", async () => {
  for (const offset of [1e4, -1e4]) {
    for (const op of [softmax, logSoftmax]) {
      await checkOp((x) => op(x!), [[3, 10]], { offset: [offset] });
      await checkOp((x) => op(x!), [[2, 600]], { offset: [offset], gradient: false });
    }
  }
});

test("softmax and logSoftmax of elements at 3e38", async () => {
  const x = tensor([[3e38, -3e38, 3e38], [-3e38, -3e38, -3e38]]); // biome-ignore format: the matrix
  const third = Math.fround(1 / 3);
  expect(await softmax(x).toArray()).toEqual([[0.5, 0, 0.5], [third, third, third]]); // biome-ignore format: the matrix
  const y = (await logSoftmax(x).toArray()) as number[][];
  expect(y[0]).toEqual([Math.fround(-Math.LN2), -inf, Math.fround(-Math.LN2)]);
  expect(y[1]![0]).toBeCloseTo(-Math.log(3), 6);
});

test("softmax and logSoftmax of a row of 100,000", async () => {
  for (const op of [softmax, logSoftmax]) await checkOp((x) => op(x!), [[100_000]]);
  expect(await softmax(full([100_000], 7)).data()).toEqual(new Float32Array(100_000).fill(1e-5));
});

test("a NaN, an infinity, or nothing but -Infinity makes a line NaN", async () => {
  for (const n of [3, 600]) {
    const row = (...values: number[]) => values.concat(Array(n - values.length).fill(values.at(-1)));
    const values = [row(1, nan, 2), row(inf, 1), row(-inf), row(-inf, 0), row(1, 2, nan)];
    for (const op of [softmax, logSoftmax]) {
      await checkOp((x) => op(x!), [{ shape: [5, n], values: values.flat() }], { gradient: false });
      await checkOp(
        (x) => op(x!, 0),
        [{ shape: [n, 5], values: values[0]!.flatMap((_, c) => values.map((r) => r[c]!)) }],
        {
          gradient: false,
        },
      );
    }
  }
  expect(await softmax(tensor([-inf, -inf])).toArray()).toEqual([nan, nan]);
  expect(await softmax(tensor([-inf, 0])).toArray()).toEqual([0, 1]);
  expect(await logSoftmax(tensor([-inf, 0])).toArray()).toEqual([-inf, 0]);
});

test("softmax of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.integer(),
      async (shape, axis, seed) => {
        for (const op of [softmax, logSoftmax]) await checkOp((x) => op(x!, axis % shape.length), [shape], { seed });
      },
    ),
    { numRuns: cases(8) },
  ));

test("what softmax and logSoftmax refuse", () => {
  expect(() => softmax(zeros([2]), 1)).toThrow("softmax: axis is 1, expected a whole number from -1 to 0");
  expect(() => logSoftmax(tensor(1))).toThrow("logSoftmax: axis is -1, expected none for a scalar");
  expect(() => softmin(zeros([2]), 1)).toThrow("softmin: axis is 1");
  expect(() => softmin(tensor([1], { dtype: "i32" }))).toThrow("softmin: x has dtype i32, expected f32");
  expect(() => softmax(tensor([1], { dtype: "i32" }))).toThrow("softmax: x has dtype i32, expected f32");
});
