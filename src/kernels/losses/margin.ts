/** Losses of scores and targets of 1 and -1, or of several classes at once: what is beyond a margin costs nothing. */
import { ShapeError } from "../../gpu/errors.ts";
import { expectShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { zerosLike } from "../creation/creation.ts";
import { div, equal, lessEqual, mul, sub } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { neg, sigmoid } from "../elementwise/unary-ops.ts";
import { softplus as softplusReference } from "../lib/math.reference.ts";
import { mean } from "../reduce/sum.ts";
import { bceWithLogitsLoss } from "./binary-cross-entropy.ts";
import { pairLoss } from "./pair-loss.ts";
import { type LossOptions, reductionOf } from "./reduction.ts";

const hinge = pairLoss("hingeEmbeddingLoss", {
  f: "select(x, 0.0, t == -1.0) + select(nanMax(params.p - x, 0.0), 0.0, t == 1.0)",
  dfx: "select(1.0, 0.0, t == -1.0) - select(select(0.0, 1.0, x <= params.p), 0.0, t == 1.0)",
  dft: "0.0",
  reference: {
    f: (x, t, margin) => (t === -1 ? 0 : x) + (t === 1 ? 0 : Math.max(margin - x, 0)),
    dfx: (x, t, margin) => Number(t !== -1) - Number(t !== 1 && x <= margin),
    dft: () => 0,
  },
  composed: (x, t, margin) => [
    sub(where(equal(t, -1), 0, 1), where(equal(t, 1), 0, where(lessEqual(x, margin), 1, 0))),
    zerosLike(t),
  ],
});

/**
 * Computes a loss that makes distances of like pairs small, and those of unlike pairs at least the margin:
 *
 *     x where the target is 1, max(0, margin - x) where it is -1
 *
 * @param x f32, any shape: distances
 * @param target x's shape: 1 or -1
 * @param options margin (default 1); reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ
 * @see https://pytorch.org/docs/stable/generated/torch.nn.HingeEmbeddingLoss.html
 */
export function hingeEmbeddingLoss(x: Tensor, target: Tensor, options: LossOptions & { margin?: number } = {}): Tensor {
  const reduction = reductionOf("hingeEmbeddingLoss", options, ["margin"]);
  return hinge(x, cast(target, "f32"), reduction, options.margin ?? 1);
}

const soft = pairLoss("softMarginLoss", {
  f: "softplus(-t * x)",
  dfx: "-t * sigmoid(-t * x)",
  dft: "-x * sigmoid(-t * x)",
  reference: {
    f: (x, t) => softplusReference(-t * x),
    dfx: (x, t) => -t / (1 + Math.exp(t * x)),
    dft: (x, t) => -x / (1 + Math.exp(t * x)),
  },
  composed: (x, t) => {
    const slope = neg(sigmoid(neg(mul(x, t))));
    return [mul(t, slope), mul(x, slope)];
  },
});

/**
 * Computes the logistic loss of two classes, without overflow:
 *
 *     log(1 + exp(-target * x))
 *
 * @param x f32, any shape
 * @param target x's shape: 1 or -1
 * @param options reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ
 * @see https://pytorch.org/docs/stable/generated/torch.nn.SoftMarginLoss.html
 */
export function softMarginLoss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return soft(x, cast(target, "f32"), reductionOf("softMarginLoss", options));
}

const ranking = pairLoss("marginRankingLoss", {
  f: "nanMax(params.p - t * x, 0.0)",
  dfx: "select(0.0, -t, t * x <= params.p)",
  dft: "select(0.0, -x, t * x <= params.p)",
  reference: {
    f: (x, t, margin) => Math.max(margin - t * x, 0),
    dfx: (x, t, margin) => (t * x <= margin ? -t : 0),
    dft: (x, t, margin) => (t * x <= margin ? -x : 0),
  },
  composed: (x, t, margin) => {
    const counts = lessEqual(mul(x, t), margin);
    return [where(counts, neg(t), 0), where(counts, neg(x), 0)];
  },
});

/**
 * Computes a loss that puts pairs of scores in order, the first above the second where the target is 1:
 *
 *     max(0, margin - target * (x1 - x2))
 *
 * @param x1 f32, any shape
 * @param x2 x1's shape
 * @param target x1's shape: 1 or -1
 * @param options margin (default 0); reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x1's shape
 * @throws ShapeError if the shapes differ
 * @see https://pytorch.org/docs/stable/generated/torch.nn.MarginRankingLoss.html
 */
export function marginRankingLoss(
  x1: Tensor,
  x2: Tensor,
  target: Tensor,
  options: LossOptions & { margin?: number } = {},
): Tensor {
  const reduction = reductionOf("marginRankingLoss", options, ["margin"]);
  expectShape("marginRankingLoss", "x2", x2.shape, x1.shape);
  return ranking(sub(x1, x2), cast(target, "f32"), reduction, options.margin ?? 0);
}

/**
 * Computes the binary cross-entropy of every class, and its mean over the classes:
 *
 *     -Σ weight * (target * log sigmoid(x) + (1 - target) * log sigmoid(-x)) / classes
 *
 * @param x f32 logits [..., classes]
 * @param target x's shape: 1 where a class applies, else 0
 * @param options weight [classes]; reduction: mean (default) over the samples, sum, or none
 * @returns a scalar; without reduction, x's shape without the classes
 * @throws ShapeError if the shapes differ
 * @see https://pytorch.org/docs/stable/generated/torch.nn.MultiLabelSoftMarginLoss.html
 */
export function multilabelSoftMarginLoss(
  x: Tensor,
  target: Tensor,
  options: LossOptions & { weight?: Tensor | null } = {},
): Tensor {
  const reduction = reductionOf("multilabelSoftMarginLoss", options, ["weight"]);
  if (x.rank === 0) throw new ShapeError("multilabelSoftMarginLoss: x has shape [], expected [..., classes]");
  expectShape("multilabelSoftMarginLoss", "target", target.shape, x.shape);
  const { weight = null } = options;
  const losses = bceWithLogitsLoss(x, cast(target, "f32"), { weight, reduction });
  if (reduction === "mean") return losses;
  return reduction === "none" ? mean(losses, -1) : div(losses, x.shape.at(-1)!);
}
