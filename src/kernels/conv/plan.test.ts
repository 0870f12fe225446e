import { expect, test } from "vitest";
import { type Choice, UNTUNED } from "../../gpu/tuning.ts";
import { TILES } from "../matmul/plan.ts";
import type { Geometry } from "./geometry.ts";
import { convBucket, cutSum, foldOf, planSlide, planWeight, slideCandidates, weightCandidates } from "./plan.ts";

const software = { kind: "webgpu", family: "software", subgroupSize: 8, tuning: UNTUNED } as const;
const gpu = { kind: "webgpu", family: "gpu", subgroupSize: 32, tuning: UNTUNED } as const;

// Images of 14 x 14 and kernels of 3 x 3.
function conv(ci: number, co: number, rest: Partial<Geometry> = {}): Geometry {
  return {
    n: 64,
    groups: 1,
    ci,
    co,
    size: [14, 14],
    outSize: [14, 14],
    kernel: [3, 3],
    stride: [1, 1],
    pad: [1, 1],
    dilation: [1, 1],
    ...rest,
  };
}

test("each kind of device has its kernels", () => {
  const kernels = (device: Parameters<typeof planSlide>[0]) => [
    planSlide(device, conv(32, 64), false).kernel,
    planSlide(device, conv(32, 64), true).kernel,
    planWeight(device, conv(32, 64)).kernel,
  ];
  expect(kernels(software)).toEqual(["lanes", "lanes", "lanes"]);
  expect(kernels({ ...software, subgroupSize: 4 })).toEqual(["tiles", "tiles", "tiles"]);
  expect(kernels(gpu)).toEqual(["tiles", "tiles", "tiles"]);
  expect(kernels({ ...gpu, kind: "cpu" })).toEqual(["direct", "direct", "direct"]);
});

test("where a product would be mostly of zeros, it goes element by element", () => {
  const forward = (ci: number, co: number) => planSlide(software, conv(ci, co), false).kernel;
  const backward = (ci: number, co: number) => planSlide(software, conv(ci, co), true).kernel;
  expect([forward(1, 1), forward(1, 2), forward(1, 3), forward(8, 1), forward(8, 2)]).toEqual([
    "direct",
    "direct",
    "lanes",
    "direct",
    "lanes",
  ]);
  expect([backward(2, 8), backward(1, 8)]).toEqual(["lanes", "direct"]);
  expect(planSlide(gpu, conv(8, 3), false).kernel).toBe("direct");
  expect(planSlide(gpu, conv(8, 4), false).kernel).toBe("tiles");
  const depthwise = conv(1, 1, { groups: 256 });
  expect(planSlide(gpu, depthwise, false).kernel).toBe("direct");
  expect([software, gpu].map((device) => planWeight(device, depthwise).kernel)).toEqual(["direct", "direct"]);
  expect([planWeight(software, conv(1, 8)).kernel, planWeight(gpu, conv(1, 8)).kernel]).toEqual(["lanes", "direct"]);
});

test("little is not worth the packing", () => {
  const tiny = conv(4, 4, { n: 1, outSize: [7, 8] }); // 8064 products
  expect(planSlide(software, tiny, false).kernel).toBe("direct");
  expect(planSlide(software, { ...tiny, outSize: [8, 8] }, false).kernel).toBe("lanes");
  expect(planWeight(software, conv(0, 4)).kernel).toBe("direct");
});

test("GPUs get tiles that fit the channels", () => {
  expect(planSlide(gpu, conv(32, 32), false)).toMatchObject({ constants: { TILE: 32, BLOCKS: 1 }, tile: [32, 32] });
  expect(planSlide(gpu, conv(32, 64), false)).toMatchObject({ constants: { TILE: 64, BLOCKS: 2 } });
  expect(planSlide(gpu, conv(32, 64), true)).toMatchObject({ constants: { TILE: 32, BLOCKS: 1 } });
  expect(planSlide(gpu, conv(64, 256), false)).toMatchObject({ constants: { TILE: 128, BLOCKS: 2 } });
  expect(planWeight(gpu, conv(64, 128))).toMatchObject({ constants: { TILE: 64, BLOCKS: 2 } });
});

test("few channels take the taps of a row with them", () => {
  expect([1, 2, 3, 4, 5, 6, 8].map((channels) => foldOf(channels, 3))).toEqual([3, 3, 1, 1, 3, 1, 1]);
  expect(foldOf(1, 1)).toBe(1);
});

test("a weight's gradient is cut into parts that fill the device, and are neither short nor long", () => {
  expect(cutSum("lanes", 8, 3136)).toEqual({ splits: 8, chunk: 392 });
  expect(cutSum("lanes", 8, 1000)).toEqual({ splits: 7, chunk: 143 });
  expect(cutSum("lanes", 1, 1000)).toEqual({ splits: 1, chunk: 1000 });
  expect(cutSum("lanes", 1, 3136)).toEqual({ splits: 4, chunk: 784 }); // for its accuracy
  expect(cutSum("direct", 3, 12544)).toEqual({ splits: 4, chunk: 3136 });
  expect(cutSum("direct", 1, 10)).toEqual({ splits: 1, chunk: 10 });
  expect(cutSum("direct", 1, 0)).toEqual({ splits: 1, chunk: 0 });
  const parts = (device: typeof software | typeof gpu, geometry: Geometry) => planWeight(device, geometry).splits;
  expect(parts(software, conv(32, 32))).toBe(4); // 9 tiles
  expect(parts(software, conv(4, 32, { n: 32 }))).toBe(8); // 2 tiles
  expect(parts(gpu, conv(32, 32))).toBe(24); // 9 tiles
  expect(parts(gpu, conv(32, 1))).toBe(56); // element by element, 288 of them
});

test("a bucket is of a direction, of sizes up to a power of two, and of the kernel's steps", () => {
  expect(convBucket(conv(20, 64), "forward")).toBe("conv forward 64x32x64 of 3x3 at 16x16");
  const strided = conv(1, 1, { n: 5, groups: 40, stride: [2, 2], dilation: [1, 2], kernel: [1, 5] });
  expect(convBucket(strided, "backwardWeight")).toBe("conv backwardWeight 8x1x1 of 1x5 at 16x16 g64 s2x2 d1x2");
});

const tunedWith = (device: typeof software | typeof gpu, bucket: string, choice: Choice) => ({
  ...device,
  tuning: new Map([[bucket, choice]]),
});

test("candidates begin with the heuristic's, differ in their plans, and are taken when they were measured", () => {
  for (const device of [software, gpu]) {
    for (const geometry of [conv(32, 64), conv(1, 8), conv(3, 5, { n: 1 }), conv(1, 1, { groups: 64 })]) {
      for (const isBackward of [false, true]) {
        const bucket = convBucket(geometry, isBackward ? "backwardInput" : "forward");
        const plans = slideCandidates(device, geometry, isBackward).map((choice) =>
          planSlide(tunedWith(device, bucket, choice), geometry, isBackward),
        );
        expect(plans[0]).toEqual(planSlide(device, geometry, isBackward));
        expect(plans.length).toBeGreaterThanOrEqual(device === software ? 1 : 5);
        expect(new Set(plans.map((plan) => JSON.stringify(plan))).size).toBe(plans.length);
      }
      const bucket = convBucket(geometry, "backwardWeight");
      const plans = weightCandidates(device, geometry).map((choice) =>
        planWeight(tunedWith(device, bucket, choice), geometry),
      );
      expect(plans[0]).toEqual(planWeight(device, geometry));
      expect(new Set(plans.map((plan) => JSON.stringify(plan))).size).toBe(plans.length);
    }
  }
});

test("element by element is worth a try only where a product wastes much or there is little to do", () => {
  const kernels = (device: typeof software | typeof gpu, geometry: Geometry) =>
    slideCandidates(device, geometry, false).map(({ kernel }) => kernel);
  expect(kernels(software, conv(32, 64))).toEqual(["lanes"]);
  expect(kernels(software, conv(32, 6))).toEqual(["lanes", "direct"]);
  expect(kernels(software, conv(1, 1))).toEqual(["direct", "lanes"]);
  expect(kernels(software, conv(4, 32, { n: 1, outSize: [10, 10] }))).toEqual(["lanes", "direct"]);
  expect(kernels(gpu, conv(32, 64))).toEqual(TILES.map(() => "tiles"));
  expect(weightCandidates(gpu, conv(32, 64)).some(({ kernel }) => kernel === "direct")).toBe(false);
  expect(weightCandidates(gpu, conv(1, 4)).some(({ kernel }) => kernel === "direct")).toBe(true);
});

test("a measured choice is for its direction, and only where the kernels can do it", () => {
  const geometry = conv(32, 64);
  const bucket = convBucket(geometry, "forward");
  const direct = tunedWith(software, bucket, { kernel: "direct" });
  expect(planSlide(direct, geometry, false)).toEqual({ kernel: "direct" });
  expect(planSlide(direct, conv(32, 64, { n: 33 }), false)).toEqual({ kernel: "direct" });
  expect(planSlide(direct, conv(32, 64, { n: 32 }), false).kernel).toBe("lanes");
  expect(planSlide(direct, geometry, true).kernel).toBe("lanes");
  for (const wrong of [{ kernel: "tiles", tile: 64, blocks: 2 }, { kernel: "winograd" }, {}]) {
    expect(planSlide(tunedWith(software, bucket, wrong), geometry, false)).toEqual(
      planSlide(software, geometry, false),
    );
  }
  const ofWeight = convBucket(geometry, "backwardWeight");
  expect(planWeight(tunedWith(software, ofWeight, { kernel: "lanes", parts: 3 }), geometry).splits).toBe(4); // for its accuracy
  expect(planWeight(tunedWith(gpu, ofWeight, { kernel: "tiles", tile: 32, blocks: 1, parts: 16 }), geometry)).toEqual({
    ...{ kernel: "tiles", constants: { TILE: 32, BLOCKS: 1 }, tile: [32, 32] },
    ...{ splits: 16, chunk: 196 },
  });
  for (const parts of [0, 1.5, "4", 2 ** 20]) {
    const choice = { kernel: "lanes", parts } as Choice;
    expect(planWeight(tunedWith(software, ofWeight, choice), geometry)).toEqual(planWeight(software, geometry));
  }
  expect(planWeight({ ...direct, kind: "cpu" }, geometry)).toEqual({
    kernel: "direct",
    splits: 1,
    chunk: 64 * 14 * 14,
  });
});
