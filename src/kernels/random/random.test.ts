import { describe, expect, test } from "vitest";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed, withDevice } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { manualSeed, randomState, setRandomState } from "./generator.ts";
import { bernoulli, rand, randint, randn } from "./random.ts";
import { threefry } from "./threefry.ts";

// Random123's known answers for threefry2x32-20, https://github.com/DEShawResearch/random123.
test.each([
  [
    [0, 0],
    [0, 0],
    [0x6b200159, 0x99ba4efe],
  ],
  [
    [0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x1cb996fc, 0xbb002be7],
  ],
  [
    [0x13198a2e, 0x03707344],
    [0x243f6a88, 0x85a308d3],
    [0xc4923a9c, 0x483df7a0],
  ],
])("threefry of key %s and counter %s", ([k0, k1], [c0, c1], answer) => {
  expect(threefry(k0!, k1!, c0!, c1!)).toEqual(answer);
});

async function both(draw: () => Tensor): Promise<[Float64Array, Float64Array]> {
  const values = [];
  for (const name of ["webgpu", "cpu"] as const) {
    manualSeed(2 ** 40 + 17);
    values.push(
      Float64Array.from(
        await withDevice(name, () => {
          rand([3]); // so that the second call is not the first stream
          return draw();
        }).data(),
      ),
    );
  }
  return values as [Float64Array, Float64Array];
}

describe.each([1, 2, 63, 129, 1000])("%i numbers", (n) => {
  const exact = {
    uniform: () => rand([n]),
    integers: () => randint(-5, 12, [n]),
    bernoulli: () => bernoulli(rand([n])),
  };
  for (const [name, draw] of Object.entries(exact)) {
    test(`${name}: equal bits on both devices, whatever the dispatch limit`, async () => {
      const [gpu, cpu] = await both(draw);
      expect(gpu).toEqual(cpu);
      const device = deviceNamed("webgpu") as WebGpuDevice;
      const { maxGroups } = device;
      device.maxGroups = 1;
      const [folded] = await both(draw);
      device.maxGroups = maxGroups;
      expect(folded).toEqual(cpu);
      await device.checkGuards();
    });
  }

  // Equal words, and then a product and a sum that are rounded once or twice; for the normal ones the radius and the
  // angle are each computed to a few units in the last place.
  test("scaled and normal numbers are equal to rounding", async () => {
    for (const draw of [() => rand([n], { low: -0.5, high: 0.25 }), () => randn([n], { mean: 1, std: 2 })]) {
      const [gpu, cpu] = await both(draw);
      for (let i = 0; i < n; i++) expect(Math.abs(gpu[i]! - cpu[i]!)).toBeLessThan(1e-5);
    }
  });
});

test("moments and bounds", async () => {
  manualSeed(1);
  const moments = (values: ArrayLike<number>) => {
    const list = Array.from(values);
    const mean = list.reduce((a, b) => a + b, 0) / list.length;
    const variance = list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length;
    return { mean, std: Math.sqrt(variance), low: Math.min(...list), high: Math.max(...list) };
  };
  const n = 40_000; // the standard error of a mean is std / 200
  const u = moments(await rand([n]).data());
  expect(u.mean).toBeCloseTo(0.5, 2);
  expect(u.std).toBeCloseTo(Math.sqrt(1 / 12), 2);
  expect(u.low).toBeGreaterThanOrEqual(0);
  expect(u.high).toBeLessThan(1);
  const z = moments(await randn([n]).data());
  expect(Math.abs(z.mean)).toBeLessThan(0.02);
  expect(Math.abs(z.std - 1)).toBeLessThan(0.02);
  const k = moments(await randint(-3, 4, [n]).data());
  expect([k.low, k.high]).toEqual([-3, 3]);
});

test("a seed repeats, another differs, and a saved state continues", async () => {
  manualSeed(5);
  const first = await rand([8]).data();
  const state = randomState();
  const second = await rand([8]).data();
  manualSeed(5);
  expect(await rand([8]).data()).toEqual(first);
  setRandomState(state);
  expect(await rand([8]).data()).toEqual(second);
  manualSeed(6);
  expect(await rand([8]).data()).not.toEqual(first);
});

test("errors", () => {
  expect(() => manualSeed(-1)).toThrow("manualSeed: the seed is -1, expected a whole number from 0 to 2^53 - 1");
  expect(() => randint(3, 3, [1])).toThrow("randint: low is 3 and high is 3");
  expect(() => bernoulli(randint(0, 2, [1]))).toThrow("bernoulli: p has dtype i32, expected f32");
});
