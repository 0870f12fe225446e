/** The layers of a Transformer. Sequences are batch-first: [batch, time, features]. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { dropout, dropoutAddLayerNorm } from "../kernels/ops.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MultiheadAttention } from "./attention.ts";
import type { KeyValueCache } from "./key-value-cache.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { LayerNorm } from "./normalization.ts";
import type { RotaryPositions } from "./positions.ts";

export interface TransformerLayerOptions {
  /** Features of the inner layer of the feed-forward network; default 2048. */
  feedForward?: number;
  /** Of attention weights, of the feed-forward network, and of what joins the residual stream; default 0.1. */
  dropout?: number;
  /** Default "relu". */
  activation?: "relu" | "gelu";
  /** Normalise before attention and feed-forward instead of after them; default false. */
  normFirst?: boolean;
  /** Added to the variance; default 1e-5. */
  layerNormEps?: number;
  /** Whether projections and normalisations add a bias; default true. */
  bias?: boolean;
  /** Turns queries and keys of self-attention by their positions; none by default. */
  rotary?: RotaryPositions | undefined;
}

export const LAYER_OPTIONS = [
  "feedForward",
  "dropout",
  "activation",
  "normFirst",
  "layerNormEps",
  "bias",
  "rotary",
] as const satisfies readonly (keyof TransformerLayerOptions)[];

export interface EncoderOptions {
  /** bool [b, t], true where the position is padding; with a cache, of all positions so far. */
  keyPaddingMask?: Tensor | undefined;
  /** bool that broadcasts to [b, heads, t, t], true where attention is forbidden; or f32, added to the scores. */
  mask?: Tensor | undefined;
  isCausal?: boolean | undefined;
  /** Keys and values of the positions before, which x goes on from; isCausal must be true. */
  cache?: KeyValueCache | undefined;
}

export const ENCODER_OPTIONS = ["keyPaddingMask", "mask", "isCausal", "cache"] as const;

export interface DecoderOptions {
  /** bool that broadcasts to [b, heads, t, t], true where attention is forbidden; or f32, added to the scores. */
  tgtMask?: Tensor | undefined;
  /** The same for the attention to the memory: [b, heads, t, ts]. */
  memoryMask?: Tensor | undefined;
  /** bool [b, t], true where the position is padding; with a cache, of all positions so far. */
  tgtKeyPaddingMask?: Tensor | undefined;
  /** bool [b, ts], true where the memory is padding. */
  memoryKeyPaddingMask?: Tensor | undefined;
  tgtIsCausal?: boolean | undefined;
  memoryIsCausal?: boolean | undefined;
  /** Keys and values of the memory and of the positions before, which tgt goes on from; tgtIsCausal must be true. */
  cache?: KeyValueCache | undefined;
}

export const DECODER_OPTIONS = [
  "tgtMask",
  "memoryMask",
  "tgtKeyPaddingMask",
  "memoryKeyPaddingMask",
  "tgtIsCausal",
  "memoryIsCausal",
  "cache",
] as const satisfies readonly (keyof DecoderOptions)[];

type LayerSettings = Required<Omit<TransformerLayerOptions, "rotary">> & Pick<TransformerLayerOptions, "rotary">;

function layerSettings(layer: string, options: TransformerLayerOptions): LayerSettings {
  checkOptions(layer, options, LAYER_OPTIONS);
  const { feedForward = 2048, dropout = 0.1, activation = "relu", normFirst = false } = options;
  const { layerNormEps = 1e-5, bias = true, rotary } = options;
  if (activation !== "relu" && activation !== "gelu") {
    throw new ValueError(`${layer}: activation is "${activation}", expected relu or gelu`);
  }
  return { feedForward, dropout, activation, normFirst, layerNormEps, bias, rotary };
}

/**
 * Self-attention and a feed-forward network, each with a residual connection and layer normalisation:
 *
 *     y = norm1(x + attention(x))      z = norm2(y + linear2(activation(linear1(y))))
 *
 * or with `normFirst` y = x + attention(norm1(x)), z = y + linear2(activation(linear1(norm2(y)))).
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.TransformerEncoderLayer.html
 */
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
    const { feedForward, dropout, activation, normFirst, layerNormEps, bias, rotary } = layerSettings(
      "TransformerEncoderLayer",
      options,
    );
    this.selfAttn = new MultiheadAttention(features, heads, { dropout, bias, rotary });
    this.linear1 = new Linear(features, feedForward, { bias });
    this.linear2 = new Linear(feedForward, features, { bias });
    this.norm1 = new LayerNorm(features, { eps: layerNormEps, bias });
    this.norm2 = new LayerNorm(features, { eps: layerNormEps, bias });
    this.dropout = dropout;
    this.normFirst = normFirst;
    this.activation = activation;
  }

  /** @param x [b, t, features] @returns [b, t, features] */
  override forward(x: Tensor, options: EncoderOptions = {}): Tensor {
    checkOptions("TransformerEncoderLayer", options, ENCODER_OPTIONS);
    return scope(() => {
      if (this.normFirst) {
        const [normalized, y] = join(this, x, this.#attend(this.norm1.forward(x), options), this.norm2);
        return y.add(drop(this, feedForward(this, normalized)));
      }
      const [y] = join(this, x, this.#attend(x, options), this.norm1);
      const [z] = join(this, y, feedForward(this, y), this.norm2);
      return z;
    });
  }

  #attend(x: Tensor, { mask, ...options }: EncoderOptions): Tensor {
    return this.selfAttn.forward(x, x, x, { ...options, attnMask: mask });
  }
}

/**
 * Self-attention, attention to a memory, and a feed-forward network, each with a residual connection and layer
 * normalisation:
 *
 *     y = norm1(x + selfAttention(x))      z = norm2(y + attention(y, memory))      norm3(z + linear2(activation(linear1(z))))
 *
 * or, with `normFirst`, the norms at the inputs of the three instead.
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.TransformerDecoderLayer.html
 */
export class TransformerDecoderLayer extends Module {
  readonly selfAttn: MultiheadAttention;
  readonly multiheadAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm;
  readonly dropout: number;
  readonly normFirst: boolean;
  readonly activation: "relu" | "gelu";

  constructor(features: number, heads: number, options: TransformerLayerOptions = {}) {
    super();
    const { feedForward, dropout, activation, normFirst, layerNormEps, bias, rotary } = layerSettings(
      "TransformerDecoderLayer",
      options,
    );
    this.selfAttn = new MultiheadAttention(features, heads, { dropout, bias, rotary });
    this.multiheadAttn = new MultiheadAttention(features, heads, { dropout, bias });
    this.linear1 = new Linear(features, feedForward, { bias });
    this.linear2 = new Linear(feedForward, features, { bias });
    this.norm1 = new LayerNorm(features, { eps: layerNormEps, bias });
    this.norm2 = new LayerNorm(features, { eps: layerNormEps, bias });
    this.norm3 = new LayerNorm(features, { eps: layerNormEps, bias });
    this.dropout = dropout;
    this.normFirst = normFirst;
    this.activation = activation;
  }

  /**
   * @param tgt [b, t, features]
   * @param memory [b, ts, features], what an encoder made of the source
   * @returns [b, t, features]
   */
  override forward(tgt: Tensor, memory: Tensor, options: DecoderOptions = {}): Tensor {
    checkOptions("TransformerDecoderLayer", options, DECODER_OPTIONS);
    return scope(() => {
      if (this.normFirst) {
        const [query, x] = join(this, tgt, this.#attend(this.norm1.forward(tgt), options), this.norm2);
        const [normalized, y] = join(this, x, this.#attendTo(memory, query, options), this.norm3);
        return y.add(drop(this, feedForward(this, normalized)));
      }
      const [x] = join(this, tgt, this.#attend(tgt, options), this.norm1);
      const [y] = join(this, x, this.#attendTo(memory, x, options), this.norm2);
      const [z] = join(this, y, feedForward(this, y), this.norm3);
      return z;
    });
  }

  #attend(x: Tensor, { tgtMask, tgtKeyPaddingMask, tgtIsCausal, cache }: DecoderOptions): Tensor {
    const options = { attnMask: tgtMask, keyPaddingMask: tgtKeyPaddingMask, isCausal: tgtIsCausal, cache };
    return this.selfAttn.forward(x, x, x, options);
  }

  #attendTo(memory: Tensor, x: Tensor, options: DecoderOptions): Tensor {
    const { memoryMask, memoryKeyPaddingMask, memoryIsCausal, cache } = options;
    const masks = { attnMask: memoryMask, keyPaddingMask: memoryKeyPaddingMask, isCausal: memoryIsCausal };
    return this.multiheadAttn.forward(x, memory, memory, { ...masks, cache });
  }
}

type TransformerLayer = TransformerEncoderLayer | TransformerDecoderLayer;

function feedForward(layer: TransformerLayer, x: Tensor): Tensor {
  const { activation } = layer;
  const inner = layer.linear1.forward(x, { activation }); // [b, t, feedForward]
  return layer.linear2.forward(drop(layer, inner));
}

/** What a sub-layer returns joins the residual stream, which is normalised: norm(h) and h = residual + dropout(x). */
function join(layer: TransformerLayer, residual: Tensor, x: Tensor, norm: LayerNorm): [y: Tensor, h: Tensor] {
  if (norm.runsAs(LayerNorm)) {
    const { normalizedShape, weight, bias, eps } = norm;
    const options = { p: layer.dropout, training: layer.training, eps };
    return dropoutAddLayerNorm(x, residual, normalizedShape, weight, bias, options);
  }
  const h = residual.add(drop(layer, x));
  return [norm.forward(h), h];
}

function drop(layer: TransformerLayer, x: Tensor): Tensor {
  return dropout(x, { p: layer.dropout, training: layer.training });
}
