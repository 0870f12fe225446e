import { expect, test } from "vitest";
import type { LabelledBatch } from "./dataset.ts";
import { ImageDataset } from "./images.ts";
import { DataLoader } from "./loader.ts";

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

test("batches are normalised", async () => {
  const loader = new DataLoader(set().normalize({ mean: [0.5, 0], std: [0.5, 1] }), { batchSize: 2 });
  const batches: LabelledBatch[] = [];
  for await (const batch of loader) batches.push(batch);
  const [first, last] = batches;
  expect(first!.inputs[0]!.shape).toEqual([2, 2, 1, 2]);
  const values = await first!.inputs[0]!.data();
  const expected = [-1, 1, 10 / 255, 10 / 255, 1, -1, 10 / 255, 10 / 255];
  for (const [i, value] of expected.entries()) expect(values[i]).toBeCloseTo(value, 6);
  expect(await first!.labels.toArray()).toEqual([0, 1]);
  expect([last!.size, ...last!.indices]).toEqual([1, 2]);
  const plain = await set()
    .collate([set().get(2)])
    .inputs[0].data();
  expect([...plain]).toEqual([0, 0, Math.fround(10 / 255), Math.fround(10 / 255)]);
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
  expect(() => set().normalize({ mean: [0], std: [1, 1] })).toThrow("mean has 1 values, expected one for each of 2");
  expect(() => set().get(3)).toThrow("ImageDataset: index is 3, expected 0 to 2");
});
