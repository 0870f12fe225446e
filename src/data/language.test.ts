import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dispose } from "../tensor/scope.ts";
import { BucketSampler } from "./batches.ts";
import { LanguageDataset, type LanguageDatasetOptions } from "./language.ts";
import { DataLoader } from "./loader.ts";
import { Vocab } from "./vocab.ts";

const WORDS = Array.from({ length: 40 }, (_, i) => `w${i}`);
const vocab = Vocab.build([WORDS], { specials: ["<pad>", "<unk>", "<mask>"] });
const MASK = 2;
const masked = (texts: readonly number[][], options: Partial<LanguageDatasetOptions> = {}) =>
  new LanguageDataset(
    texts.map((ids) => Int32Array.from(ids)),
    vocab,
    { objective: "masked", maxLength: 30, ...options },
  );

interface Host {
  ids: number[][];
  places: number[];
  targets: number[];
  size: number;
}

interface Order {
  batchSize: number;
  shuffle?: boolean;
  from?: number;
}

async function read(set: LanguageDataset, epoch: number, { from = 0, ...order }: Order): Promise<Host[]> {
  const loader = new DataLoader(set, { batchSampler: new BucketSampler(set.lengths, order) });
  const host: Host[] = [];
  for await (const { inputs, labels, size } of loader.batches(epoch, from)) {
    const [ids, places, targets] = await Promise.all([...inputs, labels].map((tensor) => tensor.toArray()));
    host.push({ ids: ids as number[][], places: places as number[], targets: targets as number[], size });
    dispose(inputs, labels);
  }
  return host;
}

const text = (length: number, first = 0) => Array.from({ length }, (_, i) => 3 + ((first + 7 * i) % 40));

describe("hidden tokens", () => {
  test("are the share of each text's, asked for where they were", async () => {
    const texts = [text(20), text(13, 5), text(2, 9)];
    const set = masked(texts);
    expect(set.questions).toBe(3 + 2 + 1);
    const [{ ids, places, targets, size }] = (await read(set, 0, { batchSize: 3, shuffle: false })) as [Host];
    expect([size, places.length, new Set(places).size]).toEqual([6, 6, 6]);
    const width = ids[0]!.length;
    const byLength = [texts[2]!, texts[1]!, texts[0]!]; // batches are sorted by length
    for (const [i, place] of places.entries()) {
      expect(targets[i]).toBe(byLength[Math.floor(place / width)]![place % width]);
    }
    for (const [row, right] of byLength.entries()) {
      for (const [column, id] of right.entries()) {
        if (!places.includes(row * width + column)) expect(ids[row]![column]).toBe(id);
      }
      expect(ids[row]!.slice(right.length)).toEqual(new Array(width - right.length).fill(0));
    }
  });

  test("are hidden in 80 %, another token in 10 %, and as they were in 10 %", async () => {
    const set = masked(
      Array.from({ length: 300 }, (_, i) => text(30, i)),
      { maskShare: 0.5, seed: 8 },
    );
    const counts = { hidden: 0, same: 0, other: 0 };
    for (const { ids, places, targets } of await read(set, 3, { batchSize: 50 })) {
      for (const [i, place] of places.entries()) {
        const seen = ids.flat()[place]!;
        counts[seen === MASK ? "hidden" : seen === targets[i] ? "same" : "other"]++;
        expect(seen === MASK || seen >= 3).toBe(true);
      }
    }
    const share = (count: number) => count / set.questions;
    expect(set.questions).toBe(4500);
    expect(share(counts.hidden)).toBeCloseTo(0.8, 1);
    expect(share(counts.other)).toBeCloseTo(0.1, 1);
    expect(share(counts.same)).toBeCloseTo(0.1, 1);
  });

  test("are others in each epoch, and the same for the same seed, from any batch on", async () => {
    const texts = Array.from({ length: 20 }, (_, i) => text(10 + i, i));
    const set = masked(texts, { seed: 3 });
    const options = { batchSize: 4 };
    const whole = await read(set, 1, options);
    expect(await read(masked(texts, { seed: 3 }), 1, { ...options, from: 2 })).toEqual(whole.slice(2));
    expect(await read(set, 2, options)).not.toEqual(whole);
    expect(await read(masked(texts, { seed: 4 }), 1, options)).not.toEqual(whole);
  });

  test("are never specials, and texts without any others are left out", async () => {
    const set = masked([[1, 1, 1], [5], [], [1, 9, 1, 1]]);
    expect([set.length, set.questions]).toEqual([1, 1]);
    const [{ places, targets }] = (await read(set, 0, { batchSize: 4 })) as [Host];
    expect([places, targets]).toEqual([[1], [9]]);
  });

  test("of any texts are as many as said, each where its text has a token", async () => {
    const texts = fc.array(fc.array(fc.integer({ min: 0, max: 42 }), { maxLength: 12 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(texts, fc.double({ min: 0.01, max: 1, noNaN: true }), async (texts, maskShare) => {
        const set = masked(texts, { maskShare, maxLength: 7 });
        const batches = await read(set, 0, { batchSize: 2 });
        expect(batches.reduce((total, { size }) => total + size, 0)).toBe(set.questions);
        for (const { targets } of batches) expect(targets.every((id) => id >= 3)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

test("next tokens are asked for at every token that has one, unless it is unknown", async () => {
  const set = masked([[5, 6, 1, 7, 8]], { objective: "causal", maxLength: 4 });
  expect(set.questions).toBe(2);
  const [batch] = await read(set, 0, { batchSize: 1 });
  expect(batch).toEqual({ ids: [[5, 6, 1, 7]], places: [0, 2], targets: [6, 7], size: 2 });
});

test("errors", () => {
  expect(() => masked([], { objective: "prefix" as never })).toThrow(
    'objective is "prefix", expected masked or causal',
  );
  expect(() => masked([], { maskShare: 0 })).toThrow("maskShare is 0, expected a number above 0, at most 1");
  expect(() => masked([], { maxLength: 1 })).toThrow("maxLength is 1, expected a whole number from 2 up");
  const plain = Vocab.build([WORDS]);
  expect(() => new LanguageDataset([], plain, { objective: "masked", maxLength: 9 })).toThrow(
    'the vocabulary has no special token "<mask>"; build it with one among its specials',
  );
  expect(new LanguageDataset([], plain, { objective: "causal", maxLength: 9 }).length).toBe(0);
});
