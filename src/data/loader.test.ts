import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { memory } from "../tensor/device.ts";
import { dispose } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BucketSampler } from "./batches.ts";
import { ArrayDataset, type Dataset, type IterableDataset, mapDataset, TensorDataset } from "./dataset.ts";
import { DataLoader, type DataLoaderOptions } from "./loader.ts";
import { WeightedSampler } from "./samplers.ts";

const collate = (examples: readonly number[]) => [...examples];
const numbers = (count: number) => new ArrayDataset(Array.from({ length: count }, (_, i) => i));
const stream = (count: number): IterableDataset<number> => ({
  *stream(epoch, from) {
    for (let i = from; i < count; i++) yield 1000 * epoch + i;
  },
});

async function all<B>(batches: AsyncIterable<B>): Promise<B[]> {
  const list: B[] = [];
  for await (const batch of batches) list.push(batch);
  return list;
}

describe("an epoch", () => {
  const options = fc.record({
    batchSize: fc.integer({ min: 1, max: 7 }),
    shuffle: fc.boolean(),
    dropLast: fc.boolean(),
    seed: fc.nat(),
    prefetch: fc.nat(3),
  });

  test("takes each example once, from any batch on as in the whole", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(30), options, fc.nat(3), async (count, settings, epoch) => {
        const loader = new DataLoader(numbers(count), { ...settings, collate });
        const batches = await all(loader.batches(epoch));
        expect(batches).toHaveLength(loader.length);
        const taken = batches.flat();
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken).toHaveLength(settings.dropLast ? count - (count % settings.batchSize) : count);
        if (!settings.shuffle) expect(taken).toEqual([...taken].sort((a, b) => a - b));
        for (let from = 0; from <= batches.length; from += 2) {
          expect(await all(loader.batches(epoch, from))).toEqual(batches.slice(from));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("of a stream as well", async () => {
    const more = fc.record({ shuffleBuffer: fc.integer({ min: 1, max: 9 }) });
    await fc.assert(
      fc.asyncProperty(fc.nat(30), options, more, fc.nat(3), async (count, settings, extra, epoch) => {
        const loader = new DataLoader(stream(count), { ...settings, ...extra, collate });
        const batches = await all(loader.batches(epoch));
        const taken = batches.flat();
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken).toHaveLength(settings.dropLast ? count - (count % settings.batchSize) : count);
        expect(taken.every((i) => i >= 1000 * epoch && i < 1000 * epoch + count)).toBe(true);
        for (let from = 0; from <= batches.length; from += 2) {
          expect(await all(loader.batches(epoch, from))).toEqual(batches.slice(from));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("has an order of its seed and its number", async () => {
    const order = async (seed: number, epoch: number, source: Dataset<number> | IterableDataset<number>) =>
      (await all(new DataLoader(source, { batchSize: 4, shuffle: true, seed, collate }).batches(epoch)))
        .flat()
        .map((i) => i % 1000)
        .join();
    for (const source of [numbers(40), stream(40)]) {
      expect(await order(1, 0, source)).toBe(await order(1, 0, source));
      expect(await order(1, 0, source)).not.toBe(await order(2, 0, source));
      expect(await order(1, 0, source)).not.toBe(await order(1, 1, source));
    }
  });

  test("of a stream is shuffled no further than the buffer reaches", async () => {
    const loader = new DataLoader(stream(200), { shuffle: true, shuffleBuffer: 10, collate });
    const taken = (await all(loader.batches(0))).flat();
    for (const [place, i] of taken.entries()) expect(i).toBeLessThanOrEqual(place + 10);
    const before = taken.slice(0, 150); // the end of a stream is shuffled anew
    expect(before).not.toEqual([...before].sort((a, b) => a - b));
  });

  test("is that of a sampler, or of a sampler of batches", async () => {
    const weights = Float64Array.from({ length: 10 }, (_, i) => (i < 2 ? 1 : 0));
    const weighted = new DataLoader(numbers(10), {
      batchSize: 4,
      sampler: new WeightedSampler(weights, { count: 6 }),
      collate,
    });
    const batches = await all(weighted.batches(0));
    expect(batches.map((batch) => batch.length)).toEqual([4, 2]);
    expect(batches.flat().every((i) => i < 2)).toBe(true);
    const sampler = new BucketSampler([3, 1, 2, 1], { batchSize: 2, shuffle: false });
    expect(await all(new DataLoader(numbers(4), { batchSampler: sampler, collate }).batches(0))).toEqual([
      [1, 3],
      [2, 0],
    ]);
  });
});

describe("a loop", () => {
  const loader = () => new DataLoader(numbers(10), { batchSize: 3, shuffle: true, seed: 5, collate });

  test("is an epoch, and the next one the next", async () => {
    const set = loader();
    for (let epoch = 0; epoch < 3; epoch++) expect(await all(set)).toEqual(await all(loader().batches(epoch)));
  });

  test("that is left is over", async () => {
    const set = loader();
    for await (const _ of set) break;
    expect(set.stateDict()).toEqual({ epoch: 0, batch: 1 });
    expect(await all(set)).toEqual(await all(loader().batches(1)));
  });

  test("goes on where the state was taken", async () => {
    const whole = [await all(loader().batches(0)), await all(loader().batches(1))].flat();
    const set = loader();
    let seen = 0;
    for (let epoch = 0; epoch < 2; epoch++) {
      for await (const batch of set) {
        expect(batch).toEqual(whole[seen++]);
        const again = loader();
        again.loadStateDict(JSON.parse(JSON.stringify(set.stateDict())));
        const rest: number[][] = [];
        while (again.stateDict().epoch < 2) rest.push(...(await all(again)));
        expect(rest).toEqual(whole.slice(seen));
      }
    }
    expect(set.stateDict()).toEqual({ epoch: 2, batch: 0 });
  });
});

describe("batches made ahead", () => {
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

  test("are as many as asked for, made while the consumer waits", async () => {
    for (const prefetch of [0, 1, 3]) {
      let made = 0;
      const counted = (examples: readonly number[]) => {
        made++;
        return [...examples];
      };
      const loader = new DataLoader(numbers(20), { prefetch, collate: counted });
      let taken = 0;
      for await (const _ of loader) {
        taken++;
        expect(made).toBeLessThanOrEqual(taken + prefetch);
        await vi.waitFor(() => expect(made).toBe(taken + prefetch));
        if (taken === 5) break;
      }
    }
  });

  test("are freed where nobody takes them", async () => {
    const set = mapDataset(numbers(20), (i) => Float32Array.of(i));
    const loader = new DataLoader(set, { batchSize: 2, prefetch: 4 });
    const before = memory().storages;
    for await (const batch of loader) {
      await vi.waitFor(() => expect(memory().storages).toBe(before + 5));
      batch.dispose();
      break;
    }
    expect(memory().storages).toBe(before);
  });

  test("fail when their turn comes", async () => {
    for (const prefetch of [0, 2]) {
      const set: Dataset<number> = {
        length: 4,
        get: async (index) => {
          if (index === 2) throw new Error("example 2 is unreadable");
          return index;
        },
      };
      const taken: number[][] = [];
      const read = async () => {
        for await (const batch of new DataLoader(set, { prefetch, collate })) {
          taken.push(batch);
          for (let i = 0; i < 4; i++) await turn();
        }
      };
      await expect(read()).rejects.toThrow("example 2 is unreadable");
      expect(taken).toEqual([[0], [1]]);
    }
  });

  test("read the examples of a batch at once", async () => {
    let open = 0;
    let most = 0;
    const set: Dataset<number> = {
      length: 8,
      get: async (index) => {
        most = Math.max(most, ++open);
        await turn();
        open--;
        return index;
      },
    };
    expect((await all(new DataLoader(set, { batchSize: 4, collate }))).flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(4);
  });
});

test("the data set says how its examples are put together, unless the loader is told", async () => {
  const [x, y] = [tensor([[1, 2], [3, 4], [5, 6]]), tensor(Int32Array.of(7, 8, 9))]; // biome-ignore format: a table
  const set = new TensorDataset(x, y);
  const [[rows, labels] = []] = await all(new DataLoader(set, { batchSize: 3 }));
  expect(await rows!.toArray()).toEqual([[1, 2], [3, 4], [5, 6]]); // biome-ignore format: a table
  expect(await labels!.toArray()).toEqual([7, 8, 9]);
  dispose(rows, labels);
  expect(await all(new DataLoader(set, { batchSize: 2, collate }))).toEqual([[0, 1], [2]]);
  const pairs = new ArrayDataset([{ x: Float32Array.of(1, 2), y: 0 }]);
  for await (const batch of new DataLoader(pairs)) {
    const typed: { x: Tensor; y: Tensor } = batch;
    expect([typed.x.shape, typed.y.dtype]).toEqual([[1, 2], "i32"]);
  }
});

test("collate is told the batch's place", async () => {
  const places: unknown[] = [];
  const loader = new DataLoader(numbers(5), { batchSize: 2, collate: (_, place) => places.push(place) });
  await all(loader.batches(3, 1));
  expect(places).toEqual([
    { epoch: 3, batch: 1 },
    { epoch: 3, batch: 2 },
  ]);
});

test("errors", async () => {
  const make = (options: DataLoaderOptions) => () => new DataLoader(numbers(3), options);
  const sampler = new WeightedSampler([1]);
  const batchSampler = new BucketSampler([1], { batchSize: 1 });
  expect(make({ batchsize: 3 } as object)).toThrow('unknown option "batchsize"; did you mean "batchSize"?');
  expect(make({ batchSize: 0 })).toThrow("DataLoader: batchSize is 0, expected a whole number from 1");
  expect(make({ prefetch: -1 })).toThrow("prefetch is -1, expected a whole number from 0");
  expect(make({ seed: -1 })).toThrow("seed is -1");
  expect(make({ shuffle: true, sampler })).toThrow("shuffle has no meaning with sampler");
  expect(make({ batchSize: 2, batchSampler })).toThrow("batchSize has no meaning with batchSampler");
  expect(make({ shuffleBuffer: 2 })).toThrow("shuffleBuffer has no meaning with a data set that is no stream");
  expect(() => new DataLoader(stream(3), { sampler })).toThrow("sampler has no meaning with a stream");
  expect(() => new DataLoader(stream(3)).length).toThrow("a stream has no length");
  expect(() => make({})().batches(-1)).toThrow("batches: epoch is -1");
  expect(() => make({})().loadStateDict({ epoch: 0, batch: 0.5 })).toThrow("batch is 0.5");
  expect(() => numbers(3).get(3)).toThrow("ArrayDataset: index is 3, expected 0 to 2, for there are 3 examples");
});
