import { describe, expect, test } from "vitest";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { noGrad } from "../autograd/record.ts";
import { Random } from "../data/random.ts";
import { concat } from "../kernels/concat/concat.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { init, KeyValueCache } from "../nn/index.ts";
import { memory, withDevice } from "../tensor/device.ts";
import { Gpt, type GptOptions, sampleToken } from "./gpt.ts";

const SMALL: GptOptions = { vocabSize: 7, maxLength: 6, features: 8, heads: 2, layers: 2, feedForward: 16 };

/** A model whose parts all matter: as it starts, it hardly looks at anything but the last token. */
function makeModel(options: GptOptions): Gpt {
  const model = new Gpt(options);
  for (const parameter of model.parameters()) if (parameter.rank > 1) init.normal(parameter, 0, 0.5);
  return model;
}

/** The likeliest next tokens without a cache, from a context that is cut to its newer half when it is full. */
async function writeOn(model: Gpt, prompt: readonly number[], count: number): Promise<number[]> {
  const tokens = [...prompt];
  let context = tokens.slice(-model.maxLength);
  model.eval();
  while (tokens.length < prompt.length + count) {
    const token = await model
      .forward(tensor([context], { dtype: "i32" }))
      .at(0, -1)
      .argmax()
      .item();
    tokens.push(token);
    context = context.length < model.maxLength ? [...context, token] : tokens.slice(-Math.ceil(model.maxLength / 2));
  }
  return tokens.slice(prompt.length);
}

describe.each(["learned", "rotary"] as const)("with %s positions", (positions) => {
  test("writes with a cache what it writes without, past its longest sequence too", async () => {
    manualSeed(1);
    const model = makeModel({ ...SMALL, maxLength: 7, positions });
    for (const prompt of [[3], [3, 1, 4], [1, 2, 3, 4, 5, 6, 0, 1, 2]]) {
      expect(await model.generate(prompt, { maxTokens: 14, temperature: 0 })).toEqual(await writeOn(model, prompt, 14));
    }
    model.train();
    await model.generate([3], { maxTokens: 1 });
    expect(model.decoder.layers.modules[0]!.training).toBe(true);
  });

  test("scores with a cache are those without", async () => {
    manualSeed(5);
    const model = makeModel({ ...SMALL, positions }).eval();
    const ids = tensor([[1, 2, 3, 4, 5, 6]], { dtype: "i32" });
    const cache = new KeyValueCache(6);
    const parts = [
      [0, 2],
      [2, 3],
      [3, 6],
    ].map(([from, to]) => noGrad(() => model.forward(ids.slice(":", [from!, to!]), { cache })));
    const expected = await model.forward(ids).data();
    const scale = Math.max(...expected.map(Math.abs));
    for (const [i, score] of (await concat(parts, 1).data()).entries()) {
      expect(Math.abs(score - expected[i]!)).toBeLessThan(1e-5 * scale);
    }
    cache.dispose();
  });

  test("the seed chooses the text, and no memory is left behind", async () => {
    manualSeed(2);
    const model = new Gpt({ ...SMALL, positions });
    await model.generate([1, 2], { maxTokens: 1 });
    const before = memory().storages;
    const written = await model.generate([1, 2, 3, 4, 5, 6, 0, 1], { maxTokens: 20, seed: 5 });
    expect(written).toHaveLength(20);
    expect(written.every((token) => Number.isInteger(token) && token >= 0 && token < 7)).toBe(true);
    expect(memory().storages).toBeLessThanOrEqual(before); // less where garbage of other tests was collected meanwhile
    expect(await model.generate([1, 2, 3, 4, 5, 6, 0, 1], { maxTokens: 20, seed: 5 })).toEqual(written);
    expect(await model.generate([1, 2, 3, 4, 5, 6, 0, 1], { maxTokens: 20, seed: 6 })).not.toEqual(written);
  });

  test("sees nothing of later tokens", async () => {
    manualSeed(3);
    const model = new Gpt({ ...SMALL, positions }).eval();
    const scores = async (ids: number[]) => Array.from(await model.forward(tensor([ids], { dtype: "i32" })).data());
    const all = await scores([1, 2, 3, 4]);
    expect((await scores([1, 2, 6, 5])).slice(0, 14)).toEqual(all.slice(0, 14));
    expect((await scores([1, 2])).slice(0, 14)).toEqual(all.slice(0, 14));
  });

  test("passes gradcheck, its head tied or not", async () => {
    for (const tieWeights of [true, false]) {
      manualSeed(4);
      const model = withDevice("cpu:f64", () => new Gpt({ ...SMALL, dropout: 0, layers: 1, positions, tieWeights }));
      expect(model.stateDict().has("head.weight")).toBe(!tieWeights);
      const ids = withDevice("cpu:f64", () =>
        tensor(
          [
            [1, 2, 2],
            [0, 6, 5],
          ],
          { dtype: "i32" },
        ),
      );
      await gradcheckModule(model, [], () => model.forward(ids));
    }
  });
});

describe("sampleToken", () => {
  const scores = [Math.log(2), Math.log(4), Math.log(3), -2];

  /** How often each token is drawn. */
  function counts(options: Parameters<typeof sampleToken>[1], n = 8000): number[] {
    const random = new Random(9);
    const drawn = new Array<number>(scores.length).fill(0);
    for (let i = 0; i < n; i++) drawn[sampleToken(scores, options, random)]!++;
    return drawn.map((count) => count / n);
  }

  function expectShares(actual: number[], weights: number[]): void {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    actual.forEach((share, i) => {
      if (weights[i] === 0) expect(share).toBe(0);
      else expect(Math.abs(share - weights[i]! / total)).toBeLessThan(0.025); // 4 standard errors and more
    });
  }

  test("draws by the softmax of the scores, of all or of the likeliest", () => {
    expectShares(counts({}), [2, 4, 3, Math.exp(-2)]);
    expectShares(counts({ temperature: 0.5 }), [4, 16, 9, Math.exp(-4)]);
    expectShares(counts({ topK: 2 }), [0, 4, 3, 0]);
    expectShares(counts({ topK: 100 }), [2, 4, 3, Math.exp(-2)]);
    expectShares(counts({ topP: 0.7 }), [0, 4, 3, 0]);
    expectShares(counts({ topP: 0.8 }), [2, 4, 3, 0]);
    expectShares(counts({ topP: 1e-9 }), [0, 1, 0, 0]);
    expectShares(counts({ topK: 2, topP: 0.5 }), [0, 1, 0, 0]);
    expectShares(counts({ temperature: 0 }), [0, 1, 0, 0]);
  });

  test("never draws what cannot be", () => {
    const random = new Random(1);
    for (let i = 0; i < 200; i++) expect(sampleToken([Number.NEGATIVE_INFINITY, 0, 0], {}, random)).not.toBe(0);
  });
});

test("errors", async () => {
  expect(() => new Gpt({ ...SMALL, positions: "none" } as never)).toThrow(
    'Gpt: positions is "none", expected learned or rotary',
  );
  expect(() => new Gpt({ ...SMALL, blockSize: 1 } as never)).toThrow('Gpt: unknown option "blockSize"');
  const model = new Gpt(SMALL);
  await expect(model.generate([])).rejects.toThrow("Gpt.generate: the prompt is empty, expected at least one token");
  await expect(model.generate([1], { temprature: 1 } as never)).rejects.toThrow('did you mean "temperature"?');
  await expect(model.generate([1], { temperature: -1 })).rejects.toThrow("temperature is -1, expected 0 or more");
  await expect(model.generate([1], { topK: 0 })).rejects.toThrow("topK is 0, expected a whole number above 0");
  await expect(model.generate([1], { topP: 0 })).rejects.toThrow("topP is 0, expected a number above 0, up to 1");
  await expect(model.generate([1], { maxTokens: 0.5 })).rejects.toThrow(
    "Gpt.generate: maxTokens is 0.5, expected a whole number from 0 up",
  );
  await expect(model.generate([9])).rejects.toThrow("embedding");
  expect(() => sampleToken([1, Number.NaN], {}, new Random(1))).toThrow("a score is NaN, expected numbers");
});
