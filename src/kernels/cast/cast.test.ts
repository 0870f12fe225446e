import { describe, expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { checkedDevices } from "../../../test/devices.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed } from "../../tensor/device.ts";
import { DTYPES, type DType } from "../../tensor/dtype.ts";
import { fromValues, tensor } from "../creation/creation.ts";
import { cast } from "./cast.ts";

// biome-ignore format: a table
const VALUES: Record<DType, readonly number[]> = {
  f32: [
    0, -0, 0.5, -0.5, 0.999, 1, -1, 1.5, -1.5, 1e-30, 16777216, -16777217, 2147483520, 2147483648, -2147483648, -2147483904,
    3e9, 4294967040, 4294967296, 3e38, -3e38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN,
  ],
  i32: [0, 1, -1, 7, -7, 16777217, 2147483647, -2147483648],
  u32: [0, 1, 7, 16777217, 2147483648, 4294967295],
  bool: [0, 1],
};

// What NumPy and PyTorch give where they define it: cut towards zero, modulo 2^32 between integers, x != 0; out of range, the
// nearest bound.
function expected(x: number, from: DType, to: DType): number {
  if (to === "bool") return Number(x !== 0);
  if (to === "f32") return Math.fround(x);
  if (from !== "f32") return to === "i32" ? x | 0 : x >>> 0;
  const [low, high] = to === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(Math.fround(x)), low), high) + 0;
}

describe.each(DTYPES)("from %s", (from) => {
  test.each(DTYPES)("to %s", async (to) => {
    const devices = [deviceNamed("cpu"), ...(await checkedDevices(deviceNamed("webgpu") as WebGpuDevice))];
    for (const device of devices) {
      const y = cast(fromValues("test", VALUES[from], [VALUES[from].length], from, { device }), to);
      expect(y.dtype).toBe(to);
      const wanted = from === to ? VALUES[from].map((x) => (from === "f32" ? Math.fround(x) : x)) : undefined;
      expect(Array.from(await y.data(), Number), device.name).toEqual(
        wanted ?? VALUES[from].map((x) => expected(x, from, to)),
      );
    }
  });
  for (const shape of [[], [0], [1], [63], [64], [65], [130], [2, 0], [5, 7], [64, 65], [4097]]) {
    test(`of shape [${shape}] to bool`, () =>
      checkOp((x) => cast(x, "bool"), [{ shape, dtype: from, range: [0, 3] }], { gradient: false }));
  }
});

test("the same dtype gives the tensor itself, with its gradient", () => {
  const x = tensor([1, 2], { requiresGrad: true });
  expect(cast(x, "f32")).toBe(x);
  expect(cast(x, "i32").requiresGrad).toBe(false);
});

test("an unknown dtype", () => {
  expect(() => cast(tensor([1]), "f64" as DType)).toThrow(
    "cast: dtype has dtype f64, expected f32 or i32 or u32 or bool",
  );
});
