/** Models that write: one learns to reverse sequences, another a text by heart. */
import { expect, test } from "vitest";
import { Gpt, SequenceToSequence } from "../../src/models/index.ts";
import * as nn from "../../src/nn/index.ts";
import * as tg from "../../src/tilegrad.ts";

/** Takes steps of Adam until the loss is below the bound. @returns the last loss */
async function train(
  model: nn.Module,
  lossOf: (step: number) => tg.Tensor,
  { steps, lr, bound }: { steps: number; lr: number; bound: number },
): Promise<number> {
  const adam = new tg.optim.Adam(model.parameters(), { lr });
  let last = Number.POSITIVE_INFINITY;
  for (let step = 0; step < steps && last > bound; step++) {
    const loss = tg.scope(() => {
      const loss = lossOf(step);
      adam.zeroGrad();
      loss.backward();
      nn.utils.clipGradNorm(model.parameters(), 1);
      adam.step();
      return loss;
    });
    if (step % 10 === 9) last = await loss.item();
    loss.dispose();
  }
  return last;
}

const toTensor = (sequences: readonly number[][]) => {
  const { ids, shape } = tg.data.padSequences(sequences);
  return tg.tensor(ids, { shape });
};

test("a sequence-to-sequence model learns to reverse sequences that it has not seen", async () => {
  tg.manualSeed(1);
  const [first, letters] = [3, 5];
  const model = new SequenceToSequence({
    ...{ sourceVocab: first + letters, maxLength: 5, features: 32, feedForward: 64, layers: 1 },
    ...{ dropout: 0, normFirst: true },
  });
  const random = new tg.data.Random(2);
  const draw = (count: number) =>
    Array.from({ length: count }, () =>
      Array.from({ length: 2 + random.integer(3) }, () => first + random.integer(letters)),
    );
  const loss = await train(
    model,
    () => {
      const sources = draw(64);
      const target = toTensor(sources.map((ids) => [...ids.toReversed(), model.endId]));
      const scores = model.forward(toTensor(sources), target);
      return scores.flatten(0, 1).crossEntropy(target.flatten(), { ignoreIndex: 0 });
    },
    { steps: 300, lr: 5e-3, bound: 0.05 },
  );
  expect(loss).toBeLessThan(0.1);
  const sources = draw(100);
  const written = await model.generate(toTensor(sources));
  const right = written.filter((ids, i) => String(ids) === String(sources[i]!.toReversed())).length;
  expect(right).toBeGreaterThanOrEqual(90);
});

test.each(["learned", "rotary"] as const)(
  "a GPT with %s positions learns a text by heart and writes it",
  async (positions) => {
    tg.manualSeed(3);
    const text = "the quick brown fox jumps over the lazy dog, and the dog lets it pass.";
    const alphabet = [...new Set(text)].sort();
    const ids = [...text].map((character) => alphabet.indexOf(character));
    const model = new Gpt({
      ...{ vocabSize: alphabet.length, maxLength: 80, features: 32, heads: 4, layers: 2, feedForward: 64 },
      ...{ dropout: 0, positions },
    });
    const all = tg.tensor([ids], { dtype: "i32" }); // [1, t]
    const loss = await train(
      model,
      () => {
        const scores = model.forward(all.slice(":", [0, -1])); // [1, t - 1, alphabet]
        return scores.at(0).crossEntropy(all.at(0).slice([1, null]));
      },
      { steps: 200, lr: 1e-2, bound: 0.02 },
    );
    expect(loss).toBeLessThan(0.05);
    const written = await model.generate(ids.slice(0, 6), { maxTokens: ids.length - 6, temperature: 0 });
    expect(written.map((id) => alphabet[id]).join("")).toBe(text.slice(6));
  },
);
