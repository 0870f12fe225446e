/**
 * Scaled dot-product attention, fused: no matrix of queries by keys is ever in memory, and no heads are transposed. Three
 * ops, which differ in how q, k and v lie in memory.
 */
import { scopeInFloat32 } from "../../autograd/autocast.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { expectRank, expectShape, formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { permute } from "../view/permute.ts";
import { reshape } from "../view/reshape.ts";
import { type AttentionOptions, attend } from "./attend.ts";
import { weightsByOps } from "./by-ops.ts";
import { mergeMasks } from "./mask.ts";

const OPTIONS = ["mask", "keyMask", "causal", "dropout", "scale"] as const;

/**
 * Attends: each query gets the mean of the values, weighted by how its scores with the keys compare.
 *
 *     y = dropout(softmax(scale * q k^T + mask)) v
 *
 * Memory grows with tq + tk, not with tq * tk. A query for which no key takes part gets 0, and gradients of 0 (PyTorch: NaN).
 * What k and v hold where a key takes part for no query, NaN included, changes no bit of the result or of the other
 * gradients.
 *
 * @param q f32 [..., heads, tq, d]; or [b, tq, d] or [tq, d], of one head
 * @param k [..., heads, tk, d]
 * @param v [..., heads, tk, dv]
 * @returns [..., heads, tq, dv]
 * @throws ShapeError if the shapes do not fit; DTypeError; ValueError unless 0 <= dropout <= 1
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
 * @see Dao et al. 2022, FlashAttention, https://arxiv.org/abs/2205.14135
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const op = "scaledDotProductAttention";
  checkOptions(op, options, OPTIONS);
  if (q.rank < 2) {
    throw new ShapeError(`${op}: q has shape ${formatShape(q.shape)}, expected rank 2 at least, [..., tq, d]`);
  }
  const lead = q.shape.slice(0, -2);
  const [tq, d] = q.shape.slice(-2) as [number, number];
  const [tk, dv] = [k.shape.at(-2) ?? 0, v.shape.at(-1) ?? 0];
  expectShape(op, "k", k.shape, [...lead, tk, d]);
  expectShape(op, "v", v.shape, [...lead, tk, dv]);
  const hasHeads = lead.length >= 2;
  const batch = hasHeads ? lead.slice(0, -1) : lead;
  const heads = hasHeads ? lead.at(-1)! : 1;
  const shape = { batch, heads, hasHeads, tq, tk, d, dv, y: [...lead, tq, dv] };
  const rows = { packed: false, qRow: d, kRow: d, vRow: dv };
  return attend(op, [q, k, v], shape, rows, options);
}

/**
 * Attends with several heads whose features lie side by side, as linear projections give them: what
 * `scaledDotProductAttention` does to q, k and v split into heads, without moving them. No projections are part of it.
 *
 * @param q f32 [b, tq, heads * d]
 * @param k [b, tk, heads * d]
 * @param v [b, tk, heads * dv]
 * @param options heads, and those of `scaledDotProductAttention`; a mask broadcasts to [b, heads, tq, tk]
 * @returns [b, tq, heads * dv]
 * @throws ShapeError if the shapes do not fit or heads does not divide the features; DTypeError; ValueError
 */
export function multiHeadAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions & { heads: number },
): Tensor {
  const op = "multiHeadAttention";
  checkOptions(op, options, ["heads", ...OPTIONS]);
  const { heads } = options;
  for (const [name, x] of [
    ["q", q],
    ["k", k],
    ["v", v],
  ] as const)
    expectRank(op, name, x.shape, 3);
  const [b, tq, features] = q.shape as [number, number, number];
  const [tk, valueFeatures] = [k.shape[1]!, v.shape[2]!];
  expectShape(op, "k", k.shape, [b, tk, features]);
  expectShape(op, "v", v.shape, [b, tk, valueFeatures]);
  const d = headSize(op, "q", features, heads);
  const dv = headSize(op, "v", valueFeatures, heads);
  const shape = { batch: [b], heads, hasHeads: true, tq, tk, d, dv, y: [b, tq, valueFeatures] };
  const rows = { packed: true, qRow: features, kRow: features, vRow: valueFeatures };
  return attend(op, [q, k, v], shape, rows, options);
}

/**
 * Computes the weights that `multiHeadAttention` gives to the values, before dropout: softmax(scale * q k^T + mask). Here a
 * matrix of queries by keys is in memory.
 *
 * @param q f32 [b, tq, heads * d]
 * @param k [b, tk, heads * d]
 * @param options those of `multiHeadAttention` but dropout
 * @returns [b, heads, tq, tk], 0 for keys that take no part
 * @throws ShapeError if the shapes do not fit or heads does not divide the features; DTypeError
 */
export function attentionWeights(
  q: Tensor,
  k: Tensor,
  options: Omit<AttentionOptions, "dropout"> & { heads: number },
): Tensor {
  const op = "attentionWeights";
  checkOptions(op, options, ["heads", "mask", "keyMask", "causal", "scale"]);
  const { heads, causal = false } = options;
  expectRank(op, "q", q.shape, 3);
  expectRank(op, "k", k.shape, 3);
  const [b, tq, features] = q.shape as [number, number, number];
  const tk = k.shape[1]!;
  expectShape(op, "k", k.shape, [b, tk, features]);
  const d = headSize(op, "q", features, heads);
  const { scale = 1 / Math.sqrt(d) } = options;
  return scopeInFloat32(() => {
    const shape = { batch: [b], heads, hasHeads: true, tq, tk, d, dv: d, y: [b, tq, features] };
    const split = (x: Tensor, t: number) => permute(reshape(x, [b, t, heads, d]), [0, 2, 1, 3]);
    return weightsByOps(split(q, tq), split(k, tk), mergeMasks(op, shape, options), { causal, scale });
  });
}

/**
 * As `multiHeadAttention`, of a sequence to itself: q, k and v are the thirds of one tensor's features, as one projection
 * gives them, and their gradient is one tensor.
 *
 * @param qkv f32 [b, t, 3 * heads * d]
 * @param options heads, and those of `scaledDotProductAttention`; a mask broadcasts to [b, heads, t, t]
 * @returns [b, t, heads * d]
 * @throws ShapeError if 3 * heads does not divide the features; DTypeError; ValueError
 */
export function selfAttention(qkv: Tensor, options: AttentionOptions & { heads: number }): Tensor {
  const op = "selfAttention";
  checkOptions(op, options, ["heads", ...OPTIONS]);
  const { heads } = options;
  expectRank(op, "qkv", qkv.shape, 3);
  const [b, t, width] = qkv.shape as [number, number, number];
  const d = headSize(op, "qkv", width, heads, 3);
  const shape = { batch: [b], heads, hasHeads: true, tq: t, tk: t, d, dv: d, y: [b, t, heads * d] };
  const rows = { packed: true, qRow: width, kRow: width, vRow: width };
  return attend(op, [qkv], shape, rows, options);
}

function headSize(op: string, argument: string, features: number, heads: number, parts = 1): number {
  if (!Number.isInteger(heads) || heads < 1) {
    throw new ValueError(`${op}: heads is ${heads}, expected a whole number from 1 up`);
  }
  if (features % (parts * heads) !== 0) {
    const expected = `a multiple of ${parts > 1 ? `${parts} * ` : ""}heads, ${parts * heads}`;
    throw new ShapeError(`${op}: ${argument} has ${features} features, expected ${expected}`);
  }
  return features / (parts * heads);
}
