import { expectSameDevice, isGradEnabled, record, requiresGrad } from "../../autograd/record.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { indexSite } from "../../gpu/index-error.ts";
import { ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectShape, formatShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { full } from "../creation/creation.ts";
import { add, mul, sub } from "../elementwise/binary-ops.ts";
import { neg } from "../elementwise/unary-ops.ts";
import { INDEX_ERROR, MATH, REDUCE } from "../lib/lib.ts";
import { checkReduction, type Reduction } from "../losses/reduction.ts";
import { sum } from "../reduce/sum.ts";
import { logSoftmax, softmax } from "../softmax/softmax.ts";
import { reshape, unsqueeze } from "../view/reshape.ts";
import { crossEntropyReference } from "./cross-entropy.reference.ts";

const kernel = loadKernel(new URL("./cross-entropy.wgsl", import.meta.url), {
  lib: [MATH, REDUCE, INDEX_ERROR],
  reference: crossEntropyReference,
});
const THREADS = 64;
const MAX_PARTS = 1024;
const REDUCTIONS: Record<Reduction, number> = { none: 0, sum: 1, mean: 2 };
/** Rows with more classes are shared by a workgroup, where they are contiguous. */
const MAX_CLASSES_OF_LANE = 64;

export interface NllLossOptions {
  /** [classes]: what each class counts. */
  weight?: Tensor | null;
  /** Rows with this label have no loss and no gradient; -100 by default. */
  ignoreIndex?: number;
  /** The mean by default, which divides by the sum of the labels' weights. */
  reduction?: Reduction;
}

export interface CrossEntropyOptions extends NllLossOptions {
  /** The part of each label that is spread evenly over all classes, from 0 to 1. */
  labelSmoothing?: number;
}

/**
 * Computes the cross-entropy between labels and softmax(logits), in one pass over the logits forward and one backward.
 *
 *     loss of a row = -log softmax(logits)[label]                              for class numbers
 *                   = -Σ target[c] * log softmax(logits)[c]                    for probabilities
 *
 * With weights and smoothing, target[c] is weight[c] * ((1 - labelSmoothing) * target[c] + labelSmoothing / classes).
 * The mean divides by the sum of weight[label] over the rows that are not ignored (NaN if there are none); for
 * probabilities, by the number of rows.
 *
 * @param logits f32 [n, classes], [n, classes, ...] or [classes]
 * @param labels i32 class numbers of logits' shape without its classes, or f32 probabilities of logits' shape
 * @returns a scalar; without reduction, logits' shape without its classes
 * @throws ShapeError, DTypeError, ValueError; a label that is no class is thrown by the next await
 * @see https://pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkOptions("crossEntropy", options, ["weight", "ignoreIndex", "labelSmoothing", "reduction"]);
  return classLoss("crossEntropy", logits, labels, options);
}

/**
 * Computes the negative log-likelihood of labels: -logProbs[label], weighted and reduced as in `crossEntropy`.
 *
 * @param logProbs f32 [n, classes], [n, classes, ...] or [classes], such as from `logSoftmax`
 * @param labels i32 class numbers of logProbs' shape without its classes
 * @returns a scalar; without reduction, the labels' shape
 * @throws ShapeError, DTypeError, ValueError; a label that is no class is thrown by the next await
 * @see https://pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html
 */
export function nllLoss(logProbs: Tensor, labels: Tensor, options: NllLossOptions = {}): Tensor {
  checkOptions("nllLoss", options, ["weight", "ignoreIndex", "reduction"]);
  return classLoss("nllLoss", logProbs, labels, options);
}

interface Saved {
  logits: Tensor; // [outer, classes, inner]
  labels: Tensor; // [rows] or, as probabilities, [outer, classes, inner]
  weight: Tensor | null; // [classes]
  stats: Tensor; // [rows, 4]
  scale: Tensor | null; // scalar; null without reduction
  plan: Plan;
}

interface Plan {
  readonly params: Readonly<
    Record<"rows" | "classes" | "inner" | "parts" | "keep" | "spread" | "ignoreIndex" | "site" | "reduction", number>
  >;
  readonly constants: Readonly<Record<"PROBABILITIES" | "LOG_PROBS" | "HAS_WEIGHT" | "DENSE", number>>;
  /** Whether a workgroup shares a row, or each lane has its own. */
  readonly wide: boolean;
}

function classLoss(
  op: "crossEntropy" | "nllLoss",
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions,
): Tensor {
  const { weight = null, reduction = "mean" } = options;
  const { device } = logits;
  const plan = planOf(op, logits, labels, options);
  const { params, constants, wide } = plan;
  const { rows, parts } = params;
  const losses = empty(rowShape(logits), { device });
  const stats = empty([rows, 4], { device });
  const partials = empty([parts, 2], { device });
  dispatch(kernel, wide ? "forwardRows" : "forwardColumns", {
    bind: { logits, labels, weight: weight ?? logits, losses, stats, partials }, // logits stand in for what is not read
    params,
    constants,
    groups: parts,
  });
  let y = losses;
  let scale: Tensor | null = null;
  if (reduction !== "none") {
    y = empty([], { device });
    scale = empty([], { device });
    dispatch(kernel, "reduce", { bind: { allPartials: partials, y, scale }, params, groups: 1 });
    losses.dispose();
  }
  record(y, {
    op,
    inputs: constants.PROBABILITIES ? [logits, labels] : [logits],
    saved: { logits, labels, weight, stats, scale, plan },
    backward: classLossBackward,
    composed: classLossComposed,
  });
  for (const temporary of [partials, stats, scale]) temporary?.dispose();
  return y;
}

function rowShape({ shape, rank }: Tensor): Shape {
  return shape.toSpliced(rank === 1 ? 0 : 1, 1);
}

// Checks the arguments, and says how the kernel runs over them.
function planOf(op: string, logits: Tensor, labels: Tensor, options: CrossEntropyOptions): Plan {
  const { weight = null, ignoreIndex = -100, labelSmoothing = 0, reduction = "mean" } = options;
  const logProbs = op === "nllLoss";
  const probabilities = labels.dtype === "f32";
  const axis = logits.rank === 1 ? 0 : 1;
  const classes = logits.shape[axis] ?? 0;
  const name = logProbs ? "logProbs" : "logits";
  expectDType(op, name, logits.dtype, ["f32"]);
  if (classes === 0) {
    throw new ShapeError(
      `${op}: ${name} has shape ${formatShape(logits.shape)}, expected [n, classes, ...] or [classes]`,
    );
  }
  expectDType(op, "labels", labels.dtype, logProbs ? ["i32", "u32"] : ["i32", "u32", "f32"]);
  expectShape(op, "labels", labels.shape, probabilities ? logits.shape : rowShape(logits));
  expectSameDevice(op, weight ? [logits, labels, weight] : [logits, labels]);
  if (weight) {
    expectDType(op, "weight", weight.dtype, ["f32"]);
    expectShape(op, "weight", weight.shape, [classes]);
    if (isGradEnabled() && requiresGrad(weight))
      throw new ValueError(`${op}: weight requires a gradient, and the loss gives it none; pass weight.detach()`);
  }
  if (!Number.isInteger(ignoreIndex))
    throw new ValueError(`${op}: ignoreIndex is ${ignoreIndex}, expected a whole number`);
  if (probabilities && ignoreIndex >= 0)
    throw new ValueError(`${op}: ignoreIndex is ${ignoreIndex}, but the labels are probabilities`);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ValueError(`${op}: labelSmoothing is ${labelSmoothing}, expected a number from 0 to 1`);
  checkReduction(op, reduction);

  const rows = sizeOf(rowShape(logits));
  const inner = sizeOf(logits.shape.slice(axis + 1));
  const wide = inner === 1 && classes > MAX_CLASSES_OF_LANE;
  return {
    params: {
      rows,
      classes,
      inner,
      parts: Math.min(wide ? rows : ceilDiv(rows, THREADS), MAX_PARTS),
      keep: 1 - labelSmoothing,
      spread: labelSmoothing / classes,
      ignoreIndex,
      site: indexSite(op, "labels", classes),
      reduction: REDUCTIONS[reduction],
    },
    constants: {
      PROBABILITIES: Number(probabilities),
      LOG_PROBS: Number(logProbs),
      HAS_WEIGHT: Number(weight !== null),
      DENSE: Number(probabilities || labelSmoothing > 0),
    },
    wide,
  };
}

function classLossBackward(dy: Tensor, saved: Saved, needs: readonly boolean[]) {
  return [needs[0] ? backwardLogits(dy, saved) : null, needs[1] ? backwardLabels(dy, saved) : null];
}

function backwardLogits(dy: Tensor, { logits, labels, weight, stats, scale, plan }: Saved): Tensor {
  const { params, constants, wide } = plan;
  const dlogits = empty(logits.shape, logits);
  dispatch(kernel, wide ? "backwardRows" : "backwardColumns", {
    bind: { logits, labels, weight: weight ?? logits, saved: stats, savedScale: scale ?? dy, dy, dlogits },
    params,
    constants,
    groups: wide ? params.rows : ceilDiv(params.rows, THREADS),
  });
  return dlogits;
}

function backwardLabels(dy: Tensor, { logits, labels, weight, stats, scale, plan }: Saved): Tensor {
  const { params, constants } = plan;
  const dlabels = empty(labels.shape, logits);
  dispatch(kernel, "backwardLabels", {
    bind: { logits, weight: weight ?? logits, saved: stats, savedScale: scale ?? dy, dy, dlabels },
    params,
    constants,
    groups: ceilDiv(labels.size, THREADS),
  });
  return dlabels;
}

// The same gradients as ops, with the target distribution as a tensor.
function classLossComposed(dy: Tensor, saved: Saved, needs: readonly boolean[]) {
  const { logits, labels, weight, scale, plan } = saved;
  const { classes, keep, spread } = plan.params;
  const { PROBABILITIES, LOG_PROBS } = plan.constants;
  const axis = logits.rank === 1 ? 0 : 1;
  const upstream = scale ? mul(dy, scale) : unsqueeze(dy, axis);
  const perClass = weight && reshape(weight, [classes, ...logits.shape.slice(axis + 1).fill(1)]);
  const weighted = (t: Tensor) => (perClass ? mul(t, perClass) : t);
  const shares = PROBABILITIES ? weighted(add(mul(labels, keep), spread)) : sharesOfLabels(saved);

  const mass = sum(shares, axis, { keepDim: true });
  const dlogits = LOG_PROBS ? neg(shares) : sub(mul(softmax(logits, axis), mass), shares);
  const dlabels = needs[1] ? weighted(mul(logSoftmax(logits, axis), -keep)) : null;
  return [mul(upstream, dlogits), dlabels && mul(upstream, dlabels)];
}

// What is subtracted from the gradient of the logits, as it is for log-probabilities and an upstream gradient of -1.
function sharesOfLabels(saved: Saved): Tensor {
  const { params, constants } = saved.plan;
  const plan = {
    ...saved.plan,
    params: { ...params, reduction: REDUCTIONS.sum },
    constants: { ...constants, LOG_PROBS: 1 },
  };
  const { device } = saved.logits;
  return backwardLogits(full([], -1, { device }), { ...saved, scale: full([], 1, { device }), plan });
}
