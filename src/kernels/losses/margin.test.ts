import { expect, test } from "vitest";
import { checkOp, type InputSpec } from "../../../test/check.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { hingeEmbeddingLoss, marginRankingLoss, multilabelSoftMarginLoss, softMarginLoss } from "./margin.ts";

const REDUCTIONS = ["mean", "sum", "none"] as const;
const SHAPES = [[], [1], [3, 2], [63], [65], [0, 3]];

/** 1 and -1 in turn, as integers. */
const signs = (shape: readonly number[]): InputSpec => ({
  shape,
  dtype: "i32",
  values: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 3 === 0 ? -1 : 1)),
});

for (const reduction of REDUCTIONS) {
  test(`hingeEmbeddingLoss: ${reduction}`, async () => {
    const op = (x: Tensor, t: Tensor) => hingeEmbeddingLoss(x, t, { margin: 0.75, reduction });
    for (const shape of SHAPES) await checkOp(op, [{ shape, avoid: [0.75] }, signs(shape)], { second: true });
    // A target that is neither has both terms, as in PyTorch.
    await checkOp(op, [{ shape: [65], avoid: [0.75] }, [65]], { second: true });
  });

  test(`softMarginLoss: ${reduction}`, async () => {
    const op = (x: Tensor, t: Tensor) => softMarginLoss(x, t, { reduction });
    for (const shape of SHAPES) await checkOp(op, [shape, signs(shape)], { second: true });
    await checkOp(op, [[65], [65]], { second: true });
  });

  test(`marginRankingLoss: ${reduction}`, async () => {
    const op = (a: Tensor, b: Tensor, t: Tensor) => marginRankingLoss(a, b, t, { margin: 0.3, reduction });
    for (const shape of SHAPES) await checkOp(op, [shape, shape, signs(shape)], { second: true });
    await checkOp(op, [[65], [65], [65]], { second: true });
  });

  test(`multilabelSoftMarginLoss: ${reduction}`, async () => {
    for (const shape of [[3], [4, 3], [2, 2, 3], [0, 3]]) {
      const weight = (x: Tensor) => tensor([0.5, 2, 1], { device: x.device });
      const target = { shape, dtype: "bool" } as const;
      await checkOp((x, t) => multilabelSoftMarginLoss(x, t, { reduction }), [shape, target], { second: true });
      await checkOp((x, t) => multilabelSoftMarginLoss(x, t, { reduction, weight: weight(x) }), [shape, target]);
    }
  });
}

test("logits of any size", async () => {
  for (const device of ["webgpu", "cpu"] as const) {
    const x = tensor([200, -200, Number.NaN, Number.NEGATIVE_INFINITY], { device });
    const ones = tensor([1, 1, 1, 1], { device });
    const none = { reduction: "none" } as const;
    expect(await softMarginLoss(x, ones, none).toArray()).toEqual([0, 200, Number.NaN, Number.POSITIVE_INFINITY]);
    expect(await hingeEmbeddingLoss(x, ones.neg(), none).toArray()).toEqual([
      0,
      201,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]);
    expect(await marginRankingLoss(x, zeros([4], { device }), ones, none).toArray()).toEqual([
      0,
      200,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]);
  }
});

// As in PyTorch: the gradient goes through where a pair is just as far apart as it has to be.
for (const device of ["webgpu", "cpu"] as const) {
  test(`a pair of scores at the margin, ${device}`, async () => {
    const x1 = tensor([1], { device, requiresGrad: true });
    const x2 = tensor([0.5], { device, requiresGrad: true });
    const target = tensor([1], { device, requiresGrad: true });
    marginRankingLoss(x1, x2, target, { margin: 0.5 }).backward();
    const grads = [x1, x2, target].map(({ grad }) => grad!.item());
    expect(await Promise.all(grads)).toEqual([-1, 1, -0.5]);
  });
}

test("errors", () => {
  const x = zeros([2, 3]);
  expect(() => hingeEmbeddingLoss(x, zeros([3]))).toThrow("hingeEmbeddingLoss: target has shape [3], expected [2, 3]");
  expect(() => softMarginLoss(x, x, { reduction: "max" as never })).toThrow(
    'softMarginLoss: reduction is "max", expected mean, sum or none',
  );
  expect(() => marginRankingLoss(x, zeros([3]), x)).toThrow("marginRankingLoss: x2 has shape [3], expected [2, 3]");
  expect(() => marginRankingLoss(x, x, zeros([2]))).toThrow("marginRankingLoss: target has shape [2], expected [2, 3]");
  expect(() => marginRankingLoss(x, x, x, { margins: 1 } as never)).toThrow(
    'marginRankingLoss: unknown option "margins"; did you mean "margin"?',
  );
  expect(() => multilabelSoftMarginLoss(x, zeros([3]))).toThrow("multilabelSoftMarginLoss: target has shape [3]");
  expect(() => multilabelSoftMarginLoss(zeros([]), zeros([]))).toThrow("x has shape [], expected [..., classes]");
});
