/** Cross-entropy of yes-or-no labels, given probabilities or logits. */
import { ShapeError } from "../../gpu/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { softplus } from "../elementwise/activations.ts";
import { add, div, mul, sub } from "../elementwise/binary-ops.ts";
import { clamp, log, log1p, neg, sigmoid } from "../elementwise/unary-ops.ts";
import { mean, sum } from "../reduce/sum.ts";
import { pairLoss } from "./pair-loss.ts";
import { type LossOptions, type Reduction, reductionOf } from "./reduction.ts";

export interface BceOptions extends LossOptions {
  /** What each element's loss is multiplied by; broadcasts to x's shape. The mean is over the number of elements. */
  weight?: Tensor | null;
}

export interface BceWithLogitsOptions extends BceOptions {
  /** What the loss of a target of 1 is multiplied by; broadcasts to x's shape, such as one number per class. */
  posWeight?: Tensor | null;
}

const ofProbabilities = pairLoss("bceLoss", {
  f: "t * nanMin(-preciseLog(x), 100.0) + (1.0 - t) * nanMin(-log1p(-x), 100.0)",
  dfx: "(x - t) / nanMax(x * (1.0 - x), 1e-12)",
  dft: "nanMax(log1p(-x), -100.0) - nanMax(preciseLog(x), -100.0)",
  reference: {
    f: (x, t) => t * Math.min(-Math.log(x), 100) + (1 - t) * Math.min(-Math.log1p(-x), 100),
    dfx: (x, t) => (x - t) / Math.max(x * (1 - x), 1e-12),
    dft: (x) => Math.max(Math.log1p(-x), -100) - Math.max(Math.log(x), -100),
  },
  composed: (x, t) => [
    div(sub(x, t), clamp(mul(x, sub(1, x)), { min: 1e-12 })),
    sub(clamp(log1p(neg(x)), { min: -100 }), clamp(log(x), { min: -100 })),
  ],
});

/**
 * Computes the binary cross-entropy of probabilities:
 *
 *     -(target * log x + (1 - target) * log(1 - x)), logarithms held to -100 and above
 *
 * @param x f32 probabilities, any shape; NaN outside of [0, 1]
 * @param target x's shape, from 0 to 1
 * @param options weight; reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ
 * @see https://pytorch.org/docs/stable/generated/torch.nn.BCELoss.html
 */
export function bceLoss(x: Tensor, target: Tensor, options: BceOptions = {}): Tensor {
  const reduction = reductionOf("bceLoss", options, ["weight"]);
  const { weight = null } = options;
  if (!weight) return ofProbabilities(x, target, reduction);
  return weighted("bceLoss", ofProbabilities(x, target, "none"), weight, reduction);
}

const ofLogits = pairLoss("bceWithLogitsLoss", {
  // t * softplus(-x) + (1 - t) * softplus(x), where both are log(1 + exp(-|x|)) plus 0 or |x|
  f: "select(t, 1.0 - t, x > 0.0) * abs(x) + log1p(preciseExp(-abs(x)))",
  dfx: "(1.0 - t) * sigmoid(x) - t * sigmoid(-x)",
  dft: "-x",
  reference: {
    f: (x, t) => (x > 0 ? 1 - t : t) * Math.abs(x) + Math.log1p(Math.exp(-Math.abs(x))),
    dfx: (x, t) => 1 / (1 + Math.exp(-x)) - t,
    dft: (x) => -x,
  },
  composed: (x, t) => [sub(sigmoid(x), t), neg(x)],
});

/**
 * Computes the binary cross-entropy of logits, `bceLoss` of sigmoid(x), in a form that is exact for logits of any size:
 *
 *     -(posWeight * target * log sigmoid(x) + (1 - target) * log sigmoid(-x))
 *
 * @param x f32 logits, any shape
 * @param target x's shape, from 0 to 1
 * @param options weight; posWeight; reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ, or a weight does not broadcast to x's
 * @see https://pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
 */
export function bceWithLogitsLoss(x: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  const op = "bceWithLogitsLoss";
  const reduction = reductionOf(op, options, ["weight", "posWeight"]);
  const { weight = null, posWeight = null } = options;
  if (!weight && !posWeight) return ofLogits(x, target, reduction);
  let y = ofLogits(x, target, "none");
  if (posWeight) {
    expectBroadcast(op, "posWeight", posWeight, x);
    y = add(y, mul(mul(sub(posWeight, 1), target), softplus(neg(x))));
  }
  return weighted(op, y, weight, reduction);
}

function weighted(op: string, y: Tensor, weight: Tensor | null, reduction: Reduction): Tensor {
  if (weight) expectBroadcast(op, "weight", weight, y);
  const losses = weight ? mul(y, weight) : y;
  return reduction === "none" ? losses : reduction === "sum" ? sum(losses) : mean(losses);
}

function expectBroadcast(op: string, name: string, { shape }: Tensor, { shape: target }: Tensor): void {
  const stretched = target.slice(target.length - shape.length);
  if (shape.length <= target.length && shape.every((n, axis) => n === 1 || n === stretched[axis])) return;
  throw new ShapeError(
    `${op}: ${name} has shape ${formatShape(shape)}, which does not broadcast to ${formatShape(target)}`,
  );
}
