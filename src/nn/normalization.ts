/** Layers that bring activations to a mean and a variance. */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { ones, zeros } from "../kernels/creation/creation.ts";
import { batchNorm, groupNorm, instanceNorm, layerNorm, reshape, rmsNorm } from "../kernels/ops.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { Buffer, Module, Parameter } from "./module.ts";

interface NormOptions {
  /** Added to the variance. */
  eps?: number;
  /** Whether to scale, and for LayerNorm to shift, by trained parameters. */
  affine?: boolean;
  /** Whether an affine LayerNorm shifts. */
  bias?: boolean;
}

/** Normalises over the last axes to mean 0 and variance 1, then scales and shifts. */
export class LayerNorm extends Module {
  readonly weight: Parameter | null; // normalizedShape
  readonly bias: Parameter | null; // normalizedShape
  readonly normalizedShape: readonly number[];
  readonly eps: number;

  /** @param normalizedShape the sizes of the last axes, or of the last one */
  constructor(normalizedShape: number | readonly number[], options: NormOptions = {}) {
    super();
    checkOptions("LayerNorm", options, ["eps", "affine", "bias"]);
    const { eps = 1e-5, affine = true, bias = true } = options;
    this.normalizedShape = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
    for (const size of this.normalizedShape) checkSize("LayerNorm", "normalizedShape", size);
    this.eps = eps;
    this.weight = affine ? new Parameter(ones(this.normalizedShape)) : null;
    this.bias = affine && bias ? new Parameter(zeros(this.normalizedShape)) : null;
  }

  override forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, this.weight, this.bias, { eps: this.eps });
  }
}

/** Divides by the root of the mean square over the last axes, then scales. */
export class RMSNorm extends Module {
  readonly weight: Parameter | null; // normalizedShape
  readonly normalizedShape: readonly number[];
  readonly eps: number;

  constructor(normalizedShape: number | readonly number[], options: Omit<NormOptions, "bias"> = {}) {
    super();
    checkOptions("RMSNorm", options, ["eps", "affine"]);
    const { eps = 2 ** -23, affine = true } = options;
    this.normalizedShape = typeof normalizedShape === "number" ? [normalizedShape] : [...normalizedShape];
    for (const size of this.normalizedShape) checkSize("RMSNorm", "normalizedShape", size);
    this.eps = eps;
    this.weight = affine ? new Parameter(ones(this.normalizedShape)) : null;
  }

  override forward(x: Tensor): Tensor {
    return rmsNorm(x, this.normalizedShape, this.weight, { eps: this.eps });
  }
}

export interface BatchNormOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  /** How far a batch moves the running statistics; null makes them the average over all batches. 0.1 by default. */
  momentum?: number | null;
  /** Whether to scale and shift each channel by trained parameters; true by default. */
  affine?: boolean;
  /** Whether to keep running statistics for evaluation, true by default; else every batch is normalised by its own. */
  trackRunningStats?: boolean;
}

export interface InstanceNormOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  /** How far the average over a batch's samples moves the running statistics; 0.1 by default. */
  momentum?: number;
  /** Whether to scale and shift each channel by trained parameters; false by default. */
  affine?: boolean;
  /** Whether to keep running statistics for evaluation; false by default: every sample is normalised by its own. */
  trackRunningStats?: boolean;
}

abstract class ChannelNorm extends Module {
  readonly weight: Parameter | null; // [numFeatures]
  readonly bias: Parameter | null; // [numFeatures]
  readonly runningMean: Buffer | null; // [numFeatures]
  readonly runningVar: Buffer | null; // [numFeatures]
  readonly numBatchesTracked: Buffer<"i32"> | null; // []
  readonly numFeatures: number;
  readonly eps: number;

  constructor(
    numFeatures: number,
    { eps = 1e-5, affine, trackRunningStats }: { eps?: number; affine: boolean; trackRunningStats: boolean },
  ) {
    super();
    checkSize(this.constructor.name, "numFeatures", numFeatures);
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.weight = affine ? new Parameter(ones([numFeatures])) : null;
    this.bias = affine ? new Parameter(zeros([numFeatures])) : null;
    this.runningMean = trackRunningStats ? new Buffer(zeros([numFeatures])) : null;
    this.runningVar = trackRunningStats ? new Buffer(ones([numFeatures])) : null;
    this.numBatchesTracked = trackRunningStats ? new Buffer(zeros([], { dtype: "i32" })) : null;
  }

  /** @throws ShapeError unless x has one of the layouts, such as "n c l", whose axis c has numFeatures channels */
  protected expectLayout(x: Tensor, layouts: readonly string[]): void {
    const axes = layouts.map((layout) => layout.split(" "));
    if (axes.some((names) => names.length === x.rank && x.shape[names.indexOf("c")] === this.numFeatures)) return;
    const known = axes.map((names) => `[${names.with(names.indexOf("c"), `${this.numFeatures}`).join(", ")}]`);
    throw new ShapeError(
      `${this.constructor.name}: x has shape ${formatShape(x.shape)}, expected ${known.join(" or ")}`,
    );
  }
}

abstract class BatchNorm extends ChannelNorm {
  readonly momentum: number | null;

  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(numFeatures, { affine: true, trackRunningStats: true, ...options });
    checkOptions(this.constructor.name, options, ["eps", "momentum", "affine", "trackRunningStats"]);
    this.momentum = options.momentum === undefined ? 0.1 : options.momentum;
  }

  protected normalize(x: Tensor, ...layouts: readonly string[]): Tensor {
    this.expectLayout(x, layouts);
    const { runningMean, runningVar, weight, bias, momentum, eps, numBatchesTracked } = this;
    const training = this.training || runningMean === null;
    return batchNorm(x, runningMean, runningVar, weight, bias, { training, momentum, eps, numBatchesTracked });
  }
}

/**
 * Normalises each channel of [n, numFeatures] or [n, numFeatures, l] over all other axes to mean 0 and variance 1, then
 * scales and shifts it.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias
 *
 * In training, mean and variance are the batch's, and the running statistics move towards them; in evaluation they are the
 * running ones.
 */
export class BatchNorm1d extends BatchNorm {
  override forward(x: Tensor): Tensor {
    return this.normalize(x, "n c", "n c l");
  }
}

/**
 * As BatchNorm1d, for images [n, numFeatures, h, w].
 *
 * @example new nn.Sequential(new nn.Conv2d(3, 16, 3, { bias: false }), new nn.BatchNorm2d(16), new nn.ReLU())
 */
export class BatchNorm2d extends BatchNorm {
  override forward(x: Tensor): Tensor {
    return this.normalize(x, "n c h w");
  }
}

abstract class InstanceNorm extends ChannelNorm {
  readonly momentum: number;

  constructor(numFeatures: number, options: InstanceNormOptions = {}) {
    super(numFeatures, { affine: false, trackRunningStats: false, ...options });
    checkOptions(this.constructor.name, options, ["eps", "momentum", "affine", "trackRunningStats"]);
    this.momentum = options.momentum ?? 0.1;
  }

  protected normalize(x: Tensor, batch: string, sample: string): Tensor {
    this.expectLayout(x, [batch, sample]);
    const { runningMean, runningVar, weight, bias, momentum, eps } = this;
    const useInputStats = this.training || runningMean === null;
    const isBatch = x.rank === batch.split(" ").length;
    const samples = isBatch ? x : reshape(x, [1, ...x.shape]);
    const y = instanceNorm(samples, runningMean, runningVar, weight, bias, { useInputStats, momentum, eps });
    return isBatch ? y : reshape(y, x.shape);
  }
}

/**
 * Normalises each channel of each sample of [n, numFeatures, l], or of one sample [numFeatures, l], to mean 0 and variance
 * 1; then scales and shifts by channel, if `affine`.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias
 *
 * With running statistics, evaluation normalises by those. As in PyTorch, `numBatchesTracked` stays 0.
 */
export class InstanceNorm1d extends InstanceNorm {
  override forward(x: Tensor): Tensor {
    return this.normalize(x, "n c l", "c l");
  }
}

/** As InstanceNorm1d, for images [n, numFeatures, h, w] or [numFeatures, h, w]. */
export class InstanceNorm2d extends InstanceNorm {
  override forward(x: Tensor): Tensor {
    return this.normalize(x, "n c h w", "c h w");
  }
}

/**
 * Normalises groups of neighbouring channels of each sample of [n, numChannels, ...] to mean 0 and variance 1, then scales
 * and shifts by channel.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias
 */
export class GroupNorm extends Module {
  readonly weight: Parameter | null; // [numChannels]
  readonly bias: Parameter | null; // [numChannels]
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;

  /** @throws ValueError unless numGroups divides numChannels */
  constructor(numGroups: number, numChannels: number, options: Omit<NormOptions, "bias"> = {}) {
    super();
    checkOptions("GroupNorm", options, ["eps", "affine"]);
    checkSize("GroupNorm", "numGroups", numGroups);
    checkSize("GroupNorm", "numChannels", numChannels);
    if (numChannels % numGroups !== 0) {
      throw new ValueError(`GroupNorm: numChannels is ${numChannels}, expected a multiple of numGroups, ${numGroups}`);
    }
    const { eps = 1e-5, affine = true } = options;
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.weight = affine ? new Parameter(ones([numChannels])) : null;
    this.bias = affine ? new Parameter(zeros([numChannels])) : null;
  }

  override forward(x: Tensor): Tensor {
    if (x.shape[1] !== this.numChannels) {
      throw new ShapeError(`GroupNorm: x has shape ${formatShape(x.shape)}, expected [n, ${this.numChannels}, ...]`);
    }
    return groupNorm(x, this.numGroups, this.weight, this.bias, { eps: this.eps });
  }
}
