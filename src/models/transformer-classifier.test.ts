import { expect, test } from "vitest";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { withDevice } from "../tensor/device.ts";
import { TransformerClassifier } from "./transformer-classifier.ts";

const SMALL = { vocabSize: 9, classes: 3, maxLength: 6, features: 8, heads: 2, layers: 1, feedForward: 16 };
const ids = (rows: number[][]) => tensor(rows, { dtype: "i32" });

test.each(["mean", "first", "class"] as const)("pooling %s: padding and neighbours change no bit", async (pooling) => {
  manualSeed(1);
  const model = new TransformerClassifier({ ...SMALL, pooling }).eval();
  const alone = await model.forward(ids([[3, 4]])).data();
  const both = model.forward(
    ids([
      [5, 6, 7, 8, 3, 1],
      [3, 4, 0, 0, 0, 0],
    ]),
  );
  expect(await both.slice([1, 2]).data()).toEqual(alone);
});

test.each(["learned", "sinusoidal"] as const)(
  "the class has a token of its own, before all %s ones",
  async (positions) => {
    manualSeed(2);
    const model = new TransformerClassifier({ ...SMALL, pooling: "class", positions });
    expect(model.classToken!.shape).toEqual([8]);
    expect(model.stateDict().has("class_token")).toBe(true);
    expect(new TransformerClassifier(SMALL).stateDict().has("class_token")).toBe(false);
    expect(model.forward(ids([[1, 2, 3, 4, 5, 6]])).shape).toEqual([1, 3]); // as long as can be
    expect(() => model.forward(ids([[1, 2, 3, 4, 5, 6, 7]]))).toThrow("expected at most 7 positions");
    const [exact, tokens] = withDevice("cpu:f64", () => [
      new TransformerClassifier({ ...SMALL, pooling: "class", positions, dropout: 0, activation: "gelu" }),
      ids([[1, 2, 3]]),
    ]);
    await gradcheckModule(exact, [], () => exact.forward(tokens));
  },
);

test("errors", () => {
  expect(() => new TransformerClassifier({ ...SMALL, pooling: "max" } as never)).toThrow(
    'TransformerClassifier: pooling is "max", expected mean, first or class',
  );
});
