import { isRecomputing } from "../../autograd/checkpoint.ts";
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  bothOrNone,
  expectChannels,
  normalize,
  setPerChannel,
  setPerGroup,
  setSize,
  statsOfRunning,
  statsOfSets,
  updateRunning,
} from "../batch-norm/channel-norm.ts";

export interface InstanceNormOptions {
  /** Whether to normalize with x's own statistics, the default, or with the running ones. */
  useInputStats?: boolean;
  /** How far the running statistics move towards the average over the samples; 0.1 by default. */
  momentum?: number;
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
}

/**
 * Normalises each channel of each sample to zero mean and unit variance, then scales and shifts by channel.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias
 *
 * Running statistics, where given, move in place towards the samples' average mean and unbiased variance:
 *
 *     running = (1 - momentum) * running + momentum * new
 *
 * With `useInputStats: false` they are what x is normalized with instead.
 *
 * @param x f32, [n, channels, ...]
 * @param runningMean [channels]; null where none is kept
 * @param runningVar [channels]; null where none is kept
 * @param weight [channels]; null for 1
 * @param bias [channels]; null for 0
 * @returns x's shape
 * @throws ShapeError if a shape differs, or for a channel of one value where x's statistics are used
 * @throws ValueError where running statistics are needed and missing
 * @see Ulyanov, Vedaldi, Lempitsky 2016, https://arxiv.org/abs/1607.08022
 */
export function instanceNorm(
  x: Tensor,
  runningMean: Tensor | null = null,
  runningVar: Tensor | null = null,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options: InstanceNormOptions = {},
): Tensor {
  const op = "instanceNorm";
  checkOptions(op, options, ["useInputStats", "momentum", "eps"]);
  const { useInputStats = true, momentum = 0.1, eps = 1e-5 } = options;
  expectChannels(op, x, { runningMean, runningVar, weight, bias });
  const running = bothOrNone(op, runningMean, runningVar);

  if (!useInputStats) {
    if (!running) throw new ValueError(`${op}: runningMean is null, expected a tensor where useInputStats is false`);
    const sets = setPerChannel(x.shape);
    const stats = statsOfRunning(running.runningMean, running.runningVar, sets, eps);
    return normalize(x, { op, sets, stats, ownEps: null, weight, bias });
  }
  const sets = setPerGroup(x.shape, x.shape[1]!);
  if (setSize(sets) === 1) {
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected more than one value per channel`);
  }
  const stats = statsOfSets(x, sets, eps);
  if (running && x.size > 0 && !isRecomputing()) updateRunning(running, stats, sets, momentum);
  return normalize(x, { op, sets, stats, ownEps: eps, weight, bias });
}
