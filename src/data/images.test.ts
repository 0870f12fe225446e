import { expect, test } from "vitest";
import { ImageDataset } from "./images.ts";

const shape = { channels: 2, height: 1, width: 2 };
const set = () =>
  new ImageDataset(Uint8Array.of(0, 255, 10, 10, 255, 0, 10, 10, 0, 0, 10, 10), shape, Int32Array.of(0, 1, 2));

test("statistics are each channel's, of pixels from 0 to 1", () => {
  const { mean, std } = set().statistics();
  expect(mean[0]).toBeCloseTo(1 / 3, 12);
  expect(std[0]).toBeCloseTo(Math.sqrt(2) / 3, 12);
  expect(mean[1]).toBeCloseTo(10 / 255, 12);
  expect(std[1]).toBe(1); // a channel without variation is only shifted
});

test("batches are normalised, and go through all examples once in an order of the seed and the epoch", async () => {
  const batch = { batchSize: 2, mean: [0.5, 0], std: [0.5, 1] };
  const [first, last] = [...set().batches(0, { ...batch, shuffle: false })];
  expect(first!.images.shape).toEqual([2, 2, 1, 2]);
  const values = await first!.images.data();
  const expected = [-1, 1, 10 / 255, 10 / 255, 1, -1, 10 / 255, 10 / 255];
  for (const [i, value] of expected.entries()) expect(values[i]).toBeCloseTo(value, 6);
  expect(await first!.labels.toArray()).toEqual([0, 1]);
  expect(last!.size).toBe(1);
  const order = (epoch: number, seed = 0) =>
    [...set().batches(epoch, { ...batch, batchSize: 3, seed })].flatMap(({ indices }) => [...indices]);
  expect([...order(0)].sort()).toEqual([0, 1, 2]);
  expect(order(0)).toEqual(order(0));
  const orders = Array.from({ length: 8 }, (_, epoch) => order(epoch).join());
  expect(new Set(orders).size).toBeGreaterThan(1);
});

test("picks some images", () => {
  const picked = set().pick([2, 0]);
  expect([...picked.labels]).toEqual([2, 0]);
  expect([...picked.pixels]).toEqual([0, 0, 10, 10, 0, 255, 10, 10]);
});

test("errors", () => {
  expect(() => new ImageDataset(new Uint8Array(7), shape, Int32Array.of(0, 1))).toThrow(
    "ImageDataset: there are 7 pixels, expected 2 images x 4",
  );
  const batches = (options: object) => () => [
    ...set().batches(0, { batchSize: 2, mean: [0, 0], std: [1, 1], ...options }),
  ];
  expect(batches({ batchSize: 0 })).toThrow("batchSize is 0, expected a whole number above 0");
  expect(batches({ mean: [0] })).toThrow("mean has 1 values, expected one for each of 2 channels");
  expect(batches({ suffle: true })).toThrow('unknown option "suffle"; did you mean "shuffle"?');
});
