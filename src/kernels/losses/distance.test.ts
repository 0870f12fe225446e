import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import {
  cosineEmbeddingLoss,
  cosineSimilarity,
  pairwiseDistance,
  tripletMarginLoss,
  tripletMarginWithDistanceLoss,
} from "./distance.ts";

const REDUCTIONS = ["mean", "sum", "none"] as const;

for (const [a, b, axis] of [
  [[3, 4], [3, 4], 1],
  [[3, 4], [3, 4], 0],
  [[5], [5], 0],
  [[3, 1, 2], [1, 4, 2], -1],
  [[2, 3, 4], [4], 2],
  [[2, 1], [2, 3], 1],
  [[2, 65], [2, 65], 1],
  [[0, 3], [0, 3], 1],
] as const) {
  test(`cosineSimilarity [${a}], [${b}] along ${axis}`, () =>
    checkOp((x, y) => cosineSimilarity(x, y, { axis }), [a, b], { second: true }));
}

test("the length of a short vector counts as eps", async () => {
  for (const device of ["webgpu", "cpu"] as const) {
    const x = tensor([0, 0, 0.25, 0], { shape: [2, 2], device, requiresGrad: true });
    const y = tensor([3, 4, 3, 4], { shape: [2, 2], device });
    const cos = cosineSimilarity(x, y, { eps: 0.5 });
    expect(await cos.toArray()).toEqual([0, expect.closeTo(0.3, 6)]);
    cos.sum().backward();
    const slope = [1.2, 1.6].map((value) => expect.closeTo(value, 5)); // y / (|y| eps)
    expect(await x.grad!.toArray()).toEqual([slope, slope]);
  }
});

for (const p of [1, 2, 3, Number.POSITIVE_INFINITY]) {
  test(`pairwiseDistance of order ${p}`, async () => {
    await checkOp(
      (x, y) => pairwiseDistance(x, y, { p }),
      [
        [3, 4],
        [3, 4],
      ],
      { second: true },
    );
    await checkOp((x, y) => pairwiseDistance(x, y, { p, eps: 0.1, keepDim: true }), [[2, 3, 4], [4]], { second: true });
  });
}

for (const reduction of REDUCTIONS) {
  test(`cosineEmbeddingLoss: ${reduction}`, async () => {
    const op = (x: Tensor, y: Tensor, t: Tensor) => cosineEmbeddingLoss(x, y, t, { margin: 0.1, reduction });
    const target = { shape: [6], dtype: "i32", values: [1, -1, -1, 1, -1, -1] } as const;
    await checkOp(op, [[6, 3], [6, 3], target], { second: true });
    await checkOp(op, [[3], [3], { shape: [], values: [1] }], { second: true });
    await checkOp(op, [[0, 3], [0, 3], { shape: [0], dtype: "i32", values: [] }], { second: true });
  });

  test(`tripletMarginLoss: ${reduction}`, async () => {
    for (const options of [{}, { p: 1, margin: 0.5 }, { swap: true, eps: 0.1 }] as const) {
      const op = (a: Tensor, p: Tensor, n: Tensor) => tripletMarginLoss(a, p, n, { ...options, reduction });
      await checkOp(
        op,
        [
          [5, 3],
          [5, 3],
          [5, 3],
        ],
        { second: true },
      );
      await checkOp(op, [[3], [3], [3]]);
    }
  });

  test(`tripletMarginWithDistanceLoss: ${reduction}`, () =>
    checkOp(
      (a, p, n) =>
        tripletMarginWithDistanceLoss(a, p, n, {
          distance: (x, y) => x.sub(y).square().sum(-1),
          margin: 2,
          swap: true,
          reduction,
        }),
      [
        [5, 3],
        [5, 3],
        [5, 3],
      ],
      { second: true },
    ));
}

test("errors", () => {
  const x = zeros([2, 3]);
  expect(() => cosineSimilarity(x, zeros([2, 2]))).toThrow(
    "cosineSimilarity: the shapes [2, 3] and [2, 2] do not broadcast",
  );
  expect(() => cosineSimilarity(x, x, { axis: 2 })).toThrow("cosineSimilarity: axis is 2");
  expect(() => pairwiseDistance(x, zeros([2, 2]))).toThrow("pairwiseDistance: the shapes [2, 3] and [2, 2]");
  expect(() => cosineEmbeddingLoss(x, zeros([3]), zeros([2]))).toThrow("cosineEmbeddingLoss: x2 has shape [3]");
  expect(() => cosineEmbeddingLoss(x, x, zeros([3]))).toThrow("target has shape [3], expected [2]");
  expect(() => cosineEmbeddingLoss(zeros([]), zeros([]), zeros([]))).toThrow("x1 has shape [], expected [n, d] or [d]");
  expect(() => tripletMarginLoss(x, zeros([3]), x)).toThrow("tripletMarginLoss: positive has shape [3]");
  expect(() => tripletMarginLoss(x, x, zeros([3]))).toThrow("tripletMarginLoss: negative has shape [3]");
  expect(() => tripletMarginLoss(x, x, x, { margin: 0 })).toThrow("margin is 0, expected a number above 0");
  expect(() => tripletMarginWithDistanceLoss(x, x, x, { p: 1 } as never)).toThrow('unknown option "p"');
});
