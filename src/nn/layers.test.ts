import { describe, expect, test } from "vitest";
import { checkOp } from "../../test/check.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { randn } from "../kernels/random/random.ts";
import { withDevice } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Sequential } from "./containers.ts";
import {
  Dropout,
  ELU,
  Embedding,
  GELU,
  Hardswish,
  Identity,
  LayerNorm,
  LeakyReLU,
  Linear,
  LogSoftmax,
  Mish,
  ReLU,
  RMSNorm,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Tanh,
} from "./index.ts";
import type { Module } from "./module.ts";

const moments = async (x: Tensor) => {
  const values = Array.from(await x.data());
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return {
    mean,
    std: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length),
    largest: Math.max(...values.map(Math.abs)),
  };
};

describe("initialisation is PyTorch's", () => {
  test("Linear: uniform within 1 / sqrt(in)", async () => {
    manualSeed(1);
    const { weight, bias } = new Linear(64, 500);
    expect([weight.shape, bias!.shape]).toEqual([[500, 64], [500]]);
    const w = await moments(weight);
    expect(w.largest).toBeLessThanOrEqual(1 / 8);
    expect(w.std).toBeCloseTo(1 / 8 / Math.sqrt(3), 3);
    expect((await moments(bias!)).largest).toBeLessThanOrEqual(1 / 8);
    expect(new Linear(2, 2, { bias: false }).bias).toBeNull();
  });

  test("Embedding: normal, with zeros for the padding", async () => {
    manualSeed(1);
    const { weight } = new Embedding(200, 64, { paddingIndex: 3 });
    expect((await moments(weight)).std).toBeCloseTo(1, 1);
    const rows = (await weight.toArray()) as number[][];
    expect(new Set(rows[3])).toEqual(new Set([0]));
    expect(rows[2]!.every((x) => x !== 0)).toBe(true);
  });
});

// Each layer as an op of its input and parameters, checked like any op.
function checkLayer(make: () => Module & { forward(x: Tensor): Tensor }, shape: number[], options = {}) {
  const layers = new Map<string, Module & { forward(x: Tensor): Tensor }>();
  const apply = (x: Tensor, ...parameters: Tensor[]) => {
    const { name } = x.device;
    let layer = layers.get(name);
    if (!layer) layers.set(name, (layer = withDevice(x.device, make)));
    // The checked tensors stand in for the layer's own, by field.
    const entries = Object.entries(layer).filter(
      ([, value]) => value && typeof value === "object" && "storage" in value,
    );
    for (const [i, [field]] of entries.entries())
      Object.defineProperty(layer, field, { value: parameters[i], configurable: true, enumerable: true });
    return layer.forward(x);
  };
  const shapes = make()
    .parameters()
    .map((parameter) => parameter.shape);
  return checkOp(apply, [shape, ...shapes], options);
}

describe("layers compute and differentiate", () => {
  test("Linear", () => checkLayer(() => new Linear(5, 3), [2, 4, 5]));
  test("LayerNorm", () => checkLayer(() => new LayerNorm(6), [4, 6]));
  test("LayerNorm over two axes", () => checkLayer(() => new LayerNorm([3, 4]), [2, 3, 4]));
  test("RMSNorm", () => checkLayer(() => new RMSNorm(6), [4, 6]));
  for (const make of [
    () => new Tanh(),
    () => new Sigmoid(),
    () => new SiLU(),
    () => new Mish(),
    () => new Hardswish(),
    () => new Softplus(),
    () => new ReLU(),
    () => new LeakyReLU(0.2),
    () => new ELU(0.5),
    () => new GELU(),
    () => new GELU({ approximate: "tanh" }),
    () => new Softmax(),
    () => new LogSoftmax(0),
    () => new Identity(),
  ]) {
    test(make().constructor.name, () => checkLayer(make, [3, 5]));
  }
});

test("Embedding trains all rows but the padding's", async () => {
  const layer = new Embedding(4, 2, { paddingIndex: 0 });
  layer
    .forward(
      tensor(
        [
          [0, 2],
          [2, 3],
        ],
        { dtype: "i32" },
      ),
    )
    .sum()
    .backward();
  expect(await layer.weight.grad!.toArray()).toEqual([
    [0, 0],
    [0, 0],
    [2, 2],
    [1, 1],
  ]);
  const fixed = Embedding.fromPretrained(
    tensor([
      [1, 2],
      [3, 4],
    ]),
  );
  expect([fixed.weight.requiresGrad, await fixed.forward(tensor([1], { dtype: "i32" })).toArray()]).toEqual([
    false,
    [[3, 4]],
  ]);
});

test("Dropout drops in training only", async () => {
  const layer = new Sequential(new Dropout(0.5));
  const x = randn([1000]);
  const zerosIn = async () => (await layer.forward(x).data()).filter((value) => value === 0).length;
  expect(await zerosIn()).toBeGreaterThan(400);
  layer.eval();
  expect(await zerosIn()).toBe(0);
});

test("errors", () => {
  expect(() => new Linear(0, 3)).toThrow("Linear: inFeatures is 0, expected a whole number above 0");
  expect(() => new Linear(2, 3, { bais: true } as never)).toThrow(
    'Linear: unknown option "bais"; did you mean "bias"?',
  );
  expect(() => new Embedding(3, 2, { paddingIndex: 3 })).toThrow(
    "Embedding: paddingIndex is 3, expected a whole number from -3 to 2",
  );
  expect(() => new Dropout(2)).toThrow("Dropout: p is 2, expected a probability from 0 to 1");
});
