/** Negative log-likelihoods of numbers: normally distributed ones, and counts. */
import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { scope } from "../../tensor/scope.ts";
import { broadcastShapes, expectShape, formatShape, shapesEqual } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { add, div, greater, mul, sub } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { clamp, exp, log, neg, reciprocal, square } from "../elementwise/unary-ops.ts";
import { expand } from "../view/expand.ts";
import { unsqueeze } from "../view/reshape.ts";
import { type PairLossOp, pairLoss } from "./pair-loss.ts";
import { type LossOptions, reductionOf } from "./reduction.ts";

// Of the error x and the variance t; the derivative passes the bound p of the variance as if it were not there.
function gaussian(full: boolean): PairLossOp {
  const constant = full ? 0.5 * Math.log(2 * Math.PI) : 0;
  const v = "nanMax(t, params.p)";
  return pairLoss("gaussianNLLLoss", {
    f: `orBits(0.5 * (preciseLog(${v}) + x * x / ${v}) + ${constant.toFixed(8)}, NAN_BITS, t < 0.0)`,
    dfx: `x / ${v}`,
    dft: `0.5 * (1.0 - x * x / ${v}) / ${v}`,
    reference: {
      f: (x, t, eps) => {
        const v = Math.max(t, eps);
        return t < 0 ? Number.NaN : 0.5 * (Math.log(v) + (x * x) / v) + constant;
      },
      dfx: (x, t, eps) => x / Math.max(t, eps),
      dft: (x, t, eps) => (0.5 * (1 - (x * x) / Math.max(t, eps))) / Math.max(t, eps),
    },
    composed: (x, t, eps) => {
      const v = clamp(t, { min: eps });
      return [div(x, v), mul(sub(reciprocal(v), square(div(x, v))), 0.5)];
    },
  });
}

const gaussianLoss = gaussian(false);
const gaussianFull = gaussian(true);

export interface GaussianNLLOptions extends LossOptions {
  /** Whether log(2 pi) / 2 is added. */
  full?: boolean;
  /** The smallest variance: a smaller one counts as this; 1e-6 by default. */
  eps?: number;
}

/**
 * Computes the negative log-likelihood of numbers under normal distributions:
 *
 *     (log v + (x - target)² / v) / 2, v = max(variance, eps)
 *
 * @param x f32, any shape: the means
 * @param target broadcasts to x's shape
 * @param variance x's shape, or that without its last axis, or with size 1 there; negative ones give NaN
 * @param options full (default false), eps (default 1e-6); reduction: mean (default) over all elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes do not fit; ValueError unless eps is above 0
 * @see https://pytorch.org/docs/stable/generated/torch.nn.GaussianNLLLoss.html
 */
export function gaussianNLLLoss(x: Tensor, target: Tensor, variance: Tensor, options: GaussianNLLOptions = {}): Tensor {
  const op = "gaussianNLLLoss";
  const reduction = reductionOf(op, options, ["full", "eps"]);
  const { full = false, eps = 1e-6 } = options;
  if (!(eps > 0)) throw new ValueError(`${op}: eps is ${eps}, expected a number above 0`);
  expectShape(op, "target, broadcast with x,", broadcastShapes(op, x.shape, target.shape), x.shape);
  return scope(() => {
    let v = variance;
    if (shapesEqual(v.shape, x.shape.slice(0, -1)) && x.rank > 0) v = unsqueeze(v, -1);
    if (!shapesEqual(v.shape, x.shape)) {
      if (x.rank === 0 || !shapesEqual(v.shape, x.shape.with(-1, 1))) {
        throw new ShapeError(
          `${op}: variance has shape ${formatShape(variance.shape)}, expected ${formatShape(x.shape)}, or that without its last axis or with size 1 there`,
        );
      }
      v = expand(v, x.shape);
    }
    return (full ? gaussianFull : gaussianLoss)(sub(x, target), v, reduction, eps);
  });
}

// Stirling's approximation of log(t!), and its derivative, for t > 1.
const STIRLING = {
  f: " + select(0.0, t * preciseLog(t) - t + 0.5 * preciseLog(6.2831853 * t), t > 1.0)",
  df: " + select(0.0, preciseLog(t) + 0.5 / t, t > 1.0)",
  reference: {
    f: (t: number) => (t > 1 ? t * Math.log(t) - t + 0.5 * Math.log(2 * Math.PI * t) : 0),
    df: (t: number) => (t > 1 ? Math.log(t) + 0.5 / t : 0),
  },
  composed: (t: Tensor) => where(greater(t, 1), add(log(clamp(t, { min: 1 })), div(0.5, clamp(t, { min: 1 }))), 0),
};

function poisson(logInput: boolean, full: boolean): PairLossOp {
  const { f, df, reference, composed } = STIRLING;
  const added = (y: number, t: number, extra: (t: number) => number) => (full ? y + extra(t) : y);
  const withFactorial = (dft: Tensor, t: Tensor) => (full ? add(dft, composed(t)) : dft);
  if (logInput) {
    return pairLoss("poissonNLLLoss", {
      f: `preciseExp(x) - t * x${full ? f : ""}`,
      dfx: "preciseExp(x) - t",
      dft: `-x${full ? df : ""}`,
      reference: {
        f: (x, t) => added(Math.exp(x) - t * x, t, reference.f),
        dfx: (x, t) => Math.exp(x) - t,
        dft: (x, t) => added(-x, t, reference.df),
      },
      composed: (x, t) => [sub(exp(x), t), withFactorial(neg(x), t)],
    });
  }
  return pairLoss("poissonNLLLoss", {
    f: `x - t * preciseLog(x + params.p)${full ? f : ""}`,
    dfx: "1.0 - t / (x + params.p)",
    dft: `-preciseLog(x + params.p)${full ? df : ""}`,
    reference: {
      f: (x, t, eps) => added(x - t * Math.log(x + eps), t, reference.f),
      dfx: (x, t, eps) => 1 - t / (x + eps),
      dft: (x, t, eps) => added(-Math.log(x + eps), t, reference.df),
    },
    composed: (x, t, eps) => [sub(1, div(t, add(x, eps))), withFactorial(neg(log(add(x, eps))), t)],
  });
}

const poissonOfLog = [poisson(true, false), poisson(true, true)] as const;
const poissonOfRate = [poisson(false, false), poisson(false, true)] as const;

export interface PoissonNLLOptions extends LossOptions {
  /** Whether x is the logarithm of the rate (default), or the rate itself. */
  logInput?: boolean;
  /** Whether Stirling's approximation of log(target!) is added, where the target is above 1. */
  full?: boolean;
  /** Keeps log(x + eps) finite where x is a rate of 0; 1e-8 by default. */
  eps?: number;
}

/**
 * Computes the negative log-likelihood of counts under Poisson distributions, up to log(target!):
 *
 *     exp(x) - target * x, or without logInput x - target * log(x + eps)
 *
 * @param x f32, any shape
 * @param target x's shape: counts
 * @param options logInput (default true), full (default false), eps (default 1e-8); reduction: mean (default) over all
 *   elements, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ
 * @see https://pytorch.org/docs/stable/generated/torch.nn.PoissonNLLLoss.html
 */
export function poissonNLLLoss(x: Tensor, target: Tensor, options: PoissonNLLOptions = {}): Tensor {
  const reduction = reductionOf("poissonNLLLoss", options, ["logInput", "full", "eps"]);
  const { logInput = true, full = false, eps = 1e-8 } = options;
  return (logInput ? poissonOfLog : poissonOfRate)[full ? 1 : 0](x, target, reduction, eps);
}
