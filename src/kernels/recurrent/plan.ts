/** The choice of kernels for a recurrent network: a pure function of the device and the shape. */
import type { Family } from "../../gpu/kernel.ts";

export interface RecurrentShape {
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

// recurrent-software.wgsl is written for this many lanes, with four elements each.
const LANES = 8;
const ROWS_ON_GPU = 4;
const THREADS_FOR_PARTS = 64;
// Operating systems reset a GPU that is busy with one dispatch for seconds.
const MAX_STEPS = 1024;
// Where a step multiplies by more weights than this, a dispatch costs less than what is won by sharing the step.
const MAX_WEIGHTS_ON_GPU = 2 ** 17;
const MAX_WEIGHTS_ON_SOFTWARE = 2 ** 14;

/**
 * Chooses how a recurrent network is computed. A row's numbers do not depend on the choice.
 *
 * @param device its family and the lanes of its subgroups (0: unknown)
 */
export function planRecurrent(
  device: { readonly family: Family; readonly subgroupSize: number },
  { b, t, hidden, gates }: RecurrentShape,
): RecurrentPlan {
  const weights = gates * hidden * hidden;
  if (device.family === "software" && device.subgroupSize === LANES) {
    // Few rows make many loads; many rows leave no work for a second core.
    const rows = LANES * (b <= 2 * LANES ? 1 : b <= 4 * LANES ? 2 : 4);
    const blocks = Math.ceil(hidden / (4 * LANES));
    const isShared = b <= LANES && weights > MAX_WEIGHTS_ON_SOFTWARE;
    return { family: "software", rows, ...share(isShared, blocks, t), constants: {} };
  }
  const isShared = weights > MAX_WEIGHTS_ON_GPU;
  const threads = isShared ? THREADS_FOR_PARTS : Math.min(Math.ceil(hidden / 32) * 32, 256);
  const blocks = Math.ceil(hidden / threads);
  return { family: "gpu", rows: ROWS_ON_GPU, ...share(isShared, blocks, t), constants: { THREADS: threads } };
}

function share(isShared: boolean, blocks: number, t: number) {
  return isShared
    ? { parts: blocks, blocks: 1, stepsPerDispatch: 1 }
    : { parts: 1, blocks, stepsPerDispatch: Math.min(t + 1, MAX_STEPS) };
}
