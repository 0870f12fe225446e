import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BucketSampler, padSequences } from "./batches.ts";
import { ArrayDataset } from "./dataset.ts";
import { Random } from "./random.ts";

const randomLengths = (count: number) => {
  const random = new Random(9);
  return Array.from({ length: count }, () => random.integer(200));
};
const flat = (batches: Int32Array[]) => batches.flatMap((batch) => [...batch]).sort((a, b) => a - b);

describe("BucketSampler", () => {
  it("takes every example once, in batches of the size asked for", () => {
    const options = fc.record({
      batchSize: fc.integer({ min: 1, max: 9 }),
      poolBatches: fc.integer({ min: 1, max: 5 }),
      shuffle: fc.boolean(),
      dropLast: fc.boolean(),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 60 }), options, fc.nat(5), (lengths, settings, epoch) => {
        const sampler = new BucketSampler(lengths, settings);
        const batches = sampler.batches(epoch);
        expect(batches).toHaveLength(sampler.length);
        expect(batches.filter((batch) => batch.length !== settings.batchSize).length).toBeLessThanOrEqual(
          settings.dropLast ? 0 : 1,
        );
        const taken = flat(batches);
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken.length).toBe(lengths.length - (settings.dropLast ? lengths.length % settings.batchSize : 0));
      }),
    );
  });

  it("takes the lengths of a data set's examples", () => {
    const set = new ArrayDataset(["ccc", "a", "bb"]);
    const sampler = BucketSampler.of(set, (text) => text.length, { batchSize: 2, shuffle: false });
    expect(sampler.batches(0).map((batch) => [...batch])).toEqual([[1, 2], [0]]);
    const late = { length: 1, get: async () => "a" };
    expect(() => BucketSampler.of(late, () => 1, { batchSize: 1 })).toThrow("examples are promises");
  });

  it("wastes little on padding", () => {
    const lengths = randomLengths(5000);
    const padding = (poolBatches: number) => {
      const batches = new BucketSampler(lengths, { batchSize: 32, poolBatches }).batches(0);
      const padded = batches.reduce(
        (sum, batch) => sum + batch.length * Math.max(...[...batch].map((i) => lengths[i]!)),
        0,
      );
      return 1 - lengths.reduce((a, b) => a + b) / padded;
    };
    expect(padding(100)).toBeLessThan(0.03);
    expect(padding(1)).toBeGreaterThan(0.4);
  });

  it("gives other batches in each epoch, and the same for the same seed and epoch", () => {
    const batches = (seed: number, epoch: number) =>
      new BucketSampler(randomLengths(100), { batchSize: 8, seed }).batches(epoch);
    expect(batches(1, 0)).toEqual(batches(1, 0));
    expect(batches(1, 0)).not.toEqual(batches(1, 1));
    expect(batches(1, 0)).not.toEqual(batches(2, 0));
  });

  it("mixes the batches, so that short and long ones alternate", () => {
    const lengths = randomLengths(1000);
    const means = new BucketSampler(lengths, { batchSize: 10 }).batches(0).map((batch) => lengths[batch[0]!]!);
    expect(means).not.toEqual(means.toSorted((a, b) => a - b));
  });

  it("without shuffling keeps the order among equal lengths and is the same in every epoch", () => {
    const sampler = new BucketSampler([3, 1, 3, 1, 2], { batchSize: 2, shuffle: false });
    expect(sampler.batches(0).map((batch) => [...batch])).toEqual([[1, 3], [4, 0], [2]]);
    expect(sampler.batches(1)).toEqual(sampler.batches(0));
  });

  it("with dropLast leaves out other examples in each epoch, long ones included", () => {
    const sampler = new BucketSampler([1, 2, 3, 4, 50], { batchSize: 2, dropLast: true });
    const seen = new Set<number>();
    for (let epoch = 0; epoch < 30; epoch++) for (const i of flat(sampler.batches(epoch))) seen.add(i);
    expect(seen.size).toBe(5);
  });

  it("refuses options that cannot be", () => {
    expect(() => new BucketSampler([1], { batchSize: 0 })).toThrow("batchSize is 0, expected an integer of at least 1");
    expect(() => new BucketSampler([1], {} as never)).toThrow("batchSize is undefined");
    expect(() => new BucketSampler([1], { batchSize: 1, poolBatches: 1.5 })).toThrow("poolBatches is 1.5");
    expect(() => new BucketSampler([1], { batchsize: 1 } as never)).toThrow('did you mean "batchSize"?');
    expect(() => new BucketSampler([1], { batchSize: 1, seed: -1 }).batches(0)).toThrow("seed is -1");
  });
});

describe("padSequences", () => {
  it("pads at the end to the longest", () => {
    expect(padSequences([[5, 6, 7], Int32Array.of(8)], { padValue: 9 })).toEqual({
      ids: Int32Array.of(5, 6, 7, 8, 9, 9),
      lengths: Int32Array.of(3, 1),
      mask: Uint32Array.of(1, 1, 1, 1, 0, 0),
      shape: [2, 3],
    });
  });

  it("keeps the first ids of what is too long", () => {
    expect(padSequences([[5, 6, 7], [8]], { maxLength: 2 })).toEqual({
      ids: Int32Array.of(5, 6, 8, 0),
      lengths: Int32Array.of(2, 1),
      mask: Uint32Array.of(1, 1, 1, 0),
      shape: [2, 2],
    });
  });

  it("makes one real padding position of an empty sequence", () => {
    expect(padSequences([[], [4, 5]], { padValue: 7 })).toEqual({
      ids: Int32Array.of(7, 7, 4, 5),
      lengths: Int32Array.of(1, 2),
      mask: Uint32Array.of(1, 0, 1, 1),
      shape: [2, 2],
    });
    expect(padSequences([[]]).shape).toEqual([1, 1]);
    expect(padSequences([])).toMatchObject({ ids: new Int32Array(0), shape: [0, 1] });
  });

  it("loses nothing but what is cut", () => {
    const sequences = fc.array(fc.array(fc.nat(99), { maxLength: 9 }), { maxLength: 6 });
    fc.assert(
      fc.property(sequences, fc.integer({ min: 1, max: 9 }), (rows, maxLength) => {
        const { ids, lengths, mask, shape } = padSequences(rows, { padValue: -1, maxLength });
        for (const [row, sequence] of rows.entries()) {
          const line = [...ids.subarray(row * shape[1], (row + 1) * shape[1])];
          expect(line.filter((id) => id !== -1)).toEqual(sequence.slice(0, maxLength));
          const real = [...mask.subarray(row * shape[1], (row + 1) * shape[1])];
          expect(real).toEqual(line.map((_, t) => (t < lengths[row]! ? 1 : 0)));
        }
      }),
    );
  });

  it("refuses options that cannot be", () => {
    expect(() => padSequences([], { maxLength: 0 })).toThrow("padSequences: maxLength is 0, expected at least 1");
    expect(() => padSequences([], { padValue: 0.5 })).toThrow("padSequences: padValue is 0.5, expected an integer");
    expect(() => padSequences([], { maxlength: 3 } as never)).toThrow('did you mean "maxLength"?');
  });
});
