import { expect, test } from "vitest";
import { checkOp, type InputSpec } from "../../../test/check.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { gaussianNLLLoss, poissonNLLLoss } from "./likelihood.ts";

const REDUCTIONS = ["mean", "sum", "none"] as const;

for (const reduction of REDUCTIONS) {
  for (const full of [false, true]) {
    test(`gaussianNLLLoss: ${reduction}, full ${full}`, async () => {
      const op = (x: Tensor, t: Tensor, v: Tensor) => gaussianNLLLoss(x, t, v, { full, reduction });
      const positive = { range: [0.1, 2] } as const;
      for (const [x, target, variance] of [
        [[], [], []],
        [
          [3, 2],
          [3, 2],
          [3, 2],
        ],
        [[3, 2], [2], [3]],
        [
          [2, 3, 2],
          [2, 3, 1],
          [2, 3, 1],
        ],
        [[65], [65], []],
        [
          [0, 3],
          [0, 3],
          [0, 1],
        ],
      ] as const) {
        await checkOp(op, [x, target, { shape: variance, ...positive }], { second: true });
      }
    });

    for (const logInput of [false, true]) {
      test(`poissonNLLLoss: ${reduction}, full ${full}, logInput ${logInput}`, async () => {
        const op = (x: Tensor, t: Tensor) => poissonNLLLoss(x, t, { full, logInput, eps: 0.01, reduction });
        for (const shape of [[], [3, 2], [65], [0, 3]]) {
          const x: InputSpec = { shape, range: logInput ? [-2, 2] : [0.1, 3] };
          await checkOp(op, [x, { shape, range: [0, 4], avoid: [1] }], { second: true });
        }
      });
    }
  }
}

test("a variance below eps counts as eps, and a negative one is NaN", async () => {
  for (const device of ["webgpu", "cpu"] as const) {
    const x = zeros([3], { device, requiresGrad: true });
    const variance = tensor([0, 0.01, -1], { device, requiresGrad: true });
    const ones = tensor([1, 1, 1], { device });
    const losses = gaussianNLLLoss(x, ones, variance, { eps: 0.25, reduction: "none" });
    const loss = expect.closeTo(0.5 * (Math.log(0.25) + 4), 5);
    expect(await losses.toArray()).toEqual([loss, loss, Number.NaN]);
    losses.narrow(0, 0, 2).sum().backward();
    expect((await x.grad!.data()).slice(0, 2)).toEqual(Float32Array.of(-4, -4));
    // As PyTorch has it, the bound does not stop the gradient: (1 - 4) / 0.25 / 2.
    expect((await variance.grad!.data()).slice(0, 2)).toEqual(Float32Array.of(-6, -6));
  }
});

test("Stirling's approximation is for targets above 1", async () => {
  for (const device of ["webgpu", "cpu"] as const) {
    const t = tensor([0, 1, 2], { device });
    const full = poissonNLLLoss(zeros([3], { device }), t, { full: true, reduction: "none" });
    expect(await full.toArray()).toEqual([
      1,
      1,
      expect.closeTo(1 + 2 * Math.log(2) - 2 + Math.log(4 * Math.PI) / 2, 5),
    ]);
  }
});

test("errors", () => {
  const x = zeros([2, 3]);
  expect(() => gaussianNLLLoss(x, zeros([2, 2]), x)).toThrow("gaussianNLLLoss: the shapes [2, 3] and [2, 2]");
  expect(() => gaussianNLLLoss(zeros([3]), x, x)).toThrow("has shape [2, 3], expected [3]");
  expect(() => gaussianNLLLoss(x, x, zeros([3]))).toThrow("gaussianNLLLoss: variance has shape [3], expected [2, 3]");
  expect(() => gaussianNLLLoss(zeros([]), zeros([]), zeros([1]))).toThrow("variance has shape [1], expected []");
  expect(() => gaussianNLLLoss(x, x, x, { eps: 0 })).toThrow("eps is 0, expected a number above 0");
  expect(() => poissonNLLLoss(x, zeros([3]))).toThrow("poissonNLLLoss: target has shape [3], expected [2, 3]");
  expect(() => poissonNLLLoss(x, x, { log: true } as never)).toThrow('poissonNLLLoss: unknown option "log"');
});
