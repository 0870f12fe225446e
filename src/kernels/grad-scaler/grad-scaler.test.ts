import { expect, test } from "vitest";
import { type DeviceName, withDevice } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor } from "../creation/creation.ts";
import { updateScale } from "./grad-scaler.ts";

const rule = { growthFactor: 4, backoffFactor: 0.25, growthInterval: 2 };

// What each of two optimizers found, and the scale and the steps after it.
const STEPS: readonly (readonly [found: readonly [number, number], scale: number, steps: number])[] = [
  [[0, 0], 16, 1],
  [[0, 0], 64, 0],
  [[1, 0], 16, 0],
  [[0, 0], 16, 1],
  [[0, 1], 4, 0],
  [[1, 1], 1, 0],
  [[0, 0], 1, 1],
  [[0, 0], 4, 0],
];

test.each(["webgpu", "cpu", "cpu:f64"] as DeviceName[])("the rule, step by step, on %s", async (device) => {
  const scaler = withDevice(device, () => tensor([16, 0, 0, 0]));
  for (const [found, scale, steps] of STEPS) {
    const words = (first: number) => tensor([first, 0, 0, 0], { dtype: "u32" }) as Tensor<"u32">;
    const flags = withDevice(device, () => found.map(words));
    updateScale(scaler, flags, rule);
    expect([...(await scaler.data())]).toEqual([scale, steps, 0, 0]);
    for (const flag of flags) expect([...(await flag.data())]).toEqual([0, 0, 0, 0]);
  }
});
