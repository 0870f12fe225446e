import { describe, expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { memory } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MixUp } from "./mixup.ts";
import { Random } from "./random.ts";

const shares = (alpha: number, count: number) => {
  const labels = tensor([0, 1], { dtype: "i32" });
  const images = tensor([0, 1]);
  const mixUp = new MixUp(2, { alpha });
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const mixed = mixUp.apply(images, labels, Random.at({ epoch: 0, index }, 7));
      return (await mixed.images.data())[1]!;
    }),
  );
};

describe("MixUp", () => {
  test("blends each example and its label with the one before", async () => {
    const images = tensor([[[0, 8]], [[1, 4]], [[2, 0]]]);
    const labels = tensor([2, 0, 1], { dtype: "i32" });
    for (const warm of Object.values(new MixUp(3).apply(images, labels, new Random()))) warm.dispose();
    const before = memory().storages;
    const mixed = new MixUp(3).apply(images, labels, new Random(1));
    expect(memory().storages).toBe(before + 2);
    const [first] = (await mixed.images.toArray()) as number[][][];
    const share = first![0]![1]! / 8;
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThan(1);
    const expectNear = async (x: Tensor, expected: number[][]) => {
      for (const [i, value] of (await x.data()).entries()) expect(value).toBeCloseTo(expected.flat()[i]!, 6);
    };
    const other = 1 - share;
    await expectNear(mixed.images, [
      [2 * other, 8 * share],
      [share, 4 * share + 8 * other],
      [2 * share + other, 4 * other],
    ]);
    await expectNear(mixed.labels, [
      [0, other, share],
      [share, 0, other],
      [other, share, 0],
    ]);
    expect(mixed.labels.dtype).toBe("f32");
  });

  // The variance of Beta(a, a) is 1 / (4 (2 a + 1)), its mean 1/2.
  test.each([0.2, 1, 4])("draws its share from Beta(%f, alpha)", async (alpha) => {
    const drawn = await shares(alpha, 400);
    const mean = drawn.reduce((a, b) => a + b) / drawn.length;
    const variance = drawn.reduce((sum, share) => sum + (share - mean) ** 2, 0) / drawn.length;
    const expected = 1 / (4 * (2 * alpha + 1));
    expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(expected / 400));
    expect(Math.abs(variance / expected - 1)).toBeLessThan(0.2);
  });

  test("a tiny alpha mixes nothing", async () => {
    for (const share of await shares(1e-4, 20)) expect(Math.min(share, 1 - share)).toBeLessThan(1e-6);
  });

  test("refuses what cannot be", () => {
    expect(() => new MixUp(0)).toThrow("MixUp: classes is 0");
    expect(() => new MixUp(2, { alpha: 0 })).toThrow("MixUp: alpha is 0, expected a number above 0");
  });
});
