/** The choice of kernels for a convolution: pure functions of the device and the sizes. */
import type { Device } from "../../gpu/device.ts";
import type { Family } from "../../gpu/kernel.ts";
import { tileSize } from "../matmul/plan.ts";
import type { Geometry } from "./geometry.ts";

type Chooser = Pick<Device, "kind" | "family" | "subgroupSize">;

/** A matrix product: `lanes` for software adapters, `tiles` for GPUs. */
export interface ProductPlan {
  readonly kernel: "lanes" | "tiles";
  /** Override constants of the kernel. */
  readonly constants: Readonly<Record<string, number>>;
  readonly tile: readonly [rows: number, cols: number];
}

/** `direct` goes element by element. */
export type ConvPlan = ProductPlan | { readonly kernel: "direct" };

/** How the long sum of a weight's gradient is cut: parts, and positions (for `direct`) or vec4s of them in a part. */
export interface Parts {
  readonly splits: number;
  readonly chunk: number;
}

// The lanes kernels are written for this many.
const LANES = 8;
// A product for software adapters wastes this many multiplications before it is slower than going element by element, a GPU's fewer.
const WASTE = { software: 16, gpu: 8 } as const;
// Below this many multiplications, packing the operands takes longer.
const FEW_PRODUCTS = 8192;

/**
 * How many taps of a window's row stand beside each other as channels: all, where there are so few channels that filling
 * each tap's up to four would cost a third more.
 */
export function foldOf(channels: number, taps: number): number {
  return 4 * fours(channels * taps) <= 3 * fours(channels) * taps ? taps : 1;
}

/**
 * Chooses the kernel for y from x, or for x's gradient from y's.
 *
 * @param isBackward whether it is x's gradient
 */
export function planSlide(device: Chooser, geometry: Geometry, isBackward: boolean): ConvPlan {
  const { n, groups, ci, co, kernel, outSize, size } = geometry;
  const [channels, columns] = isBackward ? [co, ci] : [ci, co];
  const waste = (depthOf(channels, kernel[1]) * tiled(columns)) / (channels * kernel[1] * columns);
  const [height, width] = isBackward ? size : outSize;
  return choose(device, geometry, waste, { m: columns, n: n * height * width, batches: groups });
}

/** Chooses the kernel for a weight's gradient. */
export function planWeight(device: Chooser, geometry: Geometry): ConvPlan {
  const { groups, ci, co, kernel } = geometry;
  const columns = kernel[0] * depthOf(ci, kernel[1]);
  const waste = (tiled(columns) * tiled(co)) / (kernel[0] * kernel[1] * ci * co);
  return choose(device, geometry, waste, { m: co, n: columns, batches: groups });
}

/**
 * Cuts the sum of a weight's gradient: enough parts to fill the device, none too short to be worth it, and none so long that
 * its errors add up.
 *
 * @param tiles how many tiles, or for `direct` threads, one part has
 * @param positions the positions of y, over all of the batch, or the vec4s of them
 */
export function planParts(kernel: ConvPlan["kernel"], family: Family, tiles: number, positions: number): Parts {
  const wanted = kernel === "direct" ? { software: 1024, gpu: 16384 }[family] : { lanes: 16, tiles: 256 }[kernel];
  const [shortest, longest] = kernel === "direct" ? [64, 4096] : [128, 1024];
  const parts = Math.max(
    Math.min(Math.floor(wanted / Math.max(tiles, 1)), Math.floor(positions / shortest)),
    Math.ceil(positions / longest),
    1,
  );
  const chunk = Math.ceil(positions / parts);
  return { splits: Math.max(Math.ceil(positions / Math.max(chunk, 1)), 1), chunk };
}

function choose(
  device: Chooser,
  { n, groups, ci, co, outSize, kernel }: Geometry,
  waste: number,
  product: { readonly m: number; readonly n: number; readonly batches: number },
): ConvPlan {
  const products = n * groups * ci * co * outSize[0] * outSize[1] * kernel[0] * kernel[1];
  // The cpu device runs the definition.
  if (device.kind === "cpu" || products < FEW_PRODUCTS || waste > WASTE[device.family]) {
    return { kernel: "direct" };
  }
  if (device.family === "software" && device.subgroupSize === LANES) {
    return { kernel: "lanes", constants: {}, tile: [4 * LANES, 4 * LANES] };
  }
  const [size, blocks] = tileSize(product);
  return { kernel: "tiles", constants: { TILE: size, BLOCKS: blocks }, tile: [size, size] };
}

// Channels of the packed image for one row of a window's taps.
function depthOf(channels: number, taps: number): number {
  const fold = foldOf(channels, taps);
  return fours(channels * fold) * (taps / fold);
}

function fours(count: number): number {
  return 4 * Math.ceil(count / 4);
}

function tiled(count: number): number {
  return 4 * LANES * Math.ceil(count / (4 * LANES));
}
