/** Hinge losses of several classes, with one label per sample or several. */
import { expectSameDevice, record } from "../../autograd/record.ts";
import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { indexSite, reportIndexError } from "../../gpu/index-error.ts";
import { ceilDiv, dispatch, loadKernel, type Reference } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectShape, formatShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { arange } from "../creation/creation.ts";
import { relu } from "../elementwise/activations.ts";
import { add, div, equal, greater, mul, sub } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { INDEX_ERROR, MATH, REDUCE } from "../lib/lib.ts";
import { mean, sum } from "../reduce/sum.ts";
import { unsqueeze } from "../view/reshape.ts";
import { type LossOptions, type Reduction, reductionOf } from "./reduction.ts";

const reference = {
  mark({ labels, marks, indexErrors }, { rows, classes, count, site }) {
    marks.fill(0);
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < count; j++) {
        const label = labels[row * count + j];
        if (label === -1) break;
        if (label >= 0 && label < classes) marks[row * classes + label]++;
        else reportIndexError(indexErrors, site, row * count + j, label);
      }
    }
  },
  forward(bind, { rows, classes, count, margin, site, LIST, HAS_WEIGHT, SQUARED }) {
    const { x, labels, weight, marked, losses, indexErrors } = bind;
    for (let row = 0; row < rows; row++) {
      const first = labels[row * count];
      if (!LIST && !(first >= 0 && first < classes)) reportIndexError(indexErrors, site, row, first);
      let loss = 0;
      for (const label of labelsOf(labels, row, count, classes)) {
        for (let i = row * classes; i < (row + 1) * classes; i++) {
          if (LIST ? marked[i] : i === row * classes + label) continue;
          const hinge = Math.max(margin - x[row * classes + label] + x[i], 0);
          loss += (HAS_WEIGHT ? weight[label] : 1) * (SQUARED ? hinge * hinge : hinge);
        }
      }
      losses[row] = loss / classes;
    }
  },
  backward({ x, labels, weight, marked, dy, dx }, { rows, classes, count, margin, LIST, HAS_WEIGHT, SQUARED }) {
    dx.fill(0);
    for (let row = 0; row < rows; row++) {
      for (const label of labelsOf(labels, row, count, classes)) {
        const at = row * classes + label;
        for (let i = row * classes; i < (row + 1) * classes; i++) {
          const z = margin - x[at] + x[i];
          if ((LIST ? marked[i] : i === at) || !(z > 0)) continue;
          const d = ((HAS_WEIGHT ? weight[label] : 1) * (SQUARED ? 2 * z : 1) * dy[row]) / classes;
          dx[i] += d;
          dx[at] -= d;
        }
      }
    }
  },
} satisfies Reference;

// The labels of a row, up to one that is no class.
function labelsOf(labels: Int32Array, row: number, count: number, classes: number): Int32Array {
  const all = labels.subarray(row * count, (row + 1) * count);
  const end = all.findIndex((label) => label < 0 || label >= classes);
  return end < 0 ? all : all.subarray(0, end);
}

const kernel = loadKernel(new URL("./multi-margin.wgsl", import.meta.url), {
  lib: [MATH, REDUCE, INDEX_ERROR],
  reference,
});
const THREADS = 64;

export interface MultiMarginOptions extends LossOptions {
  /** The power of each term, 1 (default) or 2. */
  p?: number;
  /** 1 by default. */
  margin?: number;
  /** [classes], by the label's class. */
  weight?: Tensor | null;
}

/**
 * Computes a hinge loss of several classes:
 *
 *     weight[label] * Σ max(0, margin - x[label] + x[i])^p / classes, over all i but the label
 *
 * @param x f32 [n, classes], or [classes]
 * @param labels [n], or a scalar: i32 or u32
 * @param options p: 1 (default) or 2; margin (default 1); weight [classes]; reduction: mean (default) over the samples, sum,
 *   or none
 * @returns a scalar; without reduction, labels' shape
 * @throws ShapeError, DTypeError, ValueError for arguments that do not fit; ValueError at the next await, for a label that is
 *   no class
 * @see https://pytorch.org/docs/stable/generated/torch.nn.MultiMarginLoss.html
 */
export function multiMarginLoss(x: Tensor, labels: Tensor, options: MultiMarginOptions = {}): Tensor {
  const op = "multiMarginLoss";
  const reduction = reductionOf(op, options, ["p", "margin", "weight"]);
  const { p = 1, margin = 1, weight = null } = options;
  if (p !== 1 && p !== 2) throw new ValueError(`${op}: p is ${p}, expected 1 or 2`);
  const classes = classesOf(op, x);
  expectShape(op, "labels", labels.shape, x.shape.slice(0, -1));
  if (weight) {
    expectDType(op, "weight", weight.dtype, ["f32"]);
    expectShape(op, "weight", weight.shape, [classes]);
  }
  return apply(op, x, labels, { weight, margin, squared: p === 2, list: false, reduction });
}

/**
 * Computes a hinge loss of samples with several labels each:
 *
 *     Σ max(0, 1 - x[j] + x[i]) / classes, over each label j and all i that are no label
 *
 * @param x f32 [n, classes], or [classes]
 * @param labels x's shape, i32: a sample's labels, and -1 behind the last one
 * @param options reduction: mean (default) over the samples, sum, or none
 * @returns a scalar; without reduction, [n], or a scalar for [classes]
 * @throws ShapeError, DTypeError for arguments that do not fit; ValueError at the next await, for a label that is no class
 * @see https://pytorch.org/docs/stable/generated/torch.nn.MultiLabelMarginLoss.html
 */
export function multilabelMarginLoss(x: Tensor, labels: Tensor, options: LossOptions = {}): Tensor {
  const op = "multilabelMarginLoss";
  const reduction = reductionOf(op, options);
  classesOf(op, x);
  expectShape(op, "labels", labels.shape, x.shape);
  return apply(op, x, labels, { weight: null, margin: 1, squared: false, list: true, reduction });
}

function classesOf(op: string, x: Tensor): number {
  expectDType(op, "x", x.dtype, ["f32"]);
  const classes = x.shape.at(-1) ?? 0;
  if ((x.rank !== 1 && x.rank !== 2) || classes === 0)
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected [n, classes] or [classes]`);
  return classes;
}

interface Variant {
  readonly weight: Tensor | null;
  readonly margin: number;
  readonly squared: boolean;
  readonly list: boolean;
  readonly reduction: Reduction;
}

interface Saved {
  x: Tensor; // [rows, classes]
  labels: Tensor; // [rows, count]
  weight: Tensor | null; // [classes]
  marks: Tensor | null; // [rows, classes], of several labels
}

function apply(op: string, x: Tensor, labels: Tensor, variant: Variant): Tensor {
  const { weight, margin, squared, list, reduction } = variant;
  expectDType(op, "labels", labels.dtype, list ? ["i32"] : ["i32", "u32"]);
  expectSameDevice(op, weight ? [x, labels, weight] : [x, labels]);
  const { device } = x;
  const classes = x.shape.at(-1)!;
  const rows = x.size / classes;
  const params = { rows, classes, count: list ? classes : 1, margin, site: indexSite(op, "labels", classes) };
  const constants = { LIST: Number(list), HAS_WEIGHT: Number(weight !== null), SQUARED: Number(squared) };
  const marks = list ? empty(x.shape, { device, dtype: "u32" }) : null;
  if (marks) dispatch(kernel, "mark", { bind: { labels, marks }, params, constants, groups: ceilDiv(rows, THREADS) });
  const losses = empty(x.shape.slice(0, -1), { device });
  dispatch(kernel, "forward", {
    bind: { x, labels, weight: weight ?? x, marked: marks ?? x, losses },
    params,
    constants,
    groups: rows,
  });
  record(losses, {
    op,
    inputs: [x],
    saved: { x, labels, weight, marks },
    backward(dy: Tensor, { x, labels, weight, marks }: Saved) {
      const dx = empty(x.shape, x);
      dispatch(kernel, "backward", {
        bind: { x, labels, weight: weight ?? x, marked: marks ?? x, dy, dx },
        params,
        constants,
        groups: rows,
      });
      return [dx];
    },
    composed: (dy, saved) => [gradientByOps(dy, saved, variant)],
  });
  marks?.dispose();
  if (reduction === "none") return losses;
  const y = (reduction === "mean" ? mean : sum)(losses);
  losses.dispose();
  return y;
}

// The gradient as ops, over all pairs of a label and a class: [..., label, class].
function gradientByOps(dy: Tensor, { x, labels, weight, marks }: Saved, { margin, squared }: Variant): Tensor {
  const classes = x.shape.at(-1)!;
  const numbers = arange(0, classes, 1, { device: x.device, dtype: labels.dtype });
  const counts = cast(marks ?? equal(unsqueeze(labels, -1), numbers), "f32");
  const z = add(sub(unsqueeze(x, -2), unsqueeze(x, -1)), margin);
  const slope = squared ? mul(relu(z), 2) : where(greater(z, 0), 1, 0);
  const labelWeights = unsqueeze(weight ? mul(counts, weight) : counts, -1);
  const others = unsqueeze(where(equal(counts, 0), 1, 0), -2);
  const pairs = mul(mul(slope, labelWeights), others);
  return mul(sub(sum(pairs, -2), sum(pairs, -1)), div(unsqueeze(dy, -1), classes));
}
