import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { tensor } from "../creation/creation.ts";
import { rand } from "../random/random.ts";
import { rmsNorm } from "./rms-norm.ts";

const overLast: Parameters<typeof checkOp>[0] = (x, weight) => rmsNorm(x!, x!.shape.at(-1)!, weight);

// One column; rows read one and four elements at a time, around one and two workgroups of both families; no rows; no columns.
const shapes = [
  [2, 3, 1],
  [5, 7],
  [3, 8],
  [2, 9],
  [4, 32],
  [5, 63],
  [3, 64],
  [5, 65],
  [3, 130],
  [2, 197],
  [2, 252],
  [2, 256],
  [2, 260],
  [0, 4],
  [3, 0],
];
for (const shape of shapes) {
  test(`rmsNorm [${shape}]`, () => checkOp(overLast, [shape, [shape.at(-1)!]], { second: true }));
}

// More rows than parts, so that the sums over rows have two stages.
for (const shape of [
  [70, 8],
  [37, 3],
  [300, 4],
]) {
  test(`rmsNorm with many rows [${shape}]`, () => checkOp(overLast, [shape, [shape[1]!]]));
}

test("rmsNorm without weight, over several axes", async () => {
  await checkOp((x) => rmsNorm(x!, 6), [[3, 6]], { second: true });
  await checkOp(
    (x, weight) => rmsNorm(x!, [2, 3], weight, { eps: 0.5 }),
    [
      [4, 2, 3],
      [2, 3],
    ],
    { second: true },
  );
});

test("rmsNorm of zeros gives zeros and finite gradients", () =>
  checkOp(
    (x, weight) => rmsNorm(x!, 4, weight, { eps: 1e-3 }),
    [{ shape: [2, 4], values: new Array(8).fill(0) }, [4]],
  ));

// With a small eps, the gradient of a row near zero is a difference of numbers that are far larger.
test("rmsNorm of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer(),
      (rows, cols, seed) =>
        checkOp((x, weight) => rmsNorm(x!, cols, weight, { eps: 0.01 }), [[rows, cols], [cols]], { seed }),
    ),
    { numRuns: cases(10) },
  ));

test("rmsNorm's default eps is float32's epsilon, added to the mean square", async () => {
  const x = 2 ** -12;
  expect(await rmsNorm(tensor([x]), 1).item()).toBeCloseTo(x / Math.sqrt(x * x + 2 ** -23), 6);
});

test("rmsNorm keeps a NaN or an infinity in its row", async () => {
  const x = tensor([
    [1, Number.NaN],
    [1, Number.POSITIVE_INFINITY],
    [1, -1],
  ]);
  expect(await rmsNorm(x, 2, null, { eps: 0 }).toArray()).toEqual([
    [Number.NaN, Number.NaN],
    [0, Number.NaN],
    [1, -1],
  ]);
});

test("errors", () => {
  const x = rand([2, 4]);
  expect(() => rmsNorm(x, 4, rand([3]))).toThrow("rmsNorm: weight has shape [3], expected [4]");
  expect(() => rmsNorm(x, 3)).toThrow("rmsNorm: x has shape [2, 4], expected it to end in [3]");
  expect(() => rmsNorm(x.cast("i32"), 4)).toThrow("rmsNorm: x has dtype i32, expected f32");
  expect(() => rmsNorm(x, 4, null, { epsilon: 1 } as never)).toThrow('rmsNorm: unknown option "epsilon"');
});
