import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CheckedOp, checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor } from "../creation/creation.ts";
import { manualSeed } from "../random/generator.ts";
import { rand } from "../random/random.ts";
import { dropoutAddLayerNorm, layerNorm } from "./layer-norm.ts";

const overLast: Parameters<typeof checkOp>[0] = (x, weight, bias) => layerNorm(x!, x!.shape.at(-1)!, weight, bias);

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
  const cols = shape.at(-1)!;
  test(`layerNorm [${shape}]`, () => checkOp(overLast, [shape, [cols], [cols]], { second: true }));
}

// More rows than parts, so that the sums over rows have two stages.
for (const shape of [
  [70, 8],
  [37, 3],
  [300, 4],
]) {
  const cols = shape[1]!;
  test(`layerNorm with many rows [${shape}]`, () => checkOp(overLast, [shape, [cols], [cols]]));
}

test("layerNorm without weight, without bias, without both", async () => {
  await checkOp((x) => layerNorm(x!, 6), [[3, 6]], { second: true });
  await checkOp((x, weight) => layerNorm(x!, 6, weight), [[3, 6], [6]], { second: true });
  await checkOp((x, bias) => layerNorm(x!, 6, null, bias), [[3, 6], [6]], { second: true });
});

test("layerNorm over several axes", () =>
  checkOp(
    (x, weight, bias) => layerNorm(x!, [2, 3, 2], weight, bias),
    [
      [4, 2, 3, 2],
      [2, 3, 2],
      [2, 3, 2],
    ],
    { second: true },
  ));

// float32 has steps of 1e-3 there, so the mean must not be rounded to it.
test("layerNorm with mean 1e4 and standard deviation 1e-2", () =>
  checkOp(overLast, [{ shape: [4, 33], range: [-0.02, 0.02] }, [33], [33]], { offset: [1e4, 0, 0] }));

test("layerNorm of a row whose first element is far from the others", () =>
  checkOp(overLast, [{ shape: [1, 12], values: [1e4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }, [12], [12]]));

test("layerNorm of constant rows gives the bias and finite gradients", () =>
  checkOp(overLast, [{ shape: [2, 8], values: [3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0] }, [8], [8]]));

// With a small eps, the gradient of a nearly constant row is a difference of numbers that are far larger.
test("layerNorm of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer(),
      (rows, cols, seed) =>
        checkOp((x, weight, bias) => layerNorm(x!, cols, weight, bias, { eps: 0.01 }), [[rows, cols], [cols], [cols]], {
          seed,
        }),
    ),
    { numRuns: cases(10) },
  ));

test("layerNorm keeps a NaN or an infinity in its row", async () => {
  const x = tensor([
    [1, Number.NaN, 3],
    [1, 2, Number.POSITIVE_INFINITY],
    [-1, 0, 1],
  ]);
  const y = (await layerNorm(x, 3, null, null, { eps: 0 }).toArray()) as number[][];
  expect(y[0]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  expect(y[1]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  expect(y[2]![2]).toBeCloseTo(Math.sqrt(1.5), 6);
});

test("layerNorm gives gradients only where they are wanted", () => {
  const x = rand([2, 3]);
  const [weight, bias] = [rand([3], { requiresGrad: true }), rand([3], { requiresGrad: true })];
  layerNorm(x, 3, weight, bias).sum().backward();
  expect([x.grad, weight.grad?.shape, bias.grad?.shape]).toEqual([null, [3], [3]]);
});

test("errors", () => {
  const x = rand([2, 4]);
  expect(() => layerNorm(x, 4, rand([3]))).toThrow("layerNorm: weight has shape [3], expected [4]");
  expect(() => layerNorm(x, 4, null, rand([4, 1]))).toThrow("layerNorm: bias has shape [4, 1], expected [4]");
  expect(() => layerNorm(x, 3)).toThrow("layerNorm: x has shape [2, 4], expected it to end in [3]");
  expect(() => layerNorm(x, [3, 2, 4])).toThrow("layerNorm: x has shape [2, 4], expected it to end in [3, 2, 4]");
  expect(() => layerNorm(x, [])).toThrow(
    "layerNorm: x has shape [2, 4], expected at least one axis in normalizedShape",
  );
  expect(() => layerNorm(x.cast("i32"), 4)).toThrow("layerNorm: x has dtype i32, expected f32");
  expect(() => layerNorm(x, 4, rand([4]).cast("i32"))).toThrow("layerNorm: weight has dtype i32, expected f32");
  expect(() => layerNorm(x, 4, null, null, { epsilon: 1 } as never)).toThrow('layerNorm: unknown option "epsilon"');
});

describe("dropoutAddLayerNorm", () => {
  const overLast =
    (p: number, pick: (outputs: readonly [Tensor, Tensor]) => readonly Tensor[] = (outputs) => outputs): CheckedOp =>
    (x, residual, weight, bias) => {
      manualSeed(7); // each run draws the same mask
      return pick(dropoutAddLayerNorm(x!, residual!, x!.shape.at(-1)!, weight, bias, { p }));
    };
  const post: Parameters<typeof overLast>[1] = ([y]) => [y];
  const onlySum: Parameters<typeof overLast>[1] = ([, h]) => [h];

  for (const shape of [[2, 3, 1], [5, 7], [3, 8], [2, 63], [3, 65], [2, 130], [2, 197], [2, 260], [0, 4], [3, 0]]) {
    const cols = shape.at(-1)!;
    test(`[${shape}]`, async () => {
      for (const p of [0, 0.3]) await checkOp(overLast(p), [shape, shape, [cols], [cols]], { second: true });
      await checkOp(overLast(0.5, post), [shape, shape, [cols], [cols]], { second: true });
    });
  }
});
