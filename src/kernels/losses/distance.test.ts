import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { cosineEmbeddingLoss, pairwiseDistance, tripletMarginLoss, tripletMarginWithDistanceLoss } from "./distance.ts";

const REDUCTIONS = ["mean", "sum", "none"] as const;

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

// As in PyTorch: the gradient goes through where a pair is just as far as it has to be.
for (const device of ["webgpu", "cpu"] as const) {
  test(`pairs at the margin, ${device}`, async () => {
    const x1 = tensor([[1, 0]], { device, requiresGrad: true });
    const x2 = tensor([[0, 2]], { device, requiresGrad: true });
    cosineEmbeddingLoss(x1, x2, tensor([-1], { device })).backward();
    expect([await x1.grad!.toArray(), await x2.grad!.toArray()]).toEqual([[[0, 1]], [[0.5, 0]]]);

    const [anchor, positive, negative] = [0, 1, 2].map((x) => tensor([[x]], { device, requiresGrad: true }));
    const distance = (x: Tensor, y: Tensor) => x.sub(y).abs().sum(-1);
    tripletMarginWithDistanceLoss(anchor!, positive!, negative!, { distance, margin: 1 }).backward();
    const grads = [anchor!, positive!, negative!].map(({ grad }) => grad!.item());
    expect(await Promise.all(grads)).toEqual([0, 1, -1]);
  });
}

test("errors", () => {
  const x = zeros([2, 3]);
  expect(() => pairwiseDistance(x, zeros([2, 2]))).toThrow("pairwiseDistance: the shapes [2, 3] and [2, 2]");
  expect(() => cosineEmbeddingLoss(x, zeros([3]), zeros([2]))).toThrow("cosineEmbeddingLoss: x2 has shape [3]");
  expect(() => cosineEmbeddingLoss(x, x, zeros([3]))).toThrow("target has shape [3], expected [2]");
  expect(() => cosineEmbeddingLoss(zeros([]), zeros([]), zeros([]))).toThrow("x1 has shape [], expected [n, d] or [d]");
  expect(() => tripletMarginLoss(x, zeros([3]), x)).toThrow("tripletMarginLoss: positive has shape [3]");
  expect(() => tripletMarginLoss(x, x, zeros([3]))).toThrow("tripletMarginLoss: negative has shape [3]");
  expect(() => tripletMarginLoss(x, x, x, { margin: 0 })).toThrow("margin is 0, expected a number above 0");
  expect(() => tripletMarginWithDistanceLoss(x, x, x, { p: 1 } as never)).toThrow('unknown option "p"');
});
