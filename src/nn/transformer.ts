/** Attention and the Transformer's encoder. Sequences are batch-first: [batch, time, features]. */
import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { fromValues, zeros } from "../kernels/creation/creation.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { dropout, gelu, linear, logicalNot, multiHeadAttention, relu, selfAttention, slice } from "../kernels/ops.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { ModuleList } from "./containers.ts";
import { Embedding } from "./embedding.ts";
import * as init from "./init.ts";
import { Linear } from "./linear.ts";
import { Buffer, Module, Parameter } from "./module.ts";
import { LayerNorm } from "./normalization.ts";

export interface AttentionOptions {
  /** bool [b, tk], true where a key is padding and takes no part. */
  keyPaddingMask?: Tensor | undefined;
  /** bool that broadcasts to [b, heads, tq, tk], true where attention is forbidden; or f32, added to the scores. */
  attnMask?: Tensor | undefined;
  /** Whether a query sees no later keys. */
  isCausal?: boolean | undefined;
}

/**
 * Attention with several heads, each on its share of the features.
 *
 * A query whose keys are all masked gets 0 (PyTorch: NaN). The attention weights are never in memory, so they are not
 * returned.
 *
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 */
export class MultiheadAttention extends Module {
  readonly inProjWeight: Parameter; // [3 d, d]: queries, keys, values
  readonly inProjBias: Parameter | null; // [3 d]
  readonly outProj: Linear;
  readonly heads: number;
  readonly dropout: number;

  /**
   * @param features of queries, keys, values and output: d
   * @param heads must divide d
   * @param options dropout of the attention weights (default 0), bias (default true)
   */
  constructor(features: number, heads: number, options: { dropout?: number; bias?: boolean } = {}) {
    super();
    checkOptions("MultiheadAttention", options, ["dropout", "bias"]);
    checkSize("MultiheadAttention", "features", features);
    checkSize("MultiheadAttention", "heads", heads);
    if (features % heads !== 0) {
      throw new ValueError(`MultiheadAttention: features is ${features}, expected a multiple of heads, ${heads}`);
    }
    const { dropout = 0, bias = true } = options;
    checkProbability("MultiheadAttention", dropout);
    this.heads = heads;
    this.dropout = dropout;
    this.inProjWeight = init.xavierUniform(new Parameter(zeros([3 * features, features])));
    this.inProjBias = bias ? new Parameter(zeros([3 * features])) : null;
    this.outProj = new Linear(features, features, { bias });
    if (this.outProj.bias) init.constant(this.outProj.bias, 0);
  }

  /**
   * @param query [b, tq, d]
   * @param key [b, tk, d]; the query where left out
   * @param value [b, tk, d]; the key where left out
   * @returns [b, tq, d]
   */
  override forward(query: Tensor, key = query, value = key, options: AttentionOptions = {}): Tensor {
    checkOptions("MultiheadAttention", options, ["keyPaddingMask", "attnMask", "isCausal"]);
    const settings = () => ({
      heads: this.heads,
      keyMask: options.keyPaddingMask && logicalNot(options.keyPaddingMask),
      mask: options.attnMask?.dtype === "bool" ? logicalNot(options.attnMask) : options.attnMask,
      causal: options.isCausal,
      dropout: this.training ? this.dropout : 0,
    });
    return scope(() => {
      if (query === key && key === value) {
        const qkv = linear(query, this.inProjWeight, this.inProjBias); // [b, t, 3 d]
        return this.outProj.forward(selfAttention(qkv, settings()));
      }
      const d = this.outProj.weight.shape[0]!;
      const project = (x: Tensor, i: number) =>
        linear(
          x,
          slice(this.inProjWeight, [i * d, (i + 1) * d]),
          this.inProjBias && slice(this.inProjBias, [i * d, (i + 1) * d]),
        );
      const attended = multiHeadAttention(project(query, 0), project(key, 1), project(value, 2), settings());
      return this.outProj.forward(attended);
    });
  }
}

export interface TransformerLayerOptions {
  /** Features of the inner layer of the feed-forward network; default 2048. */
  feedForward?: number;
  /** Of attention weights, of the feed-forward network, and of what joins the residual stream; default 0.1. */
  dropout?: number;
  /** Default "relu". */
  activation?: "relu" | "gelu";
  /** Normalise before attention and feed-forward instead of after them; default false. */
  normFirst?: boolean;
  layerNormEps?: number;
}

const LAYER_OPTIONS = ["feedForward", "dropout", "activation", "normFirst", "layerNormEps"] as const;

export interface EncoderOptions {
  /** bool [b, t], true where the position is padding. */
  keyPaddingMask?: Tensor | undefined;
  /** bool that broadcasts to [b, heads, t, t], true where attention is forbidden; or f32, added to the scores. */
  mask?: Tensor | undefined;
  isCausal?: boolean | undefined;
}

/** Self-attention and a feed-forward network, each with a residual connection and layer normalisation. */
export class TransformerEncoderLayer extends Module {
  readonly selfAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout: number;
  readonly normFirst: boolean;
  readonly activation: "relu" | "gelu";

  constructor(features: number, heads: number, options: TransformerLayerOptions = {}) {
    super();
    checkOptions("TransformerEncoderLayer", options, LAYER_OPTIONS);
    const { feedForward = 2048, dropout = 0.1, activation = "relu", normFirst = false, layerNormEps = 1e-5 } = options;
    if (activation !== "relu" && activation !== "gelu") {
      throw new ValueError(`TransformerEncoderLayer: activation is "${activation}", expected relu or gelu`);
    }
    this.selfAttn = new MultiheadAttention(features, heads, { dropout });
    this.linear1 = new Linear(features, feedForward);
    this.linear2 = new Linear(feedForward, features);
    this.norm1 = new LayerNorm(features, { eps: layerNormEps });
    this.norm2 = new LayerNorm(features, { eps: layerNormEps });
    this.dropout = dropout;
    this.normFirst = normFirst;
    this.activation = activation;
  }

  /** @param x [b, t, features] @returns [b, t, features] */
  override forward(x: Tensor, options: EncoderOptions = {}): Tensor {
    return scope(() => {
      if (this.normFirst) {
        const y = x.add(this.#attend(this.norm1.forward(x), options));
        return y.add(this.#feedForward(this.norm2.forward(y)));
      }
      const y = this.norm1.forward(x.add(this.#attend(x, options)));
      return this.norm2.forward(y.add(this.#feedForward(y)));
    });
  }

  #attend(x: Tensor, { keyPaddingMask, mask, isCausal }: EncoderOptions): Tensor {
    return this.#drop(this.selfAttn.forward(x, x, x, { keyPaddingMask, attnMask: mask, isCausal }));
  }

  #feedForward(x: Tensor): Tensor {
    const inner = this.linear1.forward(x);
    const active = this.activation === "relu" ? relu(inner) : gelu(inner);
    return this.#drop(this.linear2.forward(this.#drop(active)));
  }

  #drop(x: Tensor): Tensor {
    return dropout(x, { p: this.dropout, training: this.training });
  }
}

/** Several encoder layers in a row. Unlike PyTorch's, they start with different weights. */
export class TransformerEncoder extends Module {
  readonly layers: ModuleList<TransformerEncoderLayer>;
  readonly norm: LayerNorm | null;

  /**
   * @param features of the residual stream
   * @param options those of TransformerEncoderLayer, and finalNorm: whether the output is normalised once more, as
   *   layers with normFirst need (default: normFirst)
   */
  constructor(
    features: number,
    heads: number,
    layers: number,
    options: TransformerLayerOptions & { finalNorm?: boolean } = {},
  ) {
    super();
    checkOptions("TransformerEncoder", options, [...LAYER_OPTIONS, "finalNorm"]);
    checkSize("TransformerEncoder", "layers", layers);
    const { finalNorm = options.normFirst ?? false, ...layerOptions } = options;
    this.layers = new ModuleList(
      Array.from({ length: layers }, () => new TransformerEncoderLayer(features, heads, layerOptions)),
    );
    this.norm = finalNorm ? new LayerNorm(features, { eps: options.layerNormEps ?? 1e-5 }) : null;
  }

  /** @param x [b, t, features] @returns [b, t, features] */
  override forward(x: Tensor, options: EncoderOptions = {}): Tensor {
    return scope(() => {
      let y = x;
      for (const layer of this.layers) y = layer.forward(y, options);
      return this.norm ? this.norm.forward(y) : y;
    });
  }
}

/** Adds sines and cosines of the position, of wavelengths from 2π to 20000π, then drops out. */
export class SinusoidalPositions extends Module {
  readonly table: Buffer; // [maxLength, features]
  readonly dropout: number;

  /** @param options dropout (default 0), maxLength (default 5000) */
  constructor(features: number, options: { dropout?: number; maxLength?: number } = {}) {
    super();
    checkOptions("SinusoidalPositions", options, ["dropout", "maxLength"]);
    const { dropout = 0, maxLength = 5000 } = options;
    checkSize("SinusoidalPositions", "features", features);
    checkSize("SinusoidalPositions", "maxLength", maxLength);
    checkProbability("SinusoidalPositions", dropout);
    const values = new Float64Array(maxLength * features);
    for (let t = 0; t < maxLength; t++) {
      for (let c = 0; c < features; c++) {
        const angle = t * 10000 ** (-(c - (c % 2)) / features);
        values[t * features + c] = c % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
      }
    }
    this.table = new Buffer(fromValues("SinusoidalPositions", values, [maxLength, features], "f32", {}), {
      persistent: false,
    });
    this.dropout = dropout;
  }

  /** @param x [b, t, features] @returns [b, t, features] @throws ShapeError if t is over maxLength */
  override forward(x: Tensor): Tensor {
    return scope(() => {
      const positions = slice(this.table, [0, checkLength("SinusoidalPositions", x, this.table.shape[0]!)]);
      return dropout(x.add(positions), { p: this.dropout, training: this.training });
    });
  }
}

/** Adds a trained vector for each position, then drops out. */
export class LearnedPositions extends Module {
  readonly positions: Embedding; // [maxLength, features]
  readonly dropout: number;

  /** @param options dropout (default 0), std: the deviation the vectors start with (default 0.02) */
  constructor(features: number, maxLength: number, options: { dropout?: number; std?: number } = {}) {
    super();
    checkOptions("LearnedPositions", options, ["dropout", "std"]);
    const { dropout = 0, std = 0.02 } = options;
    checkProbability("LearnedPositions", dropout);
    this.positions = new Embedding(maxLength, features, { std });
    this.dropout = dropout;
  }

  /** @param x [b, t, features] @returns [b, t, features] @throws ShapeError if t is over maxLength */
  override forward(x: Tensor): Tensor {
    return scope(() => {
      const { weight } = this.positions;
      const positions = slice(weight, [0, checkLength("LearnedPositions", x, weight.shape[0]!)]);
      return dropout(x.add(positions), { p: this.dropout, training: this.training });
    });
  }
}

function checkLength(layer: string, x: Tensor, maxLength: number): number {
  const length = x.shape.at(-2) ?? 0;
  if (length > maxLength) {
    throw new ShapeError(`${layer}: x has shape ${formatShape(x.shape)}, expected at most ${maxLength} positions`);
  }
  return length;
}
