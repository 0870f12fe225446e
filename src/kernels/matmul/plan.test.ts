import fc from "fast-check";
import { expect, test } from "vitest";
import { type Choice, UNTUNED } from "../../gpu/tuning.ts";
import { type ProductShape, planProduct, productBucket, productCandidates, TILES } from "./plan.ts";

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

test("in float16 both operands are packed, and so read by fours", () => {
  for (const device of [software, gpu]) {
    for (const k of [32, 33]) {
      const plan = planProduct(device, product(64, 33, k, { precision: "f16" }));
      expect(plan).toMatchObject({ packA: true, packB: true, precision: "f16", read: "vec4", write: "scalar" });
      expect(planProduct(device, product(64, 64, k, { precision: "f16" })).write).toBe("vec4");
    }
    expect(planProduct(device, product(64, 32, 32))).toMatchObject({ packA: false, packB: false, precision: "f32" });
  }
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

test("a bucket is of a layout, of sizes up to a power of two, and of what the kernels must heed", () => {
  expect(productBucket(product(1024, 768, 513))).toBe("matmul NN 1024x1024x1024 odd 100");
  expect(productBucket(product(1, 8, 64, { transposeA: true }))).toBe("matmul TN 1x8x64 odd 100");
  expect(productBucket(product(60, 30, 16, { transposeB: true, batches: 48 }))).toBe("matmul NT 64x32x16 b64 odd 001");
  expect(productBucket(product(64, 64, 64, { rowsApart: true }))).toBe("matmul NN 64x64x64 apart");
  expect(productBucket(product(64, 64, 64, { rowsApart: false }))).toBe(productBucket(product(64, 64, 64)));
  expect(productBucket(product(36, 40, 44))).toBe(productBucket(product(64, 64, 64)));
  const others = [
    product(64, 66, 64),
    product(64, 64, 62),
    product(65, 64, 64),
    product(64, 64, 64, { batches: 2 }),
    product(64, 64, 64, { transposeA: true }),
  ];
  expect(new Set([product(64, 64, 64), ...others].map(productBucket)).size).toBe(6);
});

const drawn = fc.record({
  m: fc.integer({ min: 1, max: 3000 }),
  n: fc.integer({ min: 1, max: 3000 }),
  k: fc.integer({ min: 1, max: 9000 }),
  batches: fc.constantFrom(1, 1, 3, 64),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  rowsApart: fc.boolean(),
});
const tunedWith = (device: typeof software | typeof gpu, shape: ProductShape, choice: Choice) => ({
  ...device,
  tuning: new Map([[productBucket(shape), choice]]),
});

test("candidates begin with the heuristic's, differ in their plans, and are taken when they were measured", () =>
  fc.assert(
    fc.property(drawn, fc.constantFrom(software, gpu), (shape, device) => {
      const plans = productCandidates(device, shape).map((choice) =>
        planProduct(tunedWith(device, shape, choice), shape),
      );
      expect(plans[0]).toEqual(planProduct(device, shape));
      expect(new Set(plans.map((plan) => JSON.stringify(plan))).size).toBe(plans.length);
      for (const { kernel, splits, chunk } of plans) {
        expect(kernel).toBe(device.family === "software" ? "lanes" : "tiles");
        if (splits > 1) expect([shape.rowsApart, chunk % 16]).toEqual([false, 0]);
        expect(chunk * (splits - 1) < shape.k && shape.k <= chunk * splits).toBe(true);
      }
    }),
  ));

test("what there is to measure", () => {
  const on = (device: typeof software | typeof gpu, shape: ProductShape) => productCandidates(device, shape);
  expect(on(software, product(1024, 1024, 1024)).map((choice) => Object.values(choice).join(" "))).toEqual([
    "lanes 4 false 1",
    "lanes 1 false 1",
    "lanes 1 true 1",
    "lanes 2 false 1",
    "lanes 2 true 1",
    "lanes 4 true 1",
  ]);
  expect(on(software, product(32, 32, 512)).map(({ splits }) => splits)).toContain(8);
  expect(on(gpu, product(2048, 2048, 64))).toHaveLength(TILES.length);
  expect(on(gpu, product(2048, 2046, 64))).toHaveLength(2 * TILES.length); // read one by one, or packed
  // Tiles that are mostly outside are not worth a try.
  expect(on(gpu, product(20, 20, 64))).toEqual([{ kernel: "tiles", tile: 32, blocks: 1, packs: false, splits: 1 }]);
});

test("a measured choice is for its bucket, and only where the kernels can do it", () => {
  const shape = product(1000, 1000, 1000);
  const choice = { kernel: "lanes", rows: 2, isTurned: true, splits: 1 };
  const device = tunedWith(software, shape, choice);
  expect(planProduct(device, shape)).toMatchObject({ constants: { ROWS: 2 }, isTurned: true });
  expect(planProduct(device, product(516, 1024, 900))).toMatchObject({ constants: { ROWS: 2 }, isTurned: true });
  expect(planProduct(device, product(512, 1000, 1000))).toEqual(planProduct(software, product(512, 1000, 1000)));
  for (const wrong of [
    { ...choice, kernel: "tiles", tile: 64, blocks: 2, packs: false }, // of the other family
    { ...choice, kernel: "wmma" },
    { ...choice, rows: 3 },
    { ...choice, isTurned: 1 },
    { ...choice, splits: 0 },
    { ...choice, splits: 1.5 },
    { ...choice, splits: "2" },
    { ...choice, splits: 2 }, // there are tiles enough
  ]) {
    expect(planProduct(tunedWith(software, shape, wrong), shape), JSON.stringify(wrong)).toEqual(
      planProduct(software, shape),
    );
  }
  const tiles = { kernel: "tiles", tile: 64, blocks: 2, packs: true, splits: 1 };
  const odd = product(1000, 1001, 1000);
  expect(planProduct(tunedWith(gpu, odd, tiles), odd)).toMatchObject({ packA: false, packB: true, read: "vec4" });
  for (const wrong of [
    { ...tiles, tile: 16, blocks: 1 },
    { ...tiles, blocks: 1.5 },
    { ...tiles, packs: 0 },
  ]) {
    expect(planProduct(tunedWith(gpu, odd, wrong), odd)).toEqual(planProduct(gpu, odd));
  }
  // Rows are kept apart, whatever a file says.
  const apart = product(32, 32, 4096, { rowsApart: true });
  expect(planProduct(tunedWith(software, apart, { ...choice, splits: 2 }), apart).splits).toBe(1);
  const long = product(32, 32, 4096);
  expect(planProduct(tunedWith(software, long, { ...choice, splits: 2 }), long).splits).toBe(2);
});
