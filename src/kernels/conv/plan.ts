/** The choice of kernels for a convolution: pure functions of the device, with what was measured on it, and the sizes. */
import type { Device } from "../../gpu/device.ts";
import { LANES, usesLanes } from "../../gpu/kernel.ts";
import { bucketSize, bucketSizes, type Choice, measuredFor, withDifferentPlans } from "../../gpu/tuning.ts";
import { countTiles, TILES, tileSize } from "../matmul/plan.ts";
import type { Geometry } from "./geometry.ts";

type Chooser = Pick<Device, "kind" | "family" | "subgroupSize" | "tuning">;

/** A matrix product: `lanes` for software adapters, `tiles` for GPUs. */
export interface ProductPlan {
  readonly kernel: "lanes" | "tiles";
  /** Override constants of the kernel. */
  readonly constants: Readonly<Record<string, number>>;
  readonly tile: readonly [rows: number, cols: number];
}

/** `direct` goes element by element. */
export type ConvPlan = ProductPlan | { readonly kernel: "direct" };

/** How the long sum of a weight's gradient is cut: parts, and positions (for `direct`) or fours of them in a part. */
export interface Parts {
  readonly splits: number;
  readonly chunk: number;
}

export type WeightPlan = ConvPlan & Parts;

/** What is computed: y, x's gradient (or a transposed convolution), or the weight's. */
export type Direction = "forward" | "backwardInput" | "backwardWeight";

/** What a plan follows from. */
export type SlideChoice = { readonly kernel: "direct" } | { readonly kernel: "lanes" } | TilesChoice;

type TilesChoice = { readonly kernel: "tiles"; readonly tile: number; readonly blocks: number };

/** For a weight's gradient: also the parts of its sum, which are more or fewer where these would be too long or too short. */
export type WeightChoice = SlideChoice & { readonly parts: number };

// A product for software adapters wastes this many multiplications before it is slower than going element by element, a GPU's fewer.
const WASTE = { software: 16, gpu: 8 } as const;
// Below this many multiplications, packing the operands takes longer.
const FEW_PRODUCTS = 8192;
const PARTS = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const;
// More parts than for this many times what fills a device have nothing left to win.
const MOST_WORK_BY_FILL = 4;

/**
 * How many taps of a window's row stand beside each other as channels: all, where there are so few channels that filling
 * each tap's up to four would cost a third more.
 */
export function foldOf(channels: number, taps: number): number {
  return 4 * fours(channels * taps) <= 3 * fours(channels) * taps ? taps : 1;
}

/**
 * Chooses the kernel for y from x, or for x's gradient from y's: what was measured best for such sizes, else by a heuristic.
 *
 * @param isBackward whether it is x's gradient
 */
export function planSlide(device: Chooser, geometry: Geometry, isBackward: boolean): ConvPlan {
  const direction = isBackward ? "backwardInput" : "forward";
  const measured = measuredFor(device.tuning, () => convBucket(geometry, direction));
  return planOf(measured && fits(device, measured) ? measured : chooseSlide(device, geometry, isBackward));
}

/** Chooses the kernel for a weight's gradient, and the parts of its sum. */
export function planWeight(device: Chooser, geometry: Geometry): WeightPlan {
  const { n, outSize } = geometry;
  // The cpu device runs the definition.
  if (device.kind === "cpu") return { kernel: "direct", splits: 1, chunk: n * outSize[0] * outSize[1] };
  const measured = measuredFor(device.tuning, () => convBucket(geometry, "backwardWeight"));
  const choice = measured && fitsWeight(device, geometry, measured) ? measured : chooseWeight(device, geometry);
  return weightPlanOf(choice, geometry);
}

/**
 * The name that a convolution shares with those that one measurement speaks for.
 *
 * @example
 * "conv forward 64x32x64 of 3x3 at 14x16" // images, channels of x and y, the kernel, the size of y: up to there
 * "conv backwardWeight 8x1x1 of 3x3 at 16x16 g64 s2x2 d2x1" // groups, strides, dilations
 */
export function convBucket(geometry: Geometry, direction: Direction): string {
  const { n, groups, ci, co, kernel, outSize, stride, dilation } = geometry;
  const pair = (letter: string, [vertical, horizontal]: readonly [number, number]) =>
    vertical === 1 && horizontal === 1 ? "" : ` ${letter}${vertical}x${horizontal}`;
  return [
    `conv ${direction} ${bucketSizes(n, ci, co)} of ${kernel.join("x")} at ${bucketSizes(...outSize)}`,
    groups === 1 ? "" : ` g${bucketSize(groups)}`,
    pair("s", stride),
    pair("d", dilation),
  ].join("");
}

/** The choices that are worth measuring, the heuristic's first. */
export function slideCandidates(device: Chooser, geometry: Geometry, isBackward: boolean): SlideChoice[] {
  const all = worthATry(device, geometry, isBackward ? "backwardInput" : "forward");
  return withDifferentPlans([chooseSlide(device, geometry, isBackward), ...all], planOf);
}

/** The choices that are worth measuring for a weight's gradient, the heuristic's first. */
export function weightCandidates(device: Chooser, geometry: Geometry): WeightChoice[] {
  const all = worthATry(device, geometry, "backwardWeight")
    .flatMap((choice) => PARTS.map((parts) => ({ ...choice, parts })))
    .filter((choice) => fitsWeight(device, geometry, choice));
  return withDifferentPlans([chooseWeight(device, geometry), ...all], (choice) => weightPlanOf(choice, geometry));
}

// Element by element only where a product wastes much or there is little to do: a large convolution could keep a GPU busy for seconds.
function worthATry(device: Chooser, geometry: Geometry, direction: Direction): SlideChoice[] {
  const isClose = 4 * wasteOf(geometry, direction) > WASTE[device.family] || productsOf(geometry) < 16 * FEW_PRODUCTS;
  return kernelsOf(device).filter(({ kernel }) => kernel !== "direct" || isClose);
}

function kernelsOf(device: Chooser): SlideChoice[] {
  const direct = { kernel: "direct" } as const;
  if (device.kind === "cpu") return [direct];
  if (usesLanes(device)) return [direct, { kernel: "lanes" }];
  return [direct, ...TILES.map(([tile, blocks]) => ({ kernel: "tiles" as const, tile, blocks }))];
}

// Whether the kernels can do that: a choice may come from a file, and from other sizes of the bucket.
function fits(device: Chooser, choice: Choice): choice is SlideChoice {
  const { kernel, tile, blocks } = choice;
  return kernelsOf(device).some((known) =>
    known.kernel === "tiles"
      ? kernel === "tiles" && known.tile === tile && known.blocks === blocks
      : known.kernel === kernel,
  );
}

function fitsWeight(device: Chooser, geometry: Geometry, choice: Choice): choice is WeightChoice {
  if (!fits(device, choice)) return false;
  const { parts } = choice as WeightChoice;
  if (!Number.isInteger(parts) || parts < 1) return false;
  const { kernel } = choice;
  return parts === 1 || parts * workOf(choice, geometry) <= MOST_WORK_BY_FILL * toFill(kernel, device);
}

function chooseSlide(device: Chooser, geometry: Geometry, isBackward: boolean): SlideChoice {
  const { n, groups, ci, co, outSize, size } = geometry;
  const [height, width] = isBackward ? size : outSize;
  const product = { m: isBackward ? ci : co, n: n * height * width, batches: groups };
  return choose(device, geometry, isBackward ? "backwardInput" : "forward", product);
}

function chooseWeight(device: Chooser, geometry: Geometry): WeightChoice {
  const product = { m: geometry.co, n: columnsOf(geometry), batches: geometry.groups };
  const choice = choose(device, geometry, "backwardWeight", product);
  const work = workOf(choice, geometry);
  return { ...choice, parts: Math.max(Math.floor(toFill(choice.kernel, device) / Math.max(work, 1)), 1) };
}

// Workgroups of a product, or threads that go element by element, that fill a device.
function toFill(kernel: ConvPlan["kernel"], { family }: Chooser): number {
  return kernel === "direct" ? { software: 1024, gpu: 16384 }[family] : { lanes: 16, tiles: 256 }[kernel];
}

// As many of them as one part of a weight's gradient has.
function workOf(choice: SlideChoice, geometry: Geometry): number {
  const { groups, ci, co, kernel } = geometry;
  const plan = planOf(choice);
  return plan.kernel === "direct"
    ? groups * co * ci * kernel[0] * kernel[1]
    : countTiles(co, columnsOf(geometry), plan.tile) * groups;
}

function choose(
  device: Chooser,
  geometry: Geometry,
  direction: Direction,
  product: { readonly m: number; readonly n: number; readonly batches: number },
): SlideChoice {
  const isWasteful = wasteOf(geometry, direction) > WASTE[device.family];
  if (device.kind === "cpu" || productsOf(geometry) < FEW_PRODUCTS || isWasteful) return { kernel: "direct" };
  if (usesLanes(device)) return { kernel: "lanes" };
  const [tile, blocks] = tileSize(product);
  return { kernel: "tiles", tile, blocks };
}

function productsOf({ n, groups, ci, co, outSize, kernel }: Geometry): number {
  return n * groups * ci * co * outSize[0] * outSize[1] * kernel[0] * kernel[1];
}

// Multiplications of a product, with those by the zeros that fill it up, for one that is asked for.
function wasteOf(geometry: Geometry, direction: Direction): number {
  const { ci, co, kernel } = geometry;
  if (direction === "backwardWeight") {
    return (tiled(columnsOf(geometry)) * tiled(co)) / (kernel[0] * kernel[1] * ci * co);
  }
  const [channels, columns] = direction === "backwardInput" ? [co, ci] : [ci, co];
  return (depthOf(channels, kernel[1]) * tiled(columns)) / (channels * kernel[1] * columns);
}

function planOf(choice: SlideChoice): ConvPlan {
  if (choice.kernel === "direct") return { kernel: "direct" };
  if (choice.kernel === "lanes") return { kernel: "lanes", constants: {}, tile: [4 * LANES, 4 * LANES] };
  const { tile, blocks } = choice;
  return { kernel: "tiles", constants: { TILE: tile, BLOCKS: blocks }, tile: [tile, tile] };
}

function weightPlanOf(choice: WeightChoice, { n, outSize }: Geometry): WeightPlan {
  const plan = planOf(choice);
  const plane = outSize[0] * outSize[1];
  const positions = n * (plan.kernel === "direct" ? plane : Math.ceil(plane / 4));
  return { ...plan, ...cutSum(plan.kernel, choice.parts, positions) };
}

/**
 * Cuts the sum of a weight's gradient: none of the parts too short to be worth it, and none so long that its errors add up.
 *
 * @param wanted parts
 * @param positions the positions of y, over all of the batch, or for products the vec4s of them
 */
export function cutSum(kernel: ConvPlan["kernel"], wanted: number, positions: number): Parts {
  const [shortest, longest] = kernel === "direct" ? [64, 4096] : [128, 1024];
  const parts = Math.max(Math.min(wanted, Math.floor(positions / shortest)), Math.ceil(positions / longest), 1);
  const chunk = Math.ceil(positions / parts);
  return { splits: Math.max(Math.ceil(positions / Math.max(chunk, 1)), 1), chunk };
}

// Columns of a weight's gradient as a product: what is packed of x at the taps of a window.
function columnsOf({ ci, kernel }: Geometry): number {
  return kernel[0] * depthOf(ci, kernel[1]);
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
