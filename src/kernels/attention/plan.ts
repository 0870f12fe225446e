/** The choice of kernels for attention: a pure function of the device and the head sizes. */
import type { Family } from "../../gpu/kernel.ts";

export interface AttentionPlan {
  readonly family: Family;
  /** Whether rows are read and written four elements at a time. */
  readonly rows: "vec4" | "scalar";
  /** Columns that a workgroup computes of a result, in blocks of 32. */
  readonly blocks: number;
  /** Rows that a workgroup computes of a result. */
  readonly tile: number;
  /** Override constants of the kernel. */
  readonly constants: Readonly<Record<string, number>>;
}

// More would not fit into the registers; a wider head is cut, and its scores are computed once per cut.
const MAX_BLOCKS = 4;
// attention-software.wgsl is written for this many lanes.
const LANES = 8;
// As in attention-gpu.wgsl.
const TILE = 32;

/**
 * Chooses the kernels for attention.
 *
 * @param device its family and the lanes of its subgroups (0: unknown)
 * @param d the size of a head of q and k
 * @param dv the size of a head of v
 */
export function planAttention(
  device: { readonly family: Family; readonly subgroupSize: number },
  d: number,
  dv: number,
): AttentionPlan {
  const widest = Math.max(d, dv, 1);
  const shared = {
    rows: d % 4 === 0 && dv % 4 === 0 ? "vec4" : "scalar",
    blocks: Math.min(Math.ceil(widest / 32), MAX_BLOCKS),
  } as const;
  return device.family === "software" && device.subgroupSize === LANES
    ? { ...shared, family: "software", tile: LANES, constants: {} }
    : { ...shared, family: "gpu", tile: TILE, constants: { DEPTH: widest <= 16 ? 16 : 32 } };
}
