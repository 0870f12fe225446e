import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { expectChannels, normalize, setPerGroup, setSize, statsOfSets } from "../batch-norm/channel-norm.ts";

/**
 * Normalises groups of neighbouring channels of each sample, over the channels of a group and all axes behind them, to zero
 * mean and unit variance; then scales and shifts by channel.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias
 *
 * @param x f32, [n, channels, ...]
 * @param groups how many; it divides channels
 * @param weight [channels]; null for 1
 * @param bias [channels]; null for 0
 * @param options eps (default 1e-5)
 * @returns x's shape
 * @throws ShapeError if a shape differs, groups does not divide channels, or x has one value per group
 * @see Wu and He 2018, https://arxiv.org/abs/1803.08494
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options: { eps?: number } = {},
): Tensor {
  const op = "groupNorm";
  checkOptions(op, options, ["eps"]);
  const { eps = 1e-5 } = options;
  expectChannels(op, x, { weight, bias });
  if (!Number.isInteger(groups) || groups <= 0) {
    throw new ValueError(`${op}: groups is ${groups}, expected a whole number above 0`);
  }
  const [n, channels] = x.shape as [number, number];
  if (channels % groups !== 0) {
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected channels that ${groups} groups divide`);
  }
  const sets = setPerGroup(x.shape, groups);
  if (n * setSize(sets) === 1) {
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected more than one value per group`);
  }
  return normalize(x, { op, sets, stats: statsOfSets(x, sets, eps), ownEps: eps, weight, bias });
}
