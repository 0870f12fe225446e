import fc from "fast-check";
import { expect, test } from "vitest";
import { RandomSampler, SequentialSampler, WeightedSampler } from "./samplers.ts";

test("sequential and random samplers take all, once", () => {
  expect([...new SequentialSampler(4).indices()]).toEqual([0, 1, 2, 3]);
  const sampler = new RandomSampler(50, { seed: 2 });
  expect([...sampler.indices(3)].sort((a, b) => a - b)).toEqual([...new SequentialSampler(50).indices()]);
  expect(sampler.indices(3)).toEqual(new RandomSampler(50, { seed: 2 }).indices(3));
  expect(sampler.indices(3)).not.toEqual(sampler.indices(4));
});

test("weights are shares, with replacement", () => {
  const weights = [1, 0, 2, 5];
  const counts = [0, 0, 0, 0];
  for (const i of new WeightedSampler(weights, { count: 40_000 }).indices(0)) counts[i]!++;
  // 4.5 standard deviations of a binomial
  for (const [i, weight] of weights.entries()) {
    const p = weight / 8;
    expect(Math.abs(counts[i]! / 40_000 - p)).toBeLessThanOrEqual(4.5 * Math.sqrt((p * (1 - p)) / 40_000));
  }
});

test("without replacement each comes once, and the heavy ones first", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 20 }), fc.nat(), fc.nat(4), (weights, seed, epoch) => {
      const possible = weights.flatMap((weight, i) => (weight > 0 ? [i] : []));
      const sampler = new WeightedSampler(weights, { replacement: false, count: possible.length, seed });
      expect([...sampler.indices(epoch)].sort((a, b) => a - b)).toEqual(possible);
    }),
  );
  // The first of two with weights 1 and 3 is the second in 3 of 4 draws.
  const sampler = new WeightedSampler([1, 3], { replacement: false });
  let first = 0;
  for (let epoch = 0; epoch < 4000; epoch++) first += sampler.indices(epoch)[0]!;
  expect(first / 4000).toBeGreaterThan(0.72);
  expect(first / 4000).toBeLessThan(0.78);
});

test("errors", () => {
  expect(() => new WeightedSampler([1, -1])).toThrow("WeightedSampler: weight 1 is -1, expected a number from 0");
  expect(() => new WeightedSampler([0, 0])).toThrow("0 weights are above 0, expected 1 or more");
  expect(() => new WeightedSampler([1, 0], { replacement: false })).toThrow(
    "1 weights are above 0, expected 2 or more",
  );
  expect(() => new WeightedSampler([1], { count: -1 })).toThrow("count is -1, expected a whole number from 0");
  expect(() => new RandomSampler(1.5)).toThrow("RandomSampler: count is 1.5");
  expect([...new WeightedSampler([], {}).indices(0)]).toEqual([]);
});
