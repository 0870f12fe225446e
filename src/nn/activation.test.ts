import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheck } from "../autograd/gradcheck.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { rand } from "../kernels/random/random.ts";
import * as nn from "./index.ts";

const slope = fc.double({ min: 0.1, max: 2, noNaN: true });
const axis = fc.constantFrom(-1, 0);

// Layers with random options; their kinks are avoided by steps of 1/8, which no drawn parameter is near to.
const layers: Record<string, fc.Arbitrary<nn.TensorModule>> = {
  LeakyReLU: slope.map((value) => new nn.LeakyReLU(value)),
  ELU: slope.map((value) => new nn.ELU(value)),
  CELU: slope.map((value) => new nn.CELU(value)),
  Hardtanh: fc.constant(new nn.Hardtanh({ min: -0.51, max: 0.77 })),
  Hardshrink: fc.constant(new nn.Hardshrink(0.7)),
  Softshrink: fc.constant(new nn.Softshrink(0.7)),
  Threshold: fc.constant(new nn.Threshold(0.3, -2)),
  Softplus: fc.record({ beta: slope, threshold: fc.constantFrom(0.53, 20) }).map((options) => new nn.Softplus(options)),
  GELU: fc.constantFrom("none" as const, "tanh" as const).map((approximate) => new nn.GELU({ approximate })),
  Softmax: axis.map((value) => new nn.Softmax(value)),
  LogSoftmax: axis.map((value) => new nn.LogSoftmax(value)),
  Softmin: axis.map((value) => new nn.Softmin(value)),
  GLU: axis.map((value) => new nn.GLU(value)),
};

describe("gradients, with random options", () => {
  for (const [name, drawn] of Object.entries(layers)) {
    test(name, () =>
      fc.assert(
        fc.asyncProperty(drawn, fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 }), async (layer, n, d) => {
          const x = rand([2 * n, 2 * d], { low: -2, high: 2, device: "cpu:f64" })
            .mul(8)
            .round()
            .add(0.5)
            .div(8);
          await gradcheck((x) => layer.forward(x), [x.detach()]);
        }),
        { numRuns: cases(4) },
      ),
    );
  }
});

test("a layer has the name of its class, and its parameter as a field", () => {
  expect([nn.ReLU.name, new nn.Softsign().constructor.name]).toEqual(["ReLU", "Softsign"]);
  expect(new nn.CELU(2).alpha).toBe(2);
  expect([new nn.Softshrink().lambda, new nn.Softmin().axis, new nn.GLU(1).axis]).toEqual([0.5, -1, 1]);
  const layer: nn.ReLU6 = new nn.ReLU6();
  expect(layer instanceof nn.ReLU6 && layer instanceof nn.Module).toBe(true);
});

test("Softmax2d is over the channels", async () => {
  const x = tensor([1, 2, 3, 4], { shape: [2, 1, 2] });
  const y = (await new nn.Softmax2d().forward(x).toArray()) as number[][][];
  expect(y[0]![0]![0]! + y[1]![0]![0]!).toBeCloseTo(1, 6);
  expect(() => new nn.Softmax2d().forward(zeros([2, 3]))).toThrow(
    "Softmax2d: x has shape [2, 3], expected [n, channels, h, w] or [channels, h, w]",
  );
});

test("errors", () => {
  expect(() => new nn.Hardtanh({ low: 0 } as never)).toThrow('Hardtanh: unknown option "low"');
  expect(() => new nn.Softplus({ alpha: 1 } as never)).toThrow('Softplus: unknown option "alpha"');
  expect(() => new nn.Hardtanh({ min: 2 }).forward(zeros([1]))).toThrow("hardtanh: min is 2 and max is 1");
});
