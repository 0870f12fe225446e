/** Distances of vectors, and the losses that learn distances and cosines. */
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { scope } from "../../tensor/scope.ts";
import { broadcastShapes, expectShape, formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { cosine } from "../cosine-similarity/cosine-similarity.ts";
import { zerosLike } from "../creation/creation.ts";
import { add, equal, greaterEqual, minimum, sub } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { norm } from "../reduce/norm.ts";
import { pairLoss } from "./pair-loss.ts";
import { type LossOptions, reductionOf } from "./reduction.ts";

export interface PairwiseDistanceOptions {
  /** The order of the norm; 2 by default. */
  p?: number;
  /** Added to each difference; 1e-6 by default. */
  eps?: number;
  keepDim?: boolean;
}

/**
 * Computes the distance between vectors along the last axis:
 *
 *     (Σ |x1 - x2 + eps|^p)^(1 / p)
 *
 * @param x1 f32 [..., d]
 * @param x2 broadcasts with x1
 * @param options p (default 2), eps (default 1e-6), keepDim (default false)
 * @returns the common shape without its last axis, or with size 1 there
 * @throws ShapeError if the shapes do not broadcast
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html
 */
export function pairwiseDistance(x1: Tensor, x2: Tensor, options: PairwiseDistanceOptions = {}): Tensor {
  checkOptions("pairwiseDistance", options, ["p", "eps", "keepDim"]);
  broadcastShapes("pairwiseDistance", x1.shape, x2.shape);
  const { p = 2, eps = 1e-6, keepDim = false } = options;
  return scope(() => norm(add(sub(x1, x2), eps), -1, { p, keepDim }));
}

const embedding = pairLoss("cosineEmbeddingLoss", {
  f: "select(select(0.0, nanMax(x - params.p, 0.0), t == -1.0), 1.0 - x, t == 1.0)",
  dfx: "select(select(0.0, 1.0, t == -1.0 && x >= params.p), -1.0, t == 1.0)",
  dft: "0.0",
  reference: {
    f: (x, t, margin) => (t === 1 ? 1 - x : t === -1 ? Math.max(x - margin, 0) : 0),
    dfx: (x, t, margin) => (t === 1 ? -1 : Number(t === -1 && x >= margin)),
    dft: () => 0,
  },
  composed: (x, t, margin) => [
    where(equal(t, 1), -1, where(equal(t, -1), where(greaterEqual(x, margin), 1, 0), 0)),
    zerosLike(t),
  ],
});

const EMBEDDING_EPS = 1e-12; // PyTorch's, of squared lengths

/**
 * Computes a loss that gives like vectors one direction, and unlike ones a cosine of at most the margin:
 *
 *     1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1
 *
 * @param x1 f32 [n, d], or [d]
 * @param x2 x1's shape
 * @param target [n], or a scalar: 1 or -1
 * @param options margin (default 0); reduction: mean (default) over the pairs, sum, or none
 * @returns a scalar; without reduction, target's shape
 * @throws ShapeError if the shapes do not fit
 * @see https://pytorch.org/docs/stable/generated/torch.nn.CosineEmbeddingLoss.html
 */
export function cosineEmbeddingLoss(
  x1: Tensor,
  x2: Tensor,
  target: Tensor,
  options: LossOptions & { margin?: number } = {},
): Tensor {
  const op = "cosineEmbeddingLoss";
  const reduction = reductionOf(op, options, ["margin"]);
  if (x1.rank !== 1 && x1.rank !== 2)
    throw new ShapeError(`${op}: x1 has shape ${formatShape(x1.shape)}, expected [n, d] or [d]`);
  expectShape(op, "x2", x2.shape, x1.shape);
  expectShape(op, "target", target.shape, x1.shape.slice(0, -1));
  return scope(() => {
    const cos = cosine(op, x1, x2, x1.rank - 1, { eps: EMBEDDING_EPS, added: true });
    return embedding(cos, cast(target, "f32"), reduction, options.margin ?? 0);
  });
}

const triplet = pairLoss("tripletMarginLoss", {
  f: "nanMax(x - t + params.p, 0.0)",
  dfx: "select(0.0, 1.0, x - t + params.p >= 0.0)",
  reference: {
    f: (x, t, margin) => Math.max(x - t + margin, 0),
    dfx: (x, t, margin) => Number(x - t + margin >= 0),
  },
  composed: (x, t, margin) => [where(greaterEqual(add(sub(x, t), margin), 0), 1, 0)],
});

export interface TripletMarginOptions extends LossOptions {
  /** How much further the negative is to be; 1 by default. */
  margin?: number;
  /** The order of the distance's norm; 2 by default. */
  p?: number;
  /** Added to each difference; 1e-6 by default. */
  eps?: number;
  /** Whether the distance from the positive to the negative counts where it is the smaller one. */
  swap?: boolean;
}

/**
 * Computes a loss that keeps what is unlike the anchor further from it than what is like it:
 *
 *     max(0, d(anchor, positive) - d(anchor, negative) + margin), d as `pairwiseDistance`
 *
 * @param anchor f32 [..., d]
 * @param positive anchor's shape
 * @param negative anchor's shape
 * @param options margin (default 1), p (default 2), eps (default 1e-6), swap (default false); reduction: mean (default) over
 *   the triplets, sum, or none
 * @returns a scalar; without reduction, anchor's shape without its last axis
 * @throws ShapeError if the shapes differ; ValueError unless the margin is above 0
 * @see https://pytorch.org/docs/stable/generated/torch.nn.TripletMarginLoss.html
 */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginOptions = {},
): Tensor {
  const op = "tripletMarginLoss";
  checkOptions(op, options, ["margin", "p", "eps", "swap", "reduction"]);
  const { p = 2, eps = 1e-6, ...rest } = options;
  expectShape(op, "positive", positive.shape, anchor.shape);
  expectShape(op, "negative", negative.shape, anchor.shape);
  return ofDistances(op, anchor, positive, negative, (a, b) => pairwiseDistance(a, b, { p, eps }), rest);
}

export interface TripletMarginWithDistanceOptions extends Omit<TripletMarginOptions, "p" | "eps"> {
  /** How far two are apart: any function made of ops; `pairwiseDistance` by default. */
  distance?: (a: Tensor, b: Tensor) => Tensor;
}

/**
 * Computes `tripletMarginLoss` with a distance of one's own.
 *
 * @param anchor whatever the distance takes, as positive and negative
 * @param options distance, margin (default 1), swap (default false); reduction: mean (default), sum, or none
 * @returns a scalar; without reduction, the distances' shape
 * @throws ValueError unless the margin is above 0
 * @see https://pytorch.org/docs/stable/generated/torch.nn.TripletMarginWithDistanceLoss.html
 */
export function tripletMarginWithDistanceLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginWithDistanceOptions = {},
): Tensor {
  const op = "tripletMarginWithDistanceLoss";
  checkOptions(op, options, ["distance", "margin", "swap", "reduction"]);
  const { distance = pairwiseDistance, ...rest } = options;
  return ofDistances(op, anchor, positive, negative, (a, b) => distance(a, b), rest);
}

function ofDistances(
  op: string,
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  distance: (a: Tensor, b: Tensor) => Tensor,
  { margin = 1, swap = false, ...rest }: Omit<TripletMarginOptions, "p" | "eps">,
): Tensor {
  const reduction = reductionOf(op, rest);
  if (!(margin > 0)) throw new ValueError(`${op}: margin is ${margin}, expected a number above 0`);
  return scope(() => {
    const near = distance(anchor, positive);
    const far = distance(anchor, negative);
    return triplet(near, swap ? minimum(far, distance(positive, negative)) : far, reduction, margin);
  });
}
