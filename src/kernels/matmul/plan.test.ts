import { expect, test } from "vitest";
import { UNTUNED } from "../../gpu/tuning.ts";
import { type ProductShape, planProduct } from "./plan.ts";

const software = { family: "software", subgroupSize: 8, tuning: UNTUNED } as const;
const gpu = { family: "gpu", subgroupSize: 32, tuning: UNTUNED } as const;

function product(m: number, n: number, k: number, rest: Partial<ProductShape> = {}): ProductShape {
  return { m, n, k, batches: 1, transposeA: false, transposeB: false, ...rest };
}

test("software adapters with eight lanes get the kernel that is written for them", () => {
  expect(planProduct(software, product(64, 64, 64)).kernel).toBe("lanes");
  expect(planProduct({ ...software, subgroupSize: 4 }, product(64, 64, 64)).kernel).toBe("tiles");
  expect(planProduct(gpu, product(64, 64, 64)).kernel).toBe("tiles");
});

test("few rows get low tiles, and few columns are computed as rows", () => {
  const plan = (m: number, n: number) => planProduct(software, product(m, n, 64));
  expect([1, 8, 9, 16, 17].map((m) => plan(m, 64).constants.ROWS)).toEqual([1, 1, 2, 2, 4]);
  expect(plan(64, 16)).toMatchObject({ isTurned: true, constants: { ROWS: 2 }, write: "scalar", tile: [16, 32] });
  expect(plan(64, 17).isTurned).toBe(false);
  expect(plan(8, 16).isTurned).toBe(false);
  expect(plan(256, 65).isTurned).toBe(true);
  expect(plan(256, 95).isTurned).toBe(false);
  expect(plan(65, 256).isTurned).toBe(false);
});

test("operands whose lines are no multiple of four long are packed on software adapters, read one by one on GPUs", () => {
  const plans = (shape: ProductShape) => {
    const { packA, packB } = planProduct(software, shape);
    return [packA, packB, planProduct(gpu, shape).read];
  };
  expect(plans(product(33, 60, 32))).toEqual([false, false, "vec4"]);
  expect(plans(product(32, 60, 33))).toEqual([true, false, "scalar"]);
  expect(plans(product(32, 63, 36))).toEqual([false, true, "scalar"]);
  expect(plans(product(32, 60, 33, { transposeA: true }))).toEqual([false, false, "vec4"]);
  expect(plans(product(33, 60, 33, { transposeA: true }))).toEqual([true, false, "scalar"]);
  expect(plans(product(7, 60, 33, { transposeA: true }))).toEqual([false, false, "scalar"]);
  expect(plans(product(32, 63, 36, { transposeB: true }))).toEqual([false, false, "vec4"]);
  expect(plans(product(32, 63, 35, { transposeB: true }))).toEqual([true, true, "scalar"]);
  expect(plans(product(64, 3, 36))).toEqual([false, false, "scalar"]); // turned
});

test("the result is written by fours where its rows allow it", () => {
  const write = (n: number) =>
    [software, gpu].map((d) => planProduct(d, product(64, n, 64, { transposeB: true })).write);
  expect(write(60)).toEqual(["vec4", "vec4"]);
  expect(write(59)).toEqual(["scalar", "scalar"]);
});

test("a long k is cut where the tiles are few, into parts that are a multiple of 16 long", () => {
  expect(planProduct(software, product(128, 128, 4096))).toMatchObject({ splits: 1, chunk: 4096 });
  expect(planProduct(software, product(32, 32, 4096))).toMatchObject({ splits: 8, chunk: 512 });
  expect(planProduct(software, product(32, 32, 4100))).toMatchObject({ splits: 8, chunk: 528 });
  expect(planProduct(gpu, product(128, 128, 4096))).toMatchObject({ splits: 16, chunk: 256 });
  expect(planProduct(gpu, product(128, 128, 256))).toMatchObject({ splits: 1 });
  expect(planProduct(gpu, product(2048, 2048, 2048))).toMatchObject({ splits: 1 });
  for (const device of [software, gpu]) {
    expect(planProduct(device, product(32, 32, 4096, { rowsApart: true }))).toMatchObject({ splits: 1, chunk: 4096 });
  }
});

test("GPUs get large tiles where these are enough to fill them and fit the shape", () => {
  const size = (m: number, n: number, batches = 1) => planProduct(gpu, product(m, n, 64, { batches })).constants;
  expect(size(2048, 2048)).toEqual({ TILE: 128, BLOCKS: 2 });
  expect(size(128, 128, 96)).toEqual({ TILE: 128, BLOCKS: 2 });
  expect(size(512, 512)).toEqual({ TILE: 64, BLOCKS: 2 });
  expect(size(2048, 64, 32)).toEqual({ TILE: 64, BLOCKS: 2 });
  expect(size(4096, 32)).toEqual({ TILE: 32, BLOCKS: 1 });
});

test("nothing is asked for by empty shapes", () => {
  expect(planProduct(software, product(0, 4, 4096)).splits).toBe(1);
  expect(planProduct(gpu, product(4, 0, 4096)).splits).toBe(1);
  expect(planProduct(gpu, product(4, 4, 0))).toMatchObject({ splits: 1, chunk: 0 });
});
