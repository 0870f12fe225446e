import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { threefry } from "../kernels/random/threefry.ts";
import { Random } from "./random.ts";

describe("Random", () => {
  it("draws the words of threefry in counter mode", () => {
    const random = new Random(7 * 2 ** 32 + 5, 3);
    const words = Array.from({ length: 5 }, () => random.uint32());
    const block = (i: number) => threefry(5, 7, i, 3);
    expect(words).toEqual([...block(0), ...block(1), block(2)[0]]);
  });

  it("continues exactly from a saved state", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(0xffffffff), fc.nat(9), (seed, stream, drawn) => {
        const random = new Random(seed, stream);
        for (let i = 0; i < drawn; i++) random.uint32();
        const restored = Random.fromJSON(JSON.parse(JSON.stringify(random)));
        expect(Array.from({ length: 6 }, () => restored.uint32())).toEqual(
          Array.from({ length: 6 }, () => random.uint32()),
        );
      }),
    );
  });

  it("draws integers evenly below the bound", () => {
    const random = new Random(1);
    const counts = new Array(6).fill(0);
    for (let i = 0; i < 60_000; i++) counts[random.integer(6)]++;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(20.5); // 0.1% of fair dice exceed it, 5 degrees of freedom
    expect(random.integer(1)).toBe(0);
    expect(random.integer(2 ** 32)).toBeLessThan(2 ** 32);
  });

  it("draws again where a remainder would favour small numbers", () => {
    const bound = 3 * 2 ** 30; // a quarter of all words is refused
    const random = new Random(4);
    const low = Array.from({ length: 4000 }, () => random.integer(bound)).filter((x) => x < bound / 3).length;
    expect(low / 4000).toBeCloseTo(1 / 3, 1);
  });

  it("draws uniform numbers in [0, 1) with mean one half", () => {
    const random = new Random(2);
    const values = Array.from({ length: 20_000 }, () => random.uniform());
    expect(values.every((x) => x >= 0 && x < 1)).toBe(true);
    expect(values.reduce((a, b) => a + b) / values.length).toBeCloseTo(0.5, 2);
  });

  it("shuffles every order equally often", () => {
    const counts = new Map<string, number>();
    const random = new Random(3);
    for (let i = 0; i < 6000; i++) {
      const order = random.shuffle(["a", "b", "c"]).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
      expect([...order].sort().join("")).toBe("abc");
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("gives other numbers for another seed or stream", () => {
    const first = (seed: number, stream: number) => [...new Random(seed, stream).permutation(20)];
    expect(first(1, 0)).toEqual(first(1, 0));
    expect(first(1, 0)).not.toEqual(first(2, 0));
    expect(first(1, 0)).not.toEqual(first(1, 1));
    expect(first(2 ** 32, 0)).not.toEqual(first(0, 0));
  });

  it("refuses seeds, streams, bounds and states that it cannot take", () => {
    expect(() => new Random(-1)).toThrow("Random: seed is -1, expected an integer from 0 to 9007199254740991");
    expect(() => new Random(0, 2 ** 32)).toThrow(/stream is 4294967296/);
    expect(() => new Random(0).integer(0)).toThrow("Random.integer: bound is 0, expected an integer from 1 to 2^32");
    expect(() => Random.fromJSON({ seed: 0, stream: 0, drawn: 0.5 })).toThrow(/drawn is 0.5/);
    expect(() => Random.fromJSON({ seed: 0, steam: 0, drawn: 0 } as never)).toThrow(/did you mean "stream"/);
  });
});

describe("a generator of its own for each place", () => {
  const first = (epoch: number, index: number, seed = 0, stream = 0) =>
    Random.at({ epoch, index }, seed, stream).uint32();

  it("is the same each time, and another for another place, seed or stream", () => {
    expect(first(3, 5, 7, 1)).toBe(first(3, 5, 7, 1));
    const all = [0, 1, 2].flatMap((epoch) =>
      [0, 1, 2].flatMap((index) => [0, 1].flatMap((seed) => [0, 1].map((stream) => first(epoch, index, seed, stream)))),
    );
    expect(new Set(all).size).toBe(36);
    const state = Random.at({ epoch: 3, index: 5 }).toJSON();
    expect(Random.fromJSON(state).uint32()).toBe(first(3, 5));
  });

  it("is evenly spread over places", () => {
    const mean = Array.from({ length: 2000 }, (_, i) => Random.at({ epoch: i % 7, index: i }).uniform());
    expect(Math.abs(mean.reduce((a, b) => a + b) / 2000 - 0.5)).toBeLessThan(0.03);
  });

  it("refuses places that are none", () => {
    expect(() => Random.at({ epoch: -1, index: 0 })).toThrow("Random: epoch is -1");
    expect(() => Random.at({ epoch: 0, index: 1.5 })).toThrow("Random: index is 1.5");
  });
});

it("normal numbers", () => {
  const random = new Random(1);
  const drawn = Array.from({ length: 4000 }, () => random.normal());
  const mean = drawn.reduce((a, b) => a + b) / 4000;
  const variance = drawn.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 4000;
  expect(Math.abs(mean)).toBeLessThan(0.06);
  expect(Math.abs(variance - 1)).toBeLessThan(0.09);
  expect(drawn.filter((x) => Math.abs(x) > 1.96).length / 4000).toBeCloseTo(0.05, 1);
});
