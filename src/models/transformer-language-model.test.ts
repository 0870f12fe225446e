import { expect, test } from "vitest";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { Adam } from "../optim/adam.ts";
import { withDevice } from "../tensor/device.ts";
import { TransformerClassifier } from "./transformer-classifier.ts";
import { TransformerLanguageModel } from "./transformer-language-model.ts";

const SIZES = { vocabSize: 9, maxLength: 6, features: 8, heads: 2, layers: 1, feedForward: 16, dropout: 0 };
const ints = (values: number[] | number[][]) => tensor(values, { dtype: "i32" });

test("scores the vocabulary at the places asked for, without a look at neighbours or padding", async () => {
  manualSeed(1);
  const model = new TransformerLanguageModel(SIZES).eval();
  const both = ints([
    [3, 4, 5, 6],
    [7, 8, 0, 0],
  ]);
  const scores = model.forward(both, ints([5, 0]));
  expect(scores.shape).toEqual([2, 9]);
  const alone = await model.forward(ints([[7, 8]]), ints([1])).data();
  const row = (await scores.data()).slice(0, 9);
  row.forEach((score, i) => expect(score).toBeCloseTo(alone[i]!, 5));
});

test("sees no later tokens where it is causal, nor does a classifier of its kind", async () => {
  manualSeed(2);
  const scores = async (ids: number[], causal: boolean) => [
    ...(await new TransformerLanguageModel({ ...SIZES, causal })
      .eval()
      .forward(ints([ids]), ints([1]))
      .data()),
  ];
  for (const causal of [true, false]) {
    const [a, b] = [
      [3, 4, 5],
      [3, 4, 6],
    ].map((ids) => {
      manualSeed(3);
      return scores(ids, causal);
    });
    const isSame = JSON.stringify(await a) === JSON.stringify(await b);
    expect(isSame).toBe(causal);
  }
  expect(() => new TransformerClassifier({ ...SIZES, classes: 2, causal: true, pooling: "first" })).toThrow(
    'pooling is "first", expected mean where no token sees later ones',
  );
});

test("its body is a classifier's, name by name", () => {
  const model = new TransformerLanguageModel(SIZES);
  const classifier = new TransformerClassifier({ ...SIZES, classes: 3 });
  const { loaded, missing, unexpected } = classifier.loadStateDict(model.stateDict(), { strict: false });
  expect(loaded.length).toBe(14);
  expect(missing).toEqual(["head.weight", "head.bias"]);
  expect(unexpected).toEqual(["transform.weight", "transform.bias", "norm.weight", "norm.bias", "bias"]);
});

test("has the right gradients, of the embedding by both of its uses", async () => {
  const [model, ids, places] = withDevice("cpu:f64", () => {
    manualSeed(4);
    return [new TransformerLanguageModel({ ...SIZES, activation: "gelu" }), ints([[3, 4, 2]]), ints([2, 0, 2])];
  });
  await gradcheckModule(model, [], () => model.forward(ids, places));
});

test("learns which token is hidden", async () => {
  manualSeed(5);
  const model = new TransformerLanguageModel(SIZES);
  const adam = new Adam(model.parameters(), { lr: 0.02 });
  const ids = ints([
    [3, 2, 5],
    [4, 2, 6],
  ]);
  const [places, targets] = [ints([1, 4]), ints([7, 8])];
  let loss = 9;
  for (let step = 0; step < 40; step++) {
    adam.zeroGrad();
    const value = model.forward(ids, places).crossEntropy(targets);
    value.backward();
    adam.step();
    loss = await value.item();
  }
  expect(loss).toBeLessThan(0.1);
});
