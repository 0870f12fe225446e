import { isRecomputing } from "../../autograd/checkpoint.ts";
import { expectSameDevice } from "../../autograd/record.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectShape, formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  bothOrNone,
  expectChannels,
  normalize,
  setPerChannel,
  setSize,
  statsOfRunning,
  statsOfSets,
  updateRunning,
} from "./channel-norm.ts";

export interface BatchNormOptions {
  /** Whether to normalize with x's own statistics, and to move the running ones towards them; false by default. */
  training?: boolean;
  /** How far the running statistics move; null makes them the average over all batches. 0.1 by default. */
  momentum?: number | null;
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  /** i32 [], the number of batches so far, to which training adds one; needed where momentum is null. */
  numBatchesTracked?: Tensor | null;
}

/**
 * Normalises each channel over the batch and all other axes to zero mean and unit variance, then scales and shifts it.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias
 *
 * In training, mean and variance are x's own, and gradients flow through them. The running statistics move towards them in
 * place, the variance without bias:
 *
 *     running = (1 - momentum) * running + momentum * new
 *
 * Else mean and variance are the running ones. A batch without elements changes nothing.
 *
 * @param x f32, [n, channels, ...]
 * @param runningMean [channels]; null where none is kept, for training only
 * @param runningVar [channels]; null where none is kept, for training only
 * @param weight [channels]; null for 1
 * @param bias [channels]; null for 0
 * @returns x's shape
 * @throws ShapeError if a shape differs, or in training for a channel of one value
 * @throws ValueError where running statistics are needed and missing
 * @see Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167
 */
export function batchNorm(
  x: Tensor,
  runningMean: Tensor | null = null,
  runningVar: Tensor | null = null,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options: BatchNormOptions = {},
): Tensor {
  const op = "batchNorm";
  checkOptions(op, options, ["training", "momentum", "eps", "numBatchesTracked"]);
  const { training = false, momentum = 0.1, eps = 1e-5, numBatchesTracked = null } = options;
  expectChannels(op, x, { runningMean, runningVar, weight, bias });
  const running = bothOrNone(op, runningMean, runningVar);
  if (numBatchesTracked) {
    expectShape(op, "numBatchesTracked", numBatchesTracked.shape, []);
    expectDType(op, "numBatchesTracked", numBatchesTracked.dtype, ["i32"]);
    expectSameDevice(op, [x, numBatchesTracked]);
  }
  const sets = setPerChannel(x.shape);

  if (!training) {
    if (!running) throw new ValueError(`${op}: runningMean is null, expected a tensor where training is false`);
    const stats = statsOfRunning(running.runningMean, running.runningVar, sets, eps);
    return normalize(x, { op, sets, stats, ownEps: null, weight, bias });
  }
  if (setSize(sets) === 1) {
    throw new ShapeError(
      `${op}: x has shape ${formatShape(x.shape)}, expected more than one value per channel in training`,
    );
  }
  if (running && momentum === null && !numBatchesTracked) {
    throw new ValueError(`${op}: numBatchesTracked is null, expected a tensor where momentum is null`);
  }
  const tracks = running !== null && x.size > 0 && !isRecomputing();
  const stats = statsOfSets(x, sets, eps, tracks ? numBatchesTracked : null);
  if (tracks) updateRunning(running, stats, sets, momentum, numBatchesTracked);
  return normalize(x, { op, sets, stats, ownEps: eps, weight, bias });
}
