import { expect, test } from "vitest";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { type DeviceName, deviceNamed } from "../../tensor/device.ts";
import { tensor } from "../creation/creation.ts";
import { manualSeed } from "./generator.ts";
import { multinomial } from "./multinomial.ts";

const draws = async (
  weights: number[] | number[][],
  count: number,
  replacement: boolean,
  device: DeviceName = "webgpu",
) => {
  manualSeed(11);
  return Array.from(await multinomial(tensor(weights, { device }), count, { replacement }).data());
};

test("with replacement, classes come as often as their weights say", async () => {
  const n = 20_000;
  const counts = [0, 0, 0, 0];
  for (const c of await draws([1, 0, 3, 4], n, true)) counts[c]!++;
  expect(counts[1]).toBe(0);
  // Within four standard errors.
  for (const [c, p] of [0.125, 0, 0.375, 0.5].entries()) {
    expect(Math.abs(counts[c]! / n - p)).toBeLessThanOrEqual(4 * Math.sqrt((p * (1 - p)) / n));
  }
});

test("without replacement, each class once, and the first as the weights say", async () => {
  const rows = Array.from({ length: 8000 }, () => [1, 2, 0, 5]);
  const drawn = await draws(rows, 3, false);
  const first = [0, 0, 0, 0];
  for (let i = 0; i < drawn.length; i += 3) {
    expect(new Set(drawn.slice(i, i + 3))).toEqual(new Set([0, 1, 3]));
    first[drawn[i]!]!++;
  }
  for (const [c, p] of [0.125, 0.25, 0, 0.625].entries()) {
    expect(Math.abs(first[c]! / rows.length - p)).toBeLessThanOrEqual(4 * Math.sqrt((p * (1 - p)) / rows.length));
  }
});

test("rows draw on their own, with the same numbers on both devices", async () => {
  const weights = [
    [0, 1, 0],
    [1, 0, 0],
    [0, 0, 2],
  ];
  expect(await draws(weights, 2, true)).toEqual([1, 1, 0, 0, 2, 2]);
  const many = [0.3, 0.2, 0.1, 0.4];
  const gpu = await draws(many, 500, true);
  expect(await draws(many, 500, true, "cpu")).toEqual(gpu);
  const device = deviceNamed("webgpu") as WebGpuDevice;
  const { maxGroups } = device;
  device.maxGroups = 2;
  expect(await draws(many, 500, true)).toEqual(gpu);
  device.maxGroups = maxGroups;
});

test("a share that is just the sum before a class draws that class", async () => {
  // Shares are multiples of 2^-24 of the total: with 2^14 classes, one in 1024 falls on the border of two.
  const equal = Array.from({ length: 2 ** 14 }, () => 1);
  const gpu = await draws(equal, 3000, true);
  expect(await draws(equal, 3000, true, "cpu")).toEqual(gpu);
});

test("errors", () => {
  expect(() => multinomial(tensor([1, 2]), 3)).toThrow(
    "multinomial: count is 3, expected a whole number from 1 to 2, as there are classes",
  );
  expect(() => multinomial(tensor([[[1]]]), 1)).toThrow(
    "multinomial: weights has shape [1, 1, 1], expected [classes] or [rows, classes]",
  );
  expect(() => multinomial(tensor([1], { dtype: "i32" }), 1)).toThrow(
    "multinomial: weights has dtype i32, expected f32",
  );
});
