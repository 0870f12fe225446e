import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { randn } from "../kernels/random/random.ts";
import { withDevice } from "../tensor/device.ts";
import { Bilinear, Flatten, Linear, Unflatten } from "./linear.ts";

const size = fc.integer({ min: 1, max: 4 });

test("random options pass gradcheck", async () => {
  const drawn = fc.record({
    leading: fc.array(size, { maxLength: 2 }),
    sizes: fc.tuple(size, size, size),
    bias: fc.boolean(),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(drawn, async ({ leading, sizes: [in1, in2, out], bias, seed }) => {
      manualSeed(seed);
      const { linear, bilinear, x1, x2 } = withDevice("cpu:f64", () => ({
        linear: new Linear(in1, out, { bias }),
        bilinear: new Bilinear(in1, in2, out, { bias }),
        x1: randn([...leading, in1]),
        x2: randn([...leading, in2]),
      }));
      await gradcheckModule(linear, [x1]);
      await gradcheckModule(bilinear, [x1, x2]);
    }),
    { numRuns: cases(6) },
  );
});

test("Bilinear starts uniform within 1 / sqrt(in1)", async () => {
  manualSeed(1);
  const { weight, bias } = new Bilinear(16, 30, 20);
  expect([weight.shape, bias!.shape]).toEqual([[20, 16, 30], [20]]);
  for (const values of [await weight.data(), await bias!.data()]) {
    const largest = Math.max(...values.map(Math.abs));
    expect(largest).toBeLessThanOrEqual(1 / 4);
    expect(largest).toBeGreaterThan(1 / 5);
  }
  expect(new Bilinear(2, 3, 4, { bias: false }).bias).toBeNull();
});

test("Unflatten is the inverse of Flatten", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(), async (shape, i, j) => {
      const [start, end] = [i % shape.length, j % shape.length].sort() as [number, number];
      const x = tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => k),
        { shape },
      );
      const sizes = shape.slice(start, end + 1);
      const y = new Unflatten(start, sizes).forward(new Flatten(start, end).forward(x));
      expect(y.shape).toEqual(shape);
      expect(await y.data()).toEqual(await x.data());
    }),
    { numRuns: cases(20) },
  );
  expect(new Unflatten(-1, [2, -1]).forward(zeros([0, 6])).shape).toEqual([0, 2, 3]);
});

test("errors", () => {
  expect(() => new Bilinear(2, 0, 3)).toThrow("Bilinear: in2Features is 0, expected a whole number above 0");
  expect(() => new Bilinear(2, 1, 3, { bais: true } as never)).toThrow(
    'Bilinear: unknown option "bais"; did you mean "bias"?',
  );
  expect(() => new Flatten(2, 1).forward(zeros([2, 3, 4]))).toThrow("flatten: startAxis 2 comes after endAxis 1");
  const sizes = (list: number[]) => new Unflatten(1, list);
  expect(() => sizes([-1, 2, -1])).toThrow(
    "Unflatten: sizes are [-1, 2, -1], expected whole numbers, at most one of them -1",
  );
  expect(() => sizes([2.5])).toThrow("Unflatten: sizes are [2.5], expected whole numbers");
  expect(() => sizes([])).toThrow("Unflatten: sizes are [], expected whole numbers");
  expect(() => sizes([4, -1]).forward(zeros([2, 6]))).toThrow(
    "Unflatten: axis 1 has size 6, expected the product of [4, -1]",
  );
  expect(() => sizes([2, 2]).forward(zeros([2, 6]))).toThrow(
    "Unflatten: axis 1 has size 6, expected the product of [2, 2]",
  );
  expect(() => sizes([0, -1]).forward(zeros([2, 0]))).toThrow(
    "Unflatten: axis 1 has size 0, expected the product of [0, -1]",
  );
  expect(() => new Unflatten(3, [1]).forward(zeros([2, 6]))).toThrow("Unflatten: axis is 3, expected a whole number");
});
