/** Layers from one tensor to one: names, defaults and initialisation are PyTorch's. */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { ones, zeros } from "../kernels/creation/creation.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import {
  dropout,
  elu,
  embedding,
  gelu,
  hardswish,
  layerNorm,
  leakyRelu,
  linear,
  logSoftmax,
  mish,
  relu,
  rmsNorm,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from "../kernels/ops.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module, Parameter } from "./module.ts";

/** @throws ValueError unless `value` is a whole number above 0 */
export function checkSize(layer: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value <= 0) {
    throw new ValueError(`${layer}: ${name} is ${value}, expected a whole number above 0`);
  }
}

/**
 * Computes x weightᵀ + bias, on the last axis. Both start uniform in ±1/sqrt(inFeatures).
 *
 * @example new nn.Linear(128, 10).forward(x) // [..., 128] -> [..., 10]
 */
export class Linear extends Module {
  readonly weight: Parameter; // [outFeatures, inFeatures]
  readonly bias: Parameter | null; // [outFeatures]

  /** @param options bias: false leaves the bias out */
  constructor(inFeatures: number, outFeatures: number, options: { bias?: boolean } = {}) {
    super();
    checkOptions("Linear", options, ["bias"]);
    checkSize("Linear", "inFeatures", inFeatures);
    checkSize("Linear", "outFeatures", outFeatures);
    const bound = 1 / Math.sqrt(inFeatures);
    const draw = (shape: number[]) => new Parameter(rand(shape, { low: -bound, high: bound }));
    this.weight = draw([outFeatures, inFeatures]);
    this.bias = (options.bias ?? true) ? draw([outFeatures]) : null;
  }

  override forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}

/**
 * Looks rows of a table up: ids of any shape [...] give [..., dimensions]. The rows start normally distributed, with
 * the deviation `std`; that of `paddingIndex` starts at 0 and is never trained.
 */
export class Embedding extends Module {
  readonly weight: Parameter; // [entries, dimensions]
  readonly paddingIndex: number | null;

  /** @param options paddingIndex; std (default 1, as PyTorch) */
  constructor(entries: number, dimensions: number, options: { paddingIndex?: number; std?: number } = {}) {
    super();
    checkOptions("Embedding", options, ["paddingIndex", "std"]);
    checkSize("Embedding", "entries", entries);
    checkSize("Embedding", "dimensions", dimensions);
    const { paddingIndex = null, std = 1 } = options;
    if (paddingIndex !== null && !(Number.isInteger(paddingIndex) && paddingIndex >= 0 && paddingIndex < entries)) {
      throw new ValueError(
        `Embedding: paddingIndex is ${paddingIndex}, expected a whole number from 0 to ${entries - 1}`,
      );
    }
    this.paddingIndex = paddingIndex;
    this.weight = new Parameter(randn([entries, dimensions], { std }));
    if (paddingIndex !== null) {
      const row = this.weight.storage;
      row.device.write(row.view(paddingIndex * dimensions, dimensions), new Float64Array(dimensions));
    }
  }

  /** Takes the rows of a table as they are, such as pretrained vectors; they are trained on unless `freeze`. */
  static fromPretrained(vectors: Tensor, options: { freeze?: boolean; paddingIndex?: number } = {}): Embedding {
    checkOptions("Embedding.fromPretrained", options, ["freeze", "paddingIndex"]);
    const { freeze = true, ...rest } = options;
    const [entries, dimensions] = vectors.shape;
    if (vectors.rank !== 2) {
      throw new ShapeError(
        `Embedding.fromPretrained: vectors has shape ${formatShape(vectors.shape)}, expected rank 2`,
      );
    }
    const layer = new Embedding(entries!, dimensions!, rest);
    layer.weight.rebind(vectors.storage.retain());
    layer.weight.requiresGrad = !freeze;
    return layer;
  }

  override forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids, this.paddingIndex === null ? {} : { paddingIndex: this.paddingIndex });
  }
}

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

/** In training, sets each element to 0 with probability p and divides the others by 1 - p; else passes x on. */
export class Dropout extends Module {
  readonly p: number;

  constructor(p = 0.5) {
    super();
    checkProbability("Dropout", p);
    this.p = p;
  }

  override forward(x: Tensor): Tensor {
    return dropout(x, { p: this.p, training: this.training });
  }
}

/** Passes its input on. */
export class Identity extends Module {
  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** Makes a module class of an elementwise function, under the given name. */
function activation(name: string, fn: (x: Tensor) => Tensor): new () => Module & { forward(x: Tensor): Tensor } {
  const layer = class extends Module {
    override forward(x: Tensor): Tensor {
      return fn(x);
    }
  };
  Object.defineProperty(layer, "name", { value: name });
  return layer;
}

export const ReLU = activation("ReLU", relu);
export const Tanh = activation("Tanh", tanh);
export const Sigmoid = activation("Sigmoid", sigmoid);
export const SiLU = activation("SiLU", silu);
export const Mish = activation("Mish", mish);
export const Hardswish = activation("Hardswish", hardswish);
export const Softplus = activation("Softplus", (x) => softplus(x));

/** max(x, 0) + slope * min(x, 0). */
export class LeakyReLU extends Module {
  readonly negativeSlope: number;

  constructor(negativeSlope = 0.01) {
    super();
    this.negativeSlope = negativeSlope;
  }

  override forward(x: Tensor): Tensor {
    return leakyRelu(x, this.negativeSlope);
  }
}

/** x where it is positive, else alpha * (exp(x) - 1). */
export class ELU extends Module {
  readonly alpha: number;

  constructor(alpha = 1) {
    super();
    this.alpha = alpha;
  }

  override forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }
}

/** x times the normal distribution's probability of being below x, exactly or by the tanh formula. */
export class GELU extends Module {
  readonly approximate: "none" | "tanh";

  constructor(options: { approximate?: "none" | "tanh" } = {}) {
    super();
    checkOptions("GELU", options, ["approximate"]);
    this.approximate = options.approximate ?? "none";
  }

  override forward(x: Tensor): Tensor {
    return gelu(x, { approximate: this.approximate });
  }
}

/** Softmax over one axis, the last by default. */
export class Softmax extends Module {
  readonly axis: number;

  constructor(axis = -1) {
    super();
    this.axis = axis;
  }

  override forward(x: Tensor): Tensor {
    return softmax(x, this.axis);
  }
}

/** The logarithm of softmax over one axis, the last by default. */
export class LogSoftmax extends Module {
  readonly axis: number;

  constructor(axis = -1) {
    super();
    this.axis = axis;
  }

  override forward(x: Tensor): Tensor {
    return logSoftmax(x, this.axis);
  }
}
