import { describe, expect, test } from "vitest";
import { randomNumbers } from "../../../test/check.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { clipGradNorm, clipGradValue } from "../../nn/utils.ts";
import { type DeviceName, deviceNamed, withDevice } from "../../tensor/device.ts";
import { zero } from "../assign/assign.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { unscaleGradients } from "./clip-grad.ts";

// More gradients than one dispatch takes, of sizes that are a multiple of four and of others; some longer than two blocks, one empty.
const SIZES = [1, 7, 1023, 1024, 1025, 2500, 0, 64, 3, 5, 301, 303, 1200, 1204, 1208, 1212];

function gradients(scale: number): number[][] {
  const random = randomNumbers(4);
  return SIZES.map((size) => Array.from({ length: size }, () => Math.fround(scale * (2 * random() - 1))));
}

function norm(values: number[], type: number): number {
  if (type === Number.POSITIVE_INFINITY) return Math.max(...values.map(Math.abs));
  return values.reduce((sum, x) => sum + Math.abs(x) ** type, 0) ** (1 / type);
}

function parameters(device: DeviceName, values: readonly number[][]) {
  return withDevice(device, () =>
    values.map((g) => {
      const p = tensor(
        g.map(() => 0),
        { shape: [g.length], requiresGrad: true },
      );
      p.grad = tensor(g, { shape: [g.length] });
      return p;
    }),
  );
}

describe.each(["webgpu", "cpu", "cpu:f64"] as DeviceName[])("on %s", (name) => {
  test.each([2, 1, 3, Number.POSITIVE_INFINITY])("clipGradNorm with the norm %d", async (normType) => {
    for (const [scale, maxNorm] of [
      [1, 2.5],
      [1, 2], // a bound is not a power
      [1, 1e6],
      [1e-3, 1],
    ] as const) {
      for (const limit of [65_535, 2]) {
        const device = deviceNamed(name) as WebGpuDevice;
        const { maxGroups } = device;
        device.maxGroups = limit;
        const host = gradients(scale);
        const ps = parameters(name, host);
        const total = clipGradNorm(ps, maxNorm, { normType });
        const expected = norm(host.flat(), normType);
        expect(total.shape).toEqual([]);
        // The sum of 5,600 terms, in float32.
        expect(Math.abs((await total.item()) / expected - 1)).toBeLessThan(5e-6);
        const coefficient = Math.min(1, maxNorm / (expected + 1e-6));
        for (const [i, p] of ps.entries()) {
          const actual = await p.grad!.data();
          host[i]!.forEach((g, k) => expect(Math.abs(actual[k]! - coefficient * g)).toBeLessThan(1e-5 * scale));
          if (coefficient === 1 && name !== "cpu:f64") expect(actual).toEqual(Float32Array.from(host[i]!));
        }
        device.maxGroups = maxGroups;
      }
    }
  });

  test("clipGradValue", async () => {
    const host = gradients(1);
    host[0] = [Number.NaN];
    const device = deviceNamed(name) as WebGpuDevice;
    const { maxGroups } = device;
    for (const limit of [65_535, 2]) {
      device.maxGroups = limit;
      const ps = parameters(name, host);
      clipGradValue(ps, 0.25);
      for (const [i, p] of ps.entries()) {
        const expected = host[i]!.map((g) => Math.min(Math.max(g, -0.25), 0.25));
        expect(Array.from(await p.grad!.data())).toEqual(expected);
      }
    }
    device.maxGroups = maxGroups;
  });

  test("unscaleGradients divides by the scale, and finds what is not finite", async () => {
    const device = deviceNamed(name) as WebGpuDevice;
    const { maxGroups } = device;
    const scaler = withDevice(name, () => tensor([8, 0, 0, 0]));
    const found = withDevice(name, () => zeros([4], { dtype: "u32" }));
    for (const limit of [65_535, 2]) {
      device.maxGroups = limit;
      const host = gradients(1);
      const given = parameters(name, host).map(({ grad }) => grad!);
      const filled = given.filter(({ size }) => size > 0);
      unscaleGradients(filled, scaler, found);
      for (const [i, g] of given.entries()) {
        expect(Array.from(await g.data())).toEqual(host[i]!.map((value) => value / 8));
      }
      expect(await found.toArray()).toEqual([0, 0, 0, 0]);
    }
    device.maxGroups = maxGroups;
    for (const size of [9, 12]) {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const values = new Array<number>(size).fill(3e38);
        values[size - 2] = bad;
        const [p] = parameters(name, [values]);
        unscaleGradients([p!.grad!], scaler, found);
        expect(await found.toArray()).toEqual([1, 0, 0, 0]);
        zero(found);
      }
    }
  });

  test("a NaN or an infinity is seen in the norm", async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const normType of [2, Number.POSITIVE_INFINITY]) {
        const ps = parameters(name, [
          [1, 2],
          [3, bad],
        ]);
        const total = await clipGradNorm(ps, 1, { normType }).item();
        expect(Number.isFinite(total)).toBe(false);
      }
    }
  });
});

test.each(["webgpu", "cpu"] as const)("a gradient that leaves share is scaled once, on %s", async (device) => {
  const [a, b] = withDevice(device, () => [tensor([3, 4]), tensor([1, 2])] as const);
  a.requiresGrad = b.requiresGrad = true;
  a.add(b).sum().backward();
  expect(await clipGradNorm([a, b], 1).item()).toBeCloseTo(2);
  for (const { grad } of [a, b]) for (const g of await grad!.data()) expect(g).toBeCloseTo(0.5);
  clipGradValue([a, b], 0.25);
  expect(await b.grad!.toArray()).toEqual([0.25, 0.25]);
});

test("parameters without gradients are passed over", async () => {
  expect(await clipGradNorm([tensor([1])], 1).item()).toBe(0);
});

test("errors", () => {
  expect(() => clipGradNorm([], -1)).toThrow("clipGradNorm: maxNorm is -1, expected 0 or more");
  expect(() => clipGradNorm([], 1, { normType: 0 })).toThrow("clipGradNorm: normType is 0");
  expect(() => clipGradValue([], Number.NaN)).toThrow("clipGradValue: clipValue is NaN");
});
