/** Losses of real numbers: functions of the difference of prediction and target. */
import { ValueError } from "../../gpu/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { div, mul, sub } from "../elementwise/binary-ops.ts";
import { clamp, sign } from "../elementwise/unary-ops.ts";
import { pairLoss } from "./pair-loss.ts";
import { type LossOptions, reductionOf } from "./reduction.ts";

const squared = pairLoss("mseLoss", {
  f: "(x - t) * (x - t)",
  dfx: "2.0 * (x - t)",
  reference: { f: (x, t) => (x - t) ** 2, dfx: (x, t) => 2 * (x - t) },
  composed: (x, t) => [mul(sub(x, t), 2)],
});

/**
 * Computes the mean squared error: (x - target)².
 *
 * @param x f32, any shape
 * @param target x's shape
 * @param options reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ: nothing is broadcast
 * @see https://pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
 */
export function mseLoss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return squared(x, target, reductionOf("mseLoss", options));
}

const absolute = pairLoss("l1Loss", {
  f: "abs(x - t)",
  dfx: "keepNan(sign(x - t), x - t)",
  reference: { f: (x, t) => Math.abs(x - t), dfx: (x, t) => Math.sign(x - t) },
  composed: (x, t) => [sign(sub(x, t))],
});

/**
 * Computes the mean absolute error: |x - target|. Its derivative where they are equal is 0.
 *
 * @param x f32, any shape
 * @param target x's shape
 * @param options reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ: nothing is broadcast
 * @see https://pytorch.org/docs/stable/generated/torch.nn.L1Loss.html
 */
export function l1Loss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return absolute(x, target, reductionOf("l1Loss", options));
}

const smooth = pairLoss("smoothL1Loss", {
  f: "select(abs(x - t) - 0.5 * params.p, 0.5 * (x - t) * (x - t) / params.p, abs(x - t) < params.p)",
  dfx: "select(keepNan(sign(x - t), x - t), (x - t) / params.p, abs(x - t) < params.p)",
  reference: {
    f: (x, t, beta) => (Math.abs(x - t) < beta ? (0.5 * (x - t) ** 2) / beta : Math.abs(x - t) - 0.5 * beta),
    dfx: (x, t, beta) => (Math.abs(x - t) < beta ? (x - t) / beta : Math.sign(x - t)),
  },
  composed: (x, t, beta) => [beta > 0 ? clamp(div(sub(x, t), beta), { min: -1, max: 1 }) : sign(sub(x, t))],
});

/**
 * Computes the smooth absolute error, quadratic near 0:
 *
 *     0.5 * d² / beta where |d| < beta, else |d| - 0.5 * beta,  d = x - target
 *
 * @param x f32, any shape
 * @param target x's shape
 * @param options beta (default 1; 0 gives `l1Loss`); reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ: nothing is broadcast; ValueError for a negative beta
 * @see https://pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html
 */
export function smoothL1Loss(x: Tensor, target: Tensor, options: LossOptions & { beta?: number } = {}): Tensor {
  const { beta = 1 } = options;
  const reduction = reductionOf("smoothL1Loss", options, ["beta"]);
  if (!(beta >= 0)) throw new ValueError(`smoothL1Loss: beta is ${beta}, expected 0 or more`);
  return smooth(x, target, reduction, beta);
}

const huber = pairLoss("huberLoss", {
  f: "select(params.p * (abs(x - t) - 0.5 * params.p), 0.5 * (x - t) * (x - t), abs(x - t) <= params.p)",
  dfx: "select(params.p * keepNan(sign(x - t), x - t), x - t, abs(x - t) <= params.p)",
  reference: {
    f: (x, t, delta) => (Math.abs(x - t) <= delta ? 0.5 * (x - t) ** 2 : delta * (Math.abs(x - t) - 0.5 * delta)),
    dfx: (x, t, delta) => (Math.abs(x - t) <= delta ? x - t : delta * Math.sign(x - t)),
  },
  composed: (x, t, delta) => [clamp(sub(x, t), { min: -delta, max: delta })],
});

/**
 * Computes Huber's loss:
 *
 *     0.5 * d² where |d| <= delta, else delta * (|d| - 0.5 * delta),  d = x - target
 *
 * @param x f32, any shape
 * @param target x's shape
 * @param options delta (default 1); reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ: nothing is broadcast; ValueError unless delta is above 0
 * @see https://pytorch.org/docs/stable/generated/torch.nn.HuberLoss.html
 */
export function huberLoss(x: Tensor, target: Tensor, options: LossOptions & { delta?: number } = {}): Tensor {
  const { delta = 1 } = options;
  const reduction = reductionOf("huberLoss", options, ["delta"]);
  if (!(delta > 0)) throw new ValueError(`huberLoss: delta is ${delta}, expected a number above 0`);
  return huber(x, target, reduction, delta);
}
