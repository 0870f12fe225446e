import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheck } from "../autograd/gradcheck.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { randn } from "../kernels/random/random.ts";
import { withDevice } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import * as nn from "./index.ts";

test("options are fields, and tensors among them buffers of the state", async () => {
  const posWeight = tensor([1, 2], { requiresGrad: true });
  const layer = new nn.BCEWithLogitsLoss({ posWeight, reduction: "sum" });
  expect([layer.weight, layer.reduction]).toEqual([null, "sum"]);
  expect([...layer.stateDict().keys()]).toEqual(["pos_weight"]);
  expect(layer.posWeight!.requiresGrad).toBe(false);
  expect(layer.parameters()).toEqual([]);
  await layer.to("cpu");
  const x = tensor([0, 0], { device: "cpu" });
  expect(await layer.forward(x, tensor([1, 1], { device: "cpu" })).item()).toBeCloseTo(3 * Math.LN2, 6);
});

test("what a layer refuses has its name", () => {
  expect(() => new nn.CTCLoss({ zeroInfinite: true } as never)).toThrow(
    'CTCLoss: unknown option "zeroInfinite"; did you mean "zeroInfinity"?',
  );
  const x = tensor([1, 2]);
  expect(() => new nn.MSELoss({ reduction: "max" as never }).forward(x, x)).toThrow('mseLoss: reduction is "max"');
});

// Layers of two tensors of one shape, with random options.
const reduction = fc.constantFrom("mean" as const, "sum" as const, "none" as const);
const positive = fc.double({ min: 0.1, max: 2, noNaN: true });
const pairs: Record<string, fc.Arbitrary<nn.Module & { forward(x: Tensor, t: Tensor): Tensor }>> = {
  SmoothL1Loss: fc.record({ reduction, beta: positive }).map((options) => new nn.SmoothL1Loss(options)),
  HuberLoss: fc.record({ reduction, delta: positive }).map((options) => new nn.HuberLoss(options)),
  KLDivLoss: fc.record({ reduction, logTarget: fc.constant(true) }).map((options) => new nn.KLDivLoss(options)),
  PoissonNLLLoss: fc.record({ reduction }).map((options) => new nn.PoissonNLLLoss(options)),
  SoftMarginLoss: fc.record({ reduction }).map((options) => new nn.SoftMarginLoss(options)),
  HingeEmbeddingLoss: fc.record({ reduction, margin: positive }).map((options) => new nn.HingeEmbeddingLoss(options)),
  CosineSimilarity: fc.record({ axis: fc.constantFrom(0, 1) }).map((options) => new nn.CosineSimilarity(options)),
  PairwiseDistance: fc
    .record({ p: fc.constantFrom(1, 2, 3), keepDim: fc.boolean() })
    .map((options) => new nn.PairwiseDistance(options)),
};

describe("gradients, with random options", () => {
  for (const [name, layers] of Object.entries(pairs)) {
    test(name, () =>
      fc.assert(
        fc.asyncProperty(
          layers,
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 1, max: 4 }),
          async (layer, n, d) => {
            const inputs = withDevice("cpu:f64", () => [randn([n, d]), randn([n, d])]);
            await gradcheck((x, t) => layer.forward(x, t), inputs);
          },
        ),
        { numRuns: cases(5) },
      ),
    );
  }
});
