/**
 * Attention as a composition of ops, with the matrix of scores in memory: what second derivatives and the gradient of a mask
 * are made of.
 */

import { sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { ones } from "../creation/creation.ts";
import { dropWith } from "../dropout/dropout.ts";
import { add, lessEqual, logicalOr, mul } from "../elementwise/binary-ops.ts";
import { logicalNot } from "../elementwise/unary-ops.ts";
import { maskedFill } from "../mask/masked-fill.ts";
import { triu } from "../mask/triangle.ts";
import { matmul } from "../matmul/matmul.ts";
import { softmax } from "../softmax/softmax.ts";
import { permute } from "../view/permute.ts";
import { reshape } from "../view/reshape.ts";
import { narrow } from "../view/slice.ts";
import type { AttentionShape, Rows } from "./attend.ts";
import { HIDDEN } from "./attention.reference.ts";

export interface AttentionSettings {
  readonly causal: boolean;
  readonly scale: number;
  readonly dropout: number;
  /** Which random numbers dropout draws. */
  readonly stream: number;
}

/**
 * Computes what the fused kernels compute.
 *
 * @param inputs q, k and v, or the one tensor that they are parts of
 * @param mask rank 4, as `mergeMasks` gives it
 * @param randomState null without dropout
 */
export function attendByOps(
  inputs: readonly Tensor[],
  shape: AttentionShape,
  rows: Rows,
  { causal, scale, dropout, stream }: AttentionSettings,
  mask: Tensor | null,
  randomState: Tensor | null,
): Tensor {
  const { heads, tq, tk, d, dv } = shape;
  const batch = sizeOf(shape.batch);
  const [ofQ, ofK = ofQ, ofV = ofQ] = inputs as [Tensor, ...Tensor[]];
  const third = inputs.length === 1 ? heads * d : 0;
  // [batch, heads, t, width]
  const split = (x: Tensor, t: number, width: number, offset: number) =>
    rows.packed
      ? permute(reshape(narrow(x, -1, offset, heads * width), [batch, t, heads, width]), [0, 2, 1, 3])
      : reshape(x, [batch, heads, t, width]);
  const q = split(ofQ, tq, d, 0);
  const k = split(ofK, tk, d, third);
  const v = split(ofV, tk, dv, 2 * third);

  const p = weightsByOps(q, k, mask, { causal, scale });
  const y = matmul(randomState ? dropWith(p, dropout, { randomState, stream }) : p, v); // [batch, heads, tq, dv]
  return reshape(rows.packed ? permute(y, [0, 2, 1, 3]) : y, shape.y);
}

/**
 * Computes softmax(scale * q k^T + mask) over the keys that take part, and 0 for the others.
 *
 * @param q [batch, heads, tq, d]
 * @param k [batch, heads, tk, d]
 * @param mask rank 4, as `mergeMasks` gives it
 * @returns [batch, heads, tq, tk]
 */
export function weightsByOps(
  q: Tensor,
  k: Tensor,
  mask: Tensor | null,
  { causal, scale }: Pick<AttentionSettings, "causal" | "scale">,
): Tensor {
  const [tq, tk] = [q.shape[2]!, k.shape[2]!];
  let scores = mul(matmul(q, k, { transposeB: true }), scale);
  let hidden = causal ? triu(ones([tq, tk], { dtype: "bool", device: q.device }), 1) : null;
  if (mask) {
    const masked = mask.dtype === "bool" ? logicalNot(mask) : lessEqual(mask, HIDDEN);
    hidden = hidden ? logicalOr(hidden, masked) : masked;
    if (mask.dtype === "f32") scores = add(scores, mask);
  }
  // Of a row that is hidden throughout, softmax makes a mean, and the second filling 0.
  const hide = (x: Tensor, value: number) => (hidden ? maskedFill(x, hidden, value) : x);
  return hide(softmax(hide(scores, HIDDEN)), 0);
}
