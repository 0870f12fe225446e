import { expectSameDevice, record } from "../../autograd/record.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { indexSite } from "../../gpu/index-error.ts";
import { ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { expectRank, expectShape, formatShape } from "../../tensor/shape.ts";
import { empty, isTensor, type Tensor } from "../../tensor/tensor.ts";
import { fillStorage } from "../assign/fill.ts";
import { fromValues } from "../creation/creation.ts";
import { indexSelect } from "../index-select/index-select.ts";
import { INDEX_ERROR, MATH, REDUCE } from "../lib/lib.ts";
import { checkReduction, type Reduction } from "../losses/reduction.ts";
import { mean, sum } from "../reduce/sum.ts";
import { reshape } from "../view/reshape.ts";
import { ctcLossReference } from "./ctc-loss.reference.ts";

const kernel = loadKernel(new URL("./ctc-loss.wgsl", import.meta.url), {
  lib: [MATH, REDUCE, INDEX_ERROR],
  reference: ctcLossReference,
});
const THREADS = 64;

/** One length per sample; a number where there is one sample. */
export type Lengths = Tensor | readonly number[] | number;

export interface CtcLossOptions {
  /** The class of no label; 0 by default. */
  blank?: number;
  /** `mean` by default: of the losses, each divided by the number of its labels. */
  reduction?: Reduction;
  /** Whether a sample whose target is longer than its steps can spell counts as 0, with a gradient of 0. */
  zeroInfinity?: boolean;
}

/**
 * Computes the connectionist temporal classification loss: how unlikely it is that the classes of the time steps, with
 * repetitions merged and blanks left out, are the target.
 *
 *     -log Σ Π p(step, class), over all alignments that spell the target
 *
 * The gradient is the derivative by each log-probability. PyTorch's has exp(logProbs) added, which log-softmax takes away
 * again. Steps and labels beyond a sample's lengths count for nothing.
 *
 * @param logProbs f32 [t, b, classes], logarithms of probabilities as `logSoftmax` gives them; or [t, classes]
 * @param targets i32 or u32 [b, s], padded with anything; or all of them in a row, [Σ targetLengths], with these lengths given as
 *   numbers; or [s] for one sample
 * @param inputLengths how many time steps count: [b] integers, or numbers
 * @param targetLengths how many labels count: [b] integers, or numbers
 * @param options blank (default 0); reduction: mean (default) of the losses, each divided by the number of its labels, sum, or
 *   none; zeroInfinity (default false: what no alignment spells has the loss Infinity, and NaN for a gradient)
 * @returns a scalar; without reduction [b], or a scalar for one sample
 * @throws ShapeError, DTypeError, ValueError for arguments that do not fit; ValueError at the next await, for a label or a length
 *   in a tensor that is out of range
 * @see Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Lengths,
  targetLengths: Lengths,
  options: CtcLossOptions = {},
): Tensor {
  checkOptions(OP, options, ["blank", "reduction", "zeroInfinity"]);
  const { blank = 0, reduction = "mean", zeroInfinity = false } = options;
  checkReduction(OP, reduction);
  expectDType(OP, "logProbs", logProbs.dtype, ["f32"]);
  expectDType(OP, "targets", targets.dtype, ["i32", "u32"]);
  if (logProbs.rank !== 2 && logProbs.rank !== 3) {
    throw new ShapeError(
      `${OP}: logProbs has shape ${formatShape(logProbs.shape)}, expected [t, b, classes] or [t, classes]`,
    );
  }
  const classes = logProbs.shape.at(-1)!;
  if (!Number.isInteger(blank) || blank < 0 || blank >= classes)
    throw new ValueError(`${OP}: blank is ${blank}, expected a class from 0 to ${classes - 1}`);
  return scope(() => {
    const single = logProbs.rank === 2;
    if (single) expectRank(OP, "targets", targets.shape, 1);
    const batched = single ? reshape(logProbs, [logProbs.shape[0]!, 1, classes]) : logProbs;
    const batch = batched.shape[1]!;
    const rows = single
      ? reshape(targets, [1, targets.size])
      : targets.rank === 1
        ? inRows(targets, targetLengths, batch)
        : targets;
    expectRank(OP, "targets", rows.shape, 2);
    expectShape(OP, "targets", rows.shape, [batch, rows.shape[1]!]);
    const lengths = (name: string, given: Lengths, most: number) => lengthsOf(name, given, batch, most, targets);
    const losses = perSample(
      batched,
      rows,
      lengths("inputLengths", inputLengths, batched.shape[0]!),
      lengths("targetLengths", targetLengths, rows.shape[1]!),
      { blank, zeroInfinity, mean: reduction === "mean" },
    );
    if (reduction === "none") return single ? reshape(losses, []) : losses;
    return (reduction === "mean" ? mean : sum)(losses);
  });
}

const OP = "ctcLoss";

// Targets that follow one another, as padded rows.
function inRows(targets: Tensor, given: Lengths, batch: number): Tensor {
  if (isTensor(given)) {
    throw new ShapeError(
      `${OP}: targets has shape ${formatShape(targets.shape)}, expected [b, s], or targetLengths as an array of numbers`,
    );
  }
  const lengths = typeof given === "number" ? [given] : given;
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total !== targets.size)
    throw new ValueError(`${OP}: targets has ${targets.size} labels, expected the sum of targetLengths, ${total}`);
  const s = Math.max(0, ...lengths);
  const index = new Int32Array(batch * s);
  let start = 0;
  for (const [i, length] of lengths.entries()) {
    for (let k = 0; k < length; k++) index[i * s + k] = start + k;
    start += length;
  }
  const order = fromValues(OP, index, [index.length], "i32", { device: targets.device });
  return reshape(indexSelect(targets, 0, order), [batch, s]);
}

function lengthsOf(name: string, given: Lengths, batch: number, most: number, { device }: Tensor): Tensor {
  if (isTensor(given)) {
    expectDType(OP, name, given.dtype, ["i32", "u32"]);
    if (given.size !== 1 || batch !== 1) expectShape(OP, name, given.shape, [batch]);
    return given;
  }
  const lengths = typeof given === "number" ? [given] : given;
  if (lengths.length !== batch)
    throw new ShapeError(`${OP}: ${name} has ${lengths.length} numbers, expected ${batch}, one per sample`);
  for (const length of lengths) {
    if (!Number.isInteger(length) || length < 0 || length > most)
      throw new ValueError(`${OP}: ${name} has ${length}, expected whole numbers from 0 to ${most}`);
  }
  return fromValues(OP, lengths, [batch], "i32", { device });
}

interface Saved {
  logProbs: Tensor; // [t, b, classes]
  targets: Tensor; // [b, s]
  alpha: Tensor; // [b, t, 2 s + 1]
  lengths: Tensor; // [b, 2]
}

interface Variant {
  readonly blank: number;
  readonly zeroInfinity: boolean;
  /** Whether each loss is divided by the number of its labels. */
  readonly mean: boolean;
}

function perSample(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Tensor,
  targetLengths: Tensor,
  { blank, zeroInfinity, mean }: Variant,
): Tensor {
  expectSameDevice(OP, [logProbs, targets, inputLengths, targetLengths]);
  const { device } = logProbs;
  const [steps, batch, classes] = logProbs.shape as [number, number, number];
  const labels = targets.shape[1]!;
  const states = 2 * labels + 1;
  const params = {
    steps,
    batch,
    classes,
    labels,
    blank,
    inputSite: indexSite(OP, "inputLengths", steps + 1),
    targetSite: indexSite(OP, "targetLengths", labels + 1),
    labelSite: indexSite(OP, "targets", classes),
  };
  const constants = { MEAN: Number(mean), ZERO_INFINITY: Number(zeroInfinity) };
  const alpha = empty([batch, steps, states], { device });
  const lengths = empty([batch, 2], { device, dtype: "u32" });
  const losses = empty([batch], { device });
  dispatch(kernel, "forward", {
    bind: { logProbs, targets, inputLengths, targetLengths, alpha, lengths, losses },
    params,
    constants,
    groups: batch,
  });
  return record(losses, {
    op: OP,
    inputs: [logProbs],
    saved: { logProbs, targets, alpha, lengths },
    backward(dy: Tensor, { logProbs, targets, alpha, lengths }: Saved) {
      const links = empty(targets.shape, { device, dtype: "u32" });
      const work = empty([batch, 4, states], { device });
      const dlogProbs = empty(logProbs.shape, logProbs);
      fillStorage(dlogProbs, 0);
      const groups = ceilDiv(targets.size, THREADS);
      dispatch(kernel, "link", { bind: { targets, saved: lengths, links }, params, groups });
      dispatch(kernel, "backward", {
        bind: { logProbs, targets, saved: lengths, reached: alpha, linked: links, dy, work, dlogProbs },
        params,
        constants,
        groups: batch,
      });
      return [dlogProbs];
    },
  });
}
