import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomSplit, splitIndices } from "./split.ts";

describe("splitIndices", () => {
  it.each([
    [100, [0.8, 0.1, 0.1], [80, 10, 10]],
    [100, [0.71, 0.29], [71, 29]],
    [10, [1 / 3, 1 / 3, 1 / 3], [4, 3, 3]],
    [7, [5, 2], [5, 2]],
    [1, [1], [1]],
    [5, [1], [5]],
    [5, [1, 0], [5, 0]],
    [0, [0, 0], [0, 0]],
  ])("splits %i by %j", (count, parts, expected) => {
    expect(splitIndices(count, parts).map((part) => part.length)).toEqual(expected);
  });

  it("puts every index into exactly one part", () => {
    const shares = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shares, fc.integer({ min: 100, max: 300 }), fc.nat(), (weights, count, seed) => {
        const total = weights.reduce((a, b) => a + b);
        const parts = splitIndices(
          count,
          weights.map((weight) => weight / total),
          { seed },
        );
        const all = parts.flatMap((part) => [...part]).sort((a, b) => a - b);
        expect(all).toEqual(Array.from({ length: count }, (_, i) => i));
        for (const [i, part] of parts.entries()) {
          expect(Math.abs(part.length - (weights[i]! / total) * count)).toBeLessThan(1);
        }
      }),
    );
  });

  it("depends on the seed alone", () => {
    const split = (seed: number) => splitIndices(50, [0.5, 0.5], { seed });
    expect(split(1)).toEqual(split(1));
    expect(split(1)).not.toEqual(split(2));
    expect([...split(1)[0]!]).not.toEqual([...split(1)[0]!].sort((a, b) => a - b));
  });

  it("gives every part its share of every class, where stratified", () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 60 }));
    const classSizes = fc.array(size, { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(classSizes, fc.nat(), (counts, seed) => {
        const classes = counts.flatMap((n, i) => new Array<string>(n).fill(`class ${i}`));
        fc.pre(classes.length >= 10);
        const parts = splitIndices(classes.length, [0.6, 0.2, 0.2], { seed, stratify: classes });
        for (const part of parts) {
          for (const [i, n] of counts.entries()) {
            const has = part.filter((index) => classes[index] === `class ${i}`).length;
            expect(Math.abs(has - (part.length * n) / classes.length)).toBeLessThan(4);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("gives every item the same chance, that of a class of its own included", () => {
    const classes = ["rare", ...new Array<string>(9).fill("frequent")];
    const times = new Array<number>(10).fill(0);
    for (let seed = 0; seed < 2000; seed++) {
      for (const i of splitIndices(10, [0.8, 0.2], { seed, stratify: classes })[1]!) times[i]!++;
    }
    for (const count of times) expect(Math.abs(count - 400)).toBeLessThan(80);
  });

  it("mixes the classes at random within a part", () => {
    const classes = Array.from({ length: 100 }, (_, i) => i % 2);
    const part = [...splitIndices(100, [0.5, 0.5], { stratify: classes })[0]!].map((i) => classes[i]!);
    const pairs = Array.from({ length: 25 }, (_, i) => part[2 * i]! + part[2 * i + 1]!);
    expect(pairs.some((sum) => sum !== 1)).toBe(true);
  });

  it("takes every item of a stratified split into every part sooner or later", () => {
    const classes = ["a", "a", "a", "a", "b", "b", "b", "b"];
    const tested = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const test = splitIndices(8, [6, 2], { seed, stratify: classes })[1]!;
      expect([...test].map((i) => classes[i]).sort()).toEqual(["a", "b"]);
      for (const i of test) tested.add(i);
    }
    expect(tested.size).toBe(8);
  });

  it("refuses parts and classes that do not fit", () => {
    const expected = "expected fractions that sum to 1 or counts that sum to 10";
    expect(() => splitIndices(10, [0.5, 0.6])).toThrow(`randomSplit: parts are [0.5, 0.6], ${expected}`);
    expect(() => splitIndices(10, [5, 6])).toThrow(expected);
    expect(() => splitIndices(10, [1.5, -0.5])).toThrow(expected);
    expect(() => splitIndices(10, [Number.NaN, 1])).toThrow(expected);
    expect(() => splitIndices(10, [])).toThrow(expected);
    expect(() => splitIndices(3, [0.9, 0.1])).toThrow(
      "randomSplit: part 1 of [0.9, 0.1] gets none of 3 items; give it more",
    );
    expect(() => splitIndices(3, [2, 1], { stratify: ["a"] })).toThrow(
      "randomSplit: stratify has 1 classes, expected one for each of 3 items",
    );
    expect(() => splitIndices(3, [2, 1], { sed: 1 } as never)).toThrow('unknown option "sed"; did you mean "seed"?');
  });
});

describe("randomSplit", () => {
  it("splits the items as splitIndices splits their indices", () => {
    const items = Array.from({ length: 20 }, (_, i) => `item ${i}`);
    const options = { seed: 5, stratify: items.map((_, i) => i % 2) };
    const indices = splitIndices(20, [0.75, 0.25], options);
    expect(randomSplit(items, [0.75, 0.25], options)).toEqual(indices.map((part) => [...part].map((i) => items[i])));
  });
});
