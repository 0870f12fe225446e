import { describe, expect, test } from "vitest";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { memory, withDevice } from "../tensor/device.ts";
import { SequenceToSequence } from "./sequence-to-sequence.ts";

const SMALL = { sourceVocab: 9, targetVocab: 8, maxLength: 7, features: 8, heads: 2, feedForward: 16 };
const ids = (rows: number[][]) => tensor(rows, { dtype: "i32" });

describe("SequenceToSequence", () => {
  test("writes with a cache what teacher forcing has as the likeliest", async () => {
    manualSeed(8);
    const model = new SequenceToSequence(SMALL);
    const source = ids([
      [3, 4, 5, 6],
      [7, 8, 0, 0],
    ]);
    const written = await model.generate(source);
    expect(model.transformer.decoder.layers.modules[0]!.training).toBe(true);
    model.eval();
    for (const [i, tokens] of written.entries()) {
      const target = [...tokens, ...(tokens.length < 7 ? [model.endId] : [])];
      const scores = model.forward(source.slice([i, i + 1]), ids([target]));
      expect(Array.from(await scores.argmax(-1).at(0).data())).toEqual(target);
    }
    expect(await model.generate(source, { maxTokens: 2 })).toEqual(written.map((tokens) => tokens.slice(0, 2)));
  });

  test("leaves no memory behind", async () => {
    const model = new SequenceToSequence(SMALL);
    const source = ids([[3, 4, 5, 6]]);
    await model.generate(source);
    const before = memory().storages;
    await model.generate(source);
    expect(memory().storages).toBeLessThanOrEqual(before); // less where garbage of other tests was collected meanwhile
  });

  test("scores are those of the sequence alone, to the bit, whatever is beside it and behind it", async () => {
    manualSeed(2);
    const model = new SequenceToSequence(SMALL).eval();
    const alone = await model.forward(ids([[3, 4]]), ids([[5, 6, 2]])).data();
    const source = [
      [5, 6, 7, 8, 3],
      [3, 4, 0, 0, 0],
    ];
    const target = [
      [7, 7, 5, 4, 3, 2],
      [5, 6, 2, 0, 0, 0],
    ];
    const both = await model.forward(ids(source), ids(target)).slice(1, [0, 3]).data();
    expect(both).toEqual(alone);
  });

  test("passes gradcheck", async () => {
    manualSeed(3);
    const [model, source, target] = withDevice("cpu:f64", () => [
      new SequenceToSequence({ ...SMALL, layers: 1, dropout: 0, activation: "gelu" }),
      ids([[3, 4, 0]]),
      ids([[5, 2]]),
    ]);
    // In the tables, padding's row is never trained.
    for (const { weight } of [model.sourceEmbedding, model.targetEmbedding]) weight.requiresGrad = false;
    await gradcheckModule(model.transformer, [], () => model.forward(source, target));
  });

  test("errors", async () => {
    expect(() => new SequenceToSequence({ ...SMALL, endId: 8 })).toThrow(
      "SequenceToSequence: endId is 8, expected a token of 1 to 7",
    );
    expect(() => new SequenceToSequence({ ...SMALL, vocab: 8 } as never)).toThrow('unknown option "vocab"');
    const model = new SequenceToSequence(SMALL);
    expect(() => model.forward(ids([[3]]), ids([[1, 1, 1, 1, 1, 1, 1, 1]]))).toThrow(
      "positions: SinusoidalPositions: x has shape [1, 8, 8], expected at most 7 positions",
    );
    await expect(model.generate(ids([[3]]), { beams: 2 } as never)).rejects.toThrow('unknown option "beams"');
    await expect(model.generate(ids([[3]]), { maxTokens: 9 })).rejects.toThrow("maxTokens is 9, expected");
  });
});
