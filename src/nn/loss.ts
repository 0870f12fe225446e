/**
 * Losses as layers: a function of the package with its options, which are given to the constructor and are the layer's
 * fields. Tensors among them become buffers. The functions' comments have formulas and shapes.
 *
 * @example
 * const loss = new nn.CrossEntropyLoss({ labelSmoothing: 0.1 });
 * loss.forward(logits, labels).backward();
 */
import { checkOptions } from "../gpu/errors.ts";
import type { CrossEntropyOptions, NllLossOptions } from "../kernels/cross-entropy/cross-entropy.ts";
import type { CtcLossOptions, Lengths } from "../kernels/ctc-loss/ctc-loss.ts";
import type { BceOptions, BceWithLogitsOptions } from "../kernels/losses/binary-cross-entropy.ts";
import {
  type PairwiseDistanceOptions,
  pairwiseDistance,
  type TripletMarginOptions,
  type TripletMarginWithDistanceOptions,
} from "../kernels/losses/distance.ts";
import type { KlDivOptions } from "../kernels/losses/kl-div.ts";
import type { GaussianNLLOptions, PoissonNLLOptions } from "../kernels/losses/likelihood.ts";
import type { MultiMarginOptions } from "../kernels/losses/multi-margin.ts";
import type { LossOptions, Reduction } from "../kernels/losses/reduction.ts";
import * as ops from "../kernels/ops.ts";
import { isTensor, type Tensor } from "../tensor/tensor.ts";
import { Buffer, Module } from "./module.ts";

/** A module class whose constructor takes the options, and whose instances have them as fields. */
type WithOptions<Inputs extends readonly unknown[], Options extends object> = new (
  options?: Options,
) => Module & Readonly<Required<Options>> & { forward(...inputs: Inputs): Tensor };

/** Makes the module class of a function whose last argument are options, given the defaults of all of them. */
function withOptions<Inputs extends readonly unknown[], Options extends object>(
  fn: (...call: [...Inputs, Options]) => Tensor,
  defaults: Required<Options>,
): WithOptions<Inputs, Options> {
  const names = Object.keys(defaults);
  class Layer extends Module {
    constructor(options: Options = {} as Options) {
      super();
      checkOptions(new.target.name, options, names);
      for (const [name, value] of Object.entries({ ...defaults, ...options })) {
        Object.assign(this, { [name]: isTensor(value) ? new Buffer(value) : value });
      }
    }

    override forward(...inputs: Inputs): Tensor {
      const fields = this as unknown as Record<string, unknown>;
      return fn(...inputs, Object.fromEntries(names.map((name) => [name, fields[name]])) as Options);
    }
  }
  return Layer as unknown as WithOptions<Inputs, Options>;
}

const reduction: Reduction = "mean";

type Pair = [x: Tensor, target: Tensor];
type Margin = LossOptions & { margin?: number };

/** The cross-entropy of labels and softmax(logits), as `crossEntropy`. */
export class CrossEntropyLoss extends withOptions<[logits: Tensor, labels: Tensor], CrossEntropyOptions>(
  ops.crossEntropy,
  { weight: null, ignoreIndex: -100, labelSmoothing: 0, reduction },
) {}

/** The negative log-probability of labels, as `nllLoss`. */
export class NLLLoss extends withOptions<[logProbs: Tensor, labels: Tensor], NllLossOptions>(ops.nllLoss, {
  weight: null,
  ignoreIndex: -100,
  reduction,
}) {}

/** (x - target)², as `mseLoss`. */
export class MSELoss extends withOptions<Pair, LossOptions>(ops.mseLoss, { reduction }) {}

/** |x - target|, as `l1Loss`. */
export class L1Loss extends withOptions<Pair, LossOptions>(ops.l1Loss, { reduction }) {}

/** |x - target|, quadratic below beta, as `smoothL1Loss`. */
export class SmoothL1Loss extends withOptions<Pair, LossOptions & { beta?: number }>(ops.smoothL1Loss, {
  beta: 1,
  reduction,
}) {}

/** (x - target)² / 2, linear above delta, as `huberLoss`. */
export class HuberLoss extends withOptions<Pair, LossOptions & { delta?: number }>(ops.huberLoss, {
  delta: 1,
  reduction,
}) {}

/** The binary cross-entropy of probabilities, as `bceLoss`. */
export class BCELoss extends withOptions<Pair, BceOptions>(ops.bceLoss, { weight: null, reduction }) {}

/** The binary cross-entropy of logits, as `bceWithLogitsLoss`. */
export class BCEWithLogitsLoss extends withOptions<Pair, BceWithLogitsOptions>(ops.bceWithLogitsLoss, {
  weight: null,
  posWeight: null,
  reduction,
}) {}

/** The Kullback-Leibler divergence from log-probabilities to a target, as `klDivLoss`. */
export class KLDivLoss extends withOptions<Pair, KlDivOptions>(ops.klDivLoss, { logTarget: false, reduction }) {}

/** The negative log-likelihood under normal distributions, as `gaussianNLLLoss`. */
export class GaussianNLLLoss extends withOptions<[...Pair, variance: Tensor], GaussianNLLOptions>(ops.gaussianNLLLoss, {
  full: false,
  eps: 1e-6,
  reduction,
}) {}

/** The negative log-likelihood under Poisson distributions, as `poissonNLLLoss`. */
export class PoissonNLLLoss extends withOptions<Pair, PoissonNLLOptions>(ops.poissonNLLLoss, {
  logInput: true,
  full: false,
  eps: 1e-8,
  reduction,
}) {}

/** Distances of like pairs, and what those of unlike ones lack to a margin, as `hingeEmbeddingLoss`. */
export class HingeEmbeddingLoss extends withOptions<Pair, Margin>(ops.hingeEmbeddingLoss, { margin: 1, reduction }) {}

/** log(1 + exp(-target x)), as `softMarginLoss`. */
export class SoftMarginLoss extends withOptions<Pair, LossOptions>(ops.softMarginLoss, { reduction }) {}

/** The hinge loss of several classes, as `multiMarginLoss`. */
export class MultiMarginLoss extends withOptions<[x: Tensor, labels: Tensor], MultiMarginOptions>(ops.multiMarginLoss, {
  p: 1,
  margin: 1,
  weight: null,
  reduction,
}) {}

/** The hinge loss of several labels, as `multilabelMarginLoss`. */
export class MultiLabelMarginLoss extends withOptions<[x: Tensor, labels: Tensor], LossOptions>(
  ops.multilabelMarginLoss,
  { reduction },
) {}

/** The mean binary cross-entropy of several labels, as `multilabelSoftMarginLoss`. */
export class MultiLabelSoftMarginLoss extends withOptions<Pair, LossOptions & { weight?: Tensor | null }>(
  ops.multilabelSoftMarginLoss,
  { weight: null, reduction },
) {}

/** What two scores lack to their order and a margin, as `marginRankingLoss`. */
export class MarginRankingLoss extends withOptions<[x1: Tensor, x2: Tensor, target: Tensor], Margin>(
  ops.marginRankingLoss,
  { margin: 0, reduction },
) {}

/** A loss of the cosine of pairs, as `cosineEmbeddingLoss`. */
export class CosineEmbeddingLoss extends withOptions<[x1: Tensor, x2: Tensor, target: Tensor], Margin>(
  ops.cosineEmbeddingLoss,
  { margin: 0, reduction },
) {}

type Triplet = [anchor: Tensor, positive: Tensor, negative: Tensor];

/** What the negative lacks to be further from the anchor than the positive is, as `tripletMarginLoss`. */
export class TripletMarginLoss extends withOptions<Triplet, TripletMarginOptions>(ops.tripletMarginLoss, {
  margin: 1,
  p: 2,
  eps: 1e-6,
  swap: false,
  reduction,
}) {}

/** `TripletMarginLoss` with a distance of one's own, as `tripletMarginWithDistanceLoss`. */
export class TripletMarginWithDistanceLoss extends withOptions<Triplet, TripletMarginWithDistanceOptions>(
  ops.tripletMarginWithDistanceLoss,
  { distance: pairwiseDistance, margin: 1, swap: false, reduction },
) {}

/** Connectionist temporal classification, as `ctcLoss`. */
export class CTCLoss extends withOptions<
  [logProbs: Tensor, targets: Tensor, inputLengths: Lengths, targetLengths: Lengths],
  CtcLossOptions
>(ops.ctcLoss, { blank: 0, reduction, zeroInfinity: false }) {}

/** The cosine of vectors along an axis, as `cosineSimilarity`. */
export class CosineSimilarity extends withOptions<[x1: Tensor, x2: Tensor], { axis?: number; eps?: number }>(
  ops.cosineSimilarity,
  { axis: 1, eps: 1e-8 },
) {}

/** The distance of vectors along the last axis, as `pairwiseDistance`. */
export class PairwiseDistance extends withOptions<[x1: Tensor, x2: Tensor], PairwiseDistanceOptions>(
  ops.pairwiseDistance,
  { p: 2, eps: 1e-6, keepDim: false },
) {}
