/** How threads walk over lines of neighbours: each takes a run of them, so that what is found once per line is worth it. */
import type { Device } from "../../gpu/device.ts";
import { ceilDiv } from "../../gpu/kernel.ts";

const THREADS = 64;
// On a software adapter, where a thread costs as much as a few elements; enough for all lanes of all cores.
const ENOUGH_RUNS = 4096;

export interface Runs {
  readonly groups: number;
  /** Thread i takes elements from i % pieces * run on, of line i / pieces; lines are `run * pieces` long or a little less. */
  readonly params: { readonly lines: number; readonly pieces: number; readonly run: number };
}

/** Splits lines of `length` elements into runs: of one element on GPUs, where neighbours go to neighbouring lanes. */
export function runsOver({ family }: Device, lines: number, length: number): Runs {
  const run = family === "gpu" ? 1 : Math.min(Math.max(Math.floor((lines * length) / ENOUGH_RUNS), 1), length);
  const pieces = ceilDiv(length, run);
  return { groups: ceilDiv(lines * pieces, THREADS), params: { lines, pieces, run } };
}
