/** The choice of kernels for a recurrent network: a pure function of the device, with what was measured on it, and the shape. */
import type { Device } from "../../gpu/device.ts";
import { type Family, LANES, usesLanes } from "../../gpu/kernel.ts";
import { bucketSizes, type Choice, measuredFor, withDifferentPlans } from "../../gpu/tuning.ts";

type Chooser = Pick<Device, "family" | "subgroupSize" | "tuning">;

/** All steps, or the way back. */
export type RecurrentEntry = "forward" | "backward";

export interface RecurrentShape {
  readonly cell: string;
  readonly b: number;
  readonly t: number;
  /** A multiple of four. */
  readonly hidden: number;
  readonly gates: number;
}

export interface RecurrentPlan {
  readonly family: Family;
  /** Rows of the batch that a workgroup has. */
  readonly rows: number;
  /** Workgroups that share these rows, each with a part of their states: then a dispatch can make one step only. */
  readonly parts: number;
  /** Blocks of elements, as many as the workgroup has threads, that each of them has. */
  readonly blocks: number;
  readonly stepsPerDispatch: number;
  /** Override constants of the kernel. */
  readonly constants: Readonly<Record<string, number>>;
}

/** What a plan follows from. */
export type RecurrentChoice = SoftwareChoice | GpuChoice;

type SoftwareChoice = {
  readonly kernel: "software";
  /** Rows of a workgroup. */
  readonly rows: number;
  /** Whether workgroups share these rows. */
  readonly isShared: boolean;
};

type GpuChoice = { readonly kernel: "gpu"; readonly threads: number; readonly isShared: boolean };

const ROWS_ON_GPU = 4;
const THREADS_FOR_PARTS = 64;
// Operating systems reset a GPU that is busy with one dispatch for seconds.
const MAX_STEPS = 1024;
// Where a step multiplies by more weights than this, a dispatch costs less than what is won by sharing the step.
const MAX_WEIGHTS_ON_GPU = 2 ** 17;
const MAX_WEIGHTS_ON_SOFTWARE = 2 ** 14;

// Above this a GPU would be busy for seconds if workgroups did not share a step.
const MOST_WEIGHTS_ALONE = 2 ** 20;
/** Rows that recurrent-software.wgsl can be compiled for; recurrent-gpu.wgsl can for any whole number of 32 threads. */
const ROWS = [8, 16, 32] as const;
const THREADS = [32, 64, 128, 256] as const;

/**
 * Chooses how a recurrent network is computed: what was measured best for such shapes, else by a heuristic. A row's numbers do
 * not depend on the choice.
 */
export function planRecurrent(device: Chooser, shape: RecurrentShape, entry: RecurrentEntry): RecurrentPlan {
  const measured = measuredFor(device.tuning, () => recurrentBucket(shape, entry));
  return planOf(measured && fits(device, shape, measured) ? measured : heuristic(device, shape), shape);
}

/**
 * The name that a recurrent network shares with those that one measurement speaks for.
 *
 * @example
 * "lstm forward 32x64x128" // b, t, hidden: up to there
 */
export function recurrentBucket({ cell, b, t, hidden }: RecurrentShape, entry: RecurrentEntry): string {
  return `${cell} ${entry} ${bucketSizes(b, t, hidden)}`;
}

/** The choices that are worth measuring, the heuristic's first. */
export function recurrentCandidates(device: Chooser, shape: RecurrentShape): RecurrentChoice[] {
  const all = [false, true].flatMap((isShared): RecurrentChoice[] =>
    usesLanes(device)
      ? ROWS.map((rows) => ({ kernel: "software", rows, isShared }))
      : THREADS.map((threads) => ({ kernel: "gpu", threads, isShared })),
  );
  const fitting = all.filter((choice) => fits(device, shape, choice));
  return withDifferentPlans([heuristic(device, shape), ...fitting], (choice) => planOf(choice, shape));
}

// Whether the kernels can do that: a choice may come from a file, and from another shape of the bucket.
function fits(device: Chooser, shape: RecurrentShape, choice: Choice): choice is RecurrentChoice {
  const { kernel, rows, threads, isShared } = choice;
  const isKnown = usesLanes(device)
    ? kernel === "software" && ROWS.some((known) => known === rows)
    : kernel === "gpu" && typeof threads === "number" && threads % 32 === 0 && threads >= 32 && threads <= 256;
  if (!isKnown || typeof isShared !== "boolean") return false;
  // There is nothing to share of one block.
  if (isShared) return planOf(choice as RecurrentChoice, shape).parts > 1;
  return usesLanes(device) || weightsOf(shape) <= MOST_WEIGHTS_ALONE;
}

// A step's.
function weightsOf({ gates, hidden }: RecurrentShape): number {
  return gates * hidden * hidden;
}

function heuristic(device: Chooser, shape: RecurrentShape): RecurrentChoice {
  const { b, hidden } = shape;
  const weights = weightsOf(shape);
  if (usesLanes(device)) {
    // Few rows make many loads; many rows leave no work for a second core.
    const rows = LANES * (b <= 2 * LANES ? 1 : b <= 4 * LANES ? 2 : 4);
    return { kernel: "software", rows, isShared: b <= LANES && weights > MAX_WEIGHTS_ON_SOFTWARE };
  }
  const isShared = weights > MAX_WEIGHTS_ON_GPU;
  const threads = isShared ? THREADS_FOR_PARTS : Math.min(Math.ceil(hidden / 32) * 32, 256);
  return { kernel: "gpu", threads, isShared };
}

function planOf(choice: RecurrentChoice, { t, hidden }: RecurrentShape): RecurrentPlan {
  if (choice.kernel === "software") {
    const { rows, isShared } = choice;
    const blocks = Math.ceil(hidden / (4 * LANES));
    return { family: "software", rows, ...share(isShared, blocks, t), constants: {} };
  }
  const { threads, isShared } = choice;
  const blocks = Math.ceil(hidden / threads);
  return { family: "gpu", rows: ROWS_ON_GPU, ...share(isShared, blocks, t), constants: { THREADS: threads } };
}

function share(isShared: boolean, blocks: number, t: number) {
  return isShared
    ? { parts: blocks, blocks: 1, stepsPerDispatch: 1 }
    : { parts: 1, blocks, stepsPerDispatch: Math.min(t + 1, MAX_STEPS) };
}
