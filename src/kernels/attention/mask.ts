/** Brings the masks of an attention into the form that its kernels read. */
import { ShapeError } from "../../gpu/errors.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectShape, formatShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { logicalAnd } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { expand } from "../view/expand.ts";
import { reshape } from "../view/reshape.ts";
import type { AttentionOptions, AttentionShape } from "./attend.ts";

/**
 * Merges the masks into one.
 *
 * @returns a tensor of rank 4, each of whose axes is that of the scores [batch, heads, tq, tk] or 1; or null
 * @throws DTypeError, ShapeError
 */
export function mergeMasks(op: string, shape: AttentionShape, options: AttentionOptions): Tensor | null {
  const { mask, keyMask } = options;
  const { batch, tk } = shape;
  if (keyMask) {
    expectDType(op, "keyMask", keyMask.dtype, ["bool"]);
    expectShape(op, "keyMask", keyMask.shape, [...batch, tk]);
  }
  if (mask) expectDType(op, "mask", mask.dtype, ["bool", "f32"]);
  const ofKeys = keyMask ? reshape(keyMask, [sizeOf(batch), 1, 1, tk]) : null;
  const ofAll = mask ? collapseBatch(op, mask, shape) : null;
  if (!ofKeys || !ofAll) return ofKeys ?? ofAll;
  return ofAll.dtype === "bool" ? logicalAnd(ofAll, ofKeys) : where(ofKeys, ofAll, Number.NEGATIVE_INFINITY);
}

// The mask with one axis in place of all batch axes.
function collapseBatch(op: string, mask: Tensor, { batch, heads, tq, tk, hasHeads }: AttentionShape): Tensor {
  const scores = [...batch, ...(hasHeads ? [heads] : []), tq, tk];
  const missing = scores.length - mask.rank;
  if (missing < 0 || mask.shape.some((n, axis) => n !== 1 && n !== scores[axis + missing])) {
    throw new ShapeError(
      `${op}: mask has shape ${formatShape(mask.shape)}, expected one that broadcasts to ${formatShape(scores)}`,
    );
  }
  const full = [...new Array<number>(missing).fill(1), ...mask.shape];
  const matrix = full.slice(-2);
  const head = hasHeads ? full[batch.length]! : 1;
  const own = full.slice(0, batch.length);
  const isOne = sizeOf(own) === 1;
  const isWhole = sizeOf(own) === sizeOf(batch);
  const whole: Shape = [...batch, ...full.slice(batch.length)];
  const x = isOne || isWhole ? mask : expand(mask, whole);
  return reshape(x, [isOne ? 1 : sizeOf(batch), head, ...matrix]);
}
