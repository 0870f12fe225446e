/** The choice of kernels for attention: a pure function of the device and the head sizes. */
import { type Family, usesLanes } from "../../gpu/kernel.ts";

export interface AttentionPlan {
  readonly family: Family;
  /** Whether rows are read and written four elements at a time. */
  readonly rows: "vec4" | "scalar";
  /** Blocks of 32 columns that a workgroup has at a time. */
  readonly blocks: number;
  /** Rows that it has, in groups of 8, in the forward and in the backward pass. */
  readonly groups: readonly [forward: number, backward: number];
  /** Override constants of the kernel. */
  readonly constants: Readonly<Record<string, number>>;
}

// More would not fit into the registers. On GPUs, a wider head is cut, and its scores are computed once per cut.
const MAX_BLOCKS = 4;

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
  const rows = d % 4 === 0 && dv % 4 === 0 ? "vec4" : "scalar";
  const blocks = Math.ceil(widest / 32);
  if (usesLanes(device) && blocks <= MAX_BLOCKS) {
    const groups = [blocks <= 2 ? 2 : 1, blocks === 1 ? 2 : 1] as const;
    return { family: "software", rows, blocks, groups, constants: {} };
  }
  const constants = { DEPTH: widest <= 16 ? 16 : 32 };
  return { family: "gpu", rows, blocks: Math.min(blocks, MAX_BLOCKS), groups: [4, 4], constants };
}
