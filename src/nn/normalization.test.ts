import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { withDevice } from "../tensor/device.ts";
import type { TensorModule } from "./module.ts";
import {
  BatchNorm1d,
  BatchNorm2d,
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  LayerNorm,
  RMSNorm,
} from "./normalization.ts";

const kept = async (layer: BatchNorm1d | InstanceNorm1d) => [
  Array.from(await layer.runningMean!.data()),
  Array.from(await layer.runningVar!.data()),
  await layer.numBatchesTracked!.item(),
];

// Values 1 and 3, then 5 and 9: means 2 and 7, unbiased variances 2 and 8.
const first = tensor([[1], [3]]);
const second = tensor([[5], [9]]);

describe("running statistics", () => {
  test("start as a standard normal distribution's and move by momentum", async () => {
    const layer = new BatchNorm1d(1, { momentum: 0.5 });
    expect(await kept(layer)).toEqual([[0], [1], 0]);
    layer.forward(first);
    expect(await kept(layer)).toEqual([[1], [1.5], 1]);
    layer.forward(second);
    expect(await kept(layer)).toEqual([[4], [4.75], 2]);
  });

  test("of a momentum of null are the average over all batches, also those before the state was saved", async () => {
    const layer = new BatchNorm1d(1, { momentum: null });
    layer.forward(first);
    const other = new BatchNorm1d(1, { momentum: null });
    other.loadStateDict(layer.stateDict());
    other.forward(second);
    expect(await kept(other)).toEqual([[4.5], [5], 2]);
    expect(await kept(layer)).toEqual([[2], [2], 1]);
  });

  test("evaluation uses them and leaves them", async () => {
    const layer = new BatchNorm1d(1, { momentum: 1, eps: 0 });
    layer.forward(first);
    layer.eval();
    expect(await layer.forward(second).data()).toEqual(Float32Array.of(3 / Math.SQRT2, 7 / Math.SQRT2));
    expect(await kept(layer)).toEqual([[2], [2], 1]);
  });

  test("are not there without trackRunningStats; evaluation uses the input's own", async () => {
    const layer = new BatchNorm1d(1, { trackRunningStats: false, eps: 0 }).eval();
    expect([...layer.stateDict().keys()]).toEqual(["weight", "bias"]);
    expect(await layer.forward(second).data()).toEqual(Float32Array.of(-1, 1));
  });

  test("of instances are kept where asked for", async () => {
    expect(new InstanceNorm1d(1).stateDict().size).toBe(0);
    const layer = new InstanceNorm1d(1, { trackRunningStats: true, affine: true, momentum: 0.5, eps: 0 });
    expect([...layer.stateDict().keys()]).toEqual([
      "weight",
      "bias",
      "running_mean",
      "running_var",
      "num_batches_tracked",
    ]);
    layer.forward(tensor([[[1, 3]], [[5, 9]]]));
    expect(await kept(layer)).toEqual([[2.25], [3], 0]);
    const y = layer.eval().forward(tensor([[2.25, 5.25]])); // one sample
    expect(y.shape).toEqual([1, 2]);
    expect(Array.from(await y.data(), (v) => Math.round(v * 1e6))).toEqual([0, 1732051]);
  });
});

test("random options pass gradcheck", async () => {
  const drawn = fc.record({
    layer: fc.constantFrom(
      "BatchNorm1d",
      "BatchNorm2d",
      "InstanceNorm1d",
      "InstanceNorm2d",
      "GroupNorm",
      "LayerNorm",
      "RMSNorm",
    ),
    n: fc.integer({ min: 2, max: 3 }),
    channels: fc.integer({ min: 1, max: 3 }),
    sizes: fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 1, max: 3 })),
    affine: fc.boolean(),
    momentum: fc.constantFrom(0.1, 1),
    trackRunningStats: fc.boolean(),
    isTraining: fc.boolean(),
    isFlat: fc.boolean(), // without the axes that a layer can do without
    seed: fc.integer({ min: 0, max: 1e6 }),
  });
  await fc.assert(
    fc.asyncProperty(drawn, async ({ n, channels, sizes, affine, momentum, trackRunningStats, isFlat, ...rest }) => {
      manualSeed(rest.seed);
      const options = { eps: 0.1, momentum, affine, trackRunningStats };
      const [length, width] = sizes;
      const layers: Record<string, () => [TensorModule, number[]]> = {
        BatchNorm1d: () => [new BatchNorm1d(channels, options), isFlat ? [n, channels] : [n, channels, length]],
        BatchNorm2d: () => [new BatchNorm2d(channels, options), [n, channels, length, width]],
        InstanceNorm1d: () => [new InstanceNorm1d(channels, options), [...(isFlat ? [] : [n]), channels, length]],
        InstanceNorm2d: () => [
          new InstanceNorm2d(channels, options),
          [...(isFlat ? [] : [n]), channels, length, width],
        ],
        GroupNorm: () => [new GroupNorm(channels, 2 * channels, { affine, eps: 0.1 }), [n, 2 * channels, width]],
        LayerNorm: () => [new LayerNorm(sizes, { affine, bias: isFlat, eps: 0.1 }), [n, length, width]],
        RMSNorm: () => [new RMSNorm(isFlat ? length : [n, length], { affine, eps: 0.1 }), [n, length]],
      };
      const [layer, shape] = withDevice("cpu:f64", layers[rest.layer]!);
      layer.train(rest.isTraining);
      await gradcheckModule(layer, [randn(shape)], (x) => layer.forward(x!));
    }),
    { numRuns: cases(25) },
  );
});

test("errors", () => {
  expect(() => new BatchNorm1d(0)).toThrow("BatchNorm1d: numFeatures is 0, expected a whole number above 0");
  expect(() => new BatchNorm2d(3, { momentun: 0.1 } as never)).toThrow(
    'BatchNorm2d: unknown option "momentun"; did you mean "momentum"?',
  );
  expect(() => new InstanceNorm2d(3, { training: true } as never)).toThrow('InstanceNorm2d: unknown option "training"');
  expect(() => new GroupNorm(2, 3)).toThrow("GroupNorm: numChannels is 3, expected a multiple of numGroups, 2");
  expect(() => new GroupNorm(0, 3)).toThrow("GroupNorm: numGroups is 0, expected a whole number above 0");
  expect(() => new BatchNorm1d(3).forward(rand([2, 3, 4, 5]))).toThrow(
    "BatchNorm1d: x has shape [2, 3, 4, 5], expected [n, 3] or [n, 3, l]",
  );
  expect(() => new BatchNorm2d(3).forward(rand([2, 4, 4, 5]))).toThrow(
    "BatchNorm2d: x has shape [2, 4, 4, 5], expected [n, 3, h, w]",
  );
  expect(() => new InstanceNorm1d(3).forward(rand([2, 4]))).toThrow(
    "InstanceNorm1d: x has shape [2, 4], expected [n, 3, l] or [3, l]",
  );
  expect(() => new InstanceNorm2d(3).forward(rand([3, 4]))).toThrow(
    "InstanceNorm2d: x has shape [3, 4], expected [n, 3, h, w] or [3, h, w]",
  );
  expect(() => new GroupNorm(1, 4).forward(rand([2, 3]))).toThrow(
    "GroupNorm: x has shape [2, 3], expected [n, 4, ...]",
  );
  expect(() => new BatchNorm1d(3).forward(rand([1, 3]))).toThrow(
    "expected more than one value per channel in training",
  );
});
