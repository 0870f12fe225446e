import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Image } from "./image-transforms.ts";
import { Random } from "./random.ts";
import { type AffineOptions, affine, RandomAffine } from "./random-affine.ts";

// What PyTorch computed; see affine.py beside it.
const { cases, ...shape } = JSON.parse(
  readFileSync(new URL("../../test/pytorch/affine.json", import.meta.url), "utf8"),
) as { channels: number; height: number; width: number } & {
  cases: { options: AffineOptions; image: number[]; result: number[] }[];
};

const numbered = (height: number, width: number): Image => {
  const data = Float32Array.from({ length: height * width }, (_, i) => i + 1);
  return { channels: 1, height, width, data };
};

describe("affine", () => {
  test.each(cases)("is PyTorch's: $options", ({ options, image, result }) => {
    const { data } = affine({ ...shape, data: Float32Array.from(image) }, options);
    for (const [i, value] of data.entries()) expect(value, `${i}`).toBeCloseTo(result[i]!, 5);
  });

  test("turns clockwise, moves right and down, and fills in", () => {
    expect([...affine(numbered(2, 2), { angle: 90 }).data]).toEqual([3, 1, 4, 2]);
    expect([...affine(numbered(2, 3), { translate: [1, 1], fill: 9 }).data]).toEqual([9, 9, 9, 9, 1, 2]);
    const two = { channels: 2, height: 1, width: 2, data: Float32Array.of(1, 2, 3, 4) };
    expect([...affine(two, { translate: [1, 0], fill: [7, 8] }).data]).toEqual([7, 1, 8, 3]);
    const halves = affine(numbered(1, 3), { translate: [0.5, 0], interpolation: "bilinear", fill: 5 });
    expect([...halves.data]).toEqual([3, 1.5, 2.5]);
  });

  test("refuses what cannot be", () => {
    expect(() => affine(numbered(2, 2), { scale: 0 })).toThrow("affine: scale is 0, expected a number above 0");
    expect(() => affine(numbered(2, 2), { fill: [1, 2] })).toThrow("fill has 2 values, expected one for each of 1");
    expect(() => affine(numbered(2, 2), { interpolation: "cubic" as never })).toThrow("expected nearest or bilinear");
    expect(() => affine(numbered(2, 2), { angel: 3 } as never)).toThrow('did you mean "angle"');
  });
});

describe("RandomAffine", () => {
  test("draws within its ranges", () => {
    const image = numbered(20, 20);
    const moved = new RandomAffine(0, { translate: [0.1, 0.3] });
    const seen = { x: new Set<number>(), y: new Set<number>() };
    for (let index = 0; index < 300; index++) {
      const { data } = moved.apply(image, Random.at({ epoch: 0, index }));
      const from = data[10 * 20 + 10]! - 1; // where the middle came from
      seen.x.add(10 - (from % 20));
      seen.y.add(10 - Math.floor(from / 20));
    }
    const sorted = (values: Set<number>) => [...values].sort((a, b) => a - b);
    expect(sorted(seen.x)).toEqual([-2, -1, 0, 1, 2]);
    expect(sorted(seen.y)).toEqual([-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6]);
  });

  test("does nothing where nothing is asked, and the same for the same place", () => {
    const image = numbered(5, 4);
    expect(new RandomAffine(0).apply(image, new Random(1))).toEqual(image);
    const all = new RandomAffine(30, {
      translate: [0.2, 0.2],
      scale: [0.5, 2],
      shear: [-5, 5, -9, 9],
      interpolation: "bilinear",
    });
    const at = (index: number, seed = 3) => all.apply(image, Random.at({ epoch: 2, index }, seed));
    expect(at(7)).toEqual(at(7));
    expect(at(7)).not.toEqual(at(8));
    expect(at(7)).not.toEqual(at(7, 4));
    expect(image).toEqual(numbered(5, 4));
  });

  test("refuses ranges that are none", () => {
    expect(() => new RandomAffine(-3)).toThrow("RandomAffine: degrees is [3, -3]");
    expect(() => new RandomAffine(3, { scale: [0, 1] })).toThrow("RandomAffine: scale is [0, 1]");
    expect(() => new RandomAffine(3, { shear: 90 })).toThrow("RandomAffine: shear is [-90, 90]");
    expect(() => new RandomAffine(3, { translate: [0.1, 2] })).toThrow("translate is [0.1, 2], expected shares");
  });
});
