/** Encoder, decoder, and the Transformer of both. Sequences are batch-first: [batch, time, features]. */
import { checkOptions } from "../gpu/errors.ts";
import { full } from "../kernels/creation/creation.ts";
import { triu } from "../kernels/ops.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import { ModuleList } from "./containers.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";
import { LayerNorm } from "./normalization.ts";
import {
  DECODER_OPTIONS,
  type DecoderOptions,
  ENCODER_OPTIONS,
  type EncoderOptions,
  LAYER_OPTIONS,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from "./transformer-layers.ts";

export interface TransformerStackOptions extends TransformerLayerOptions {
  /** Whether the output is normalised once more, as layers with normFirst need; default: normFirst. */
  finalNorm?: boolean;
}

/**
 * Several encoder layers in a row. Unlike PyTorch's, they start with different weights.
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.TransformerEncoder.html
 */
export class TransformerEncoder extends Module {
  readonly layers: ModuleList<TransformerEncoderLayer>;
  readonly norm: LayerNorm | null;

  /** @param features of the residual stream */
  constructor(features: number, heads: number, layers: number, options: TransformerStackOptions = {}) {
    super();
    const build = (options: TransformerLayerOptions) => new TransformerEncoderLayer(features, heads, options);
    [this.layers, this.norm] = stack("TransformerEncoder", features, layers, options, build);
  }

  /** @param x [b, t, features] @returns [b, t, features] */
  override forward(x: Tensor, options: EncoderOptions = {}): Tensor {
    checkOptions("TransformerEncoder", options, ENCODER_OPTIONS);
    return scope(() => {
      let y = x;
      for (const layer of this.layers) y = layer.forward(y, options);
      return this.norm ? this.norm.forward(y) : y;
    });
  }
}

/**
 * Several decoder layers in a row, all with the same memory. Unlike PyTorch's, they start with different weights.
 *
 * @see https://pytorch.org/docs/stable/generated/torch.nn.TransformerDecoder.html
 */
export class TransformerDecoder extends Module {
  readonly layers: ModuleList<TransformerDecoderLayer>;
  readonly norm: LayerNorm | null;

  /** @param features of the residual stream and of the memory */
  constructor(features: number, heads: number, layers: number, options: TransformerStackOptions = {}) {
    super();
    const build = (options: TransformerLayerOptions) => new TransformerDecoderLayer(features, heads, options);
    [this.layers, this.norm] = stack("TransformerDecoder", features, layers, options, build);
  }

  /** @param tgt [b, t, features] @param memory [b, ts, features] @returns [b, t, features] */
  override forward(tgt: Tensor, memory: Tensor, options: DecoderOptions = {}): Tensor {
    checkOptions("TransformerDecoder", options, DECODER_OPTIONS);
    return scope(() => {
      let y = tgt;
      for (const layer of this.layers) y = layer.forward(y, memory, options);
      return this.norm ? this.norm.forward(y) : y;
    });
  }
}

function stack<L extends Module>(
  name: string,
  features: number,
  layers: number,
  options: TransformerStackOptions,
  build: (options: TransformerLayerOptions) => L,
): [ModuleList<L>, LayerNorm | null] {
  checkOptions(name, options, [...LAYER_OPTIONS, "finalNorm"]);
  checkSize(name, "layers", layers);
  const { finalNorm = options.normFirst ?? false, ...layerOptions } = options;
  const { layerNormEps = 1e-5, bias = true } = options;
  return [
    new ModuleList(Array.from({ length: layers }, () => build(layerOptions))),
    finalNorm ? new LayerNorm(features, { eps: layerNormEps, bias }) : null,
  ];
}

export interface TransformerOptions extends TransformerLayerOptions {
  /** Default 6. */
  encoderLayers?: number;
  /** Default 6. */
  decoderLayers?: number;
}

export interface TransformerMasks extends Omit<DecoderOptions, "cache"> {
  /** bool that broadcasts to [b, heads, ts, ts], true where attention is forbidden; or f32, added to the scores. */
  srcMask?: Tensor | undefined;
  /** bool [b, ts], true where the source is padding. */
  srcKeyPaddingMask?: Tensor | undefined;
  srcIsCausal?: boolean | undefined;
}

/**
 * An encoder of the source and a decoder of the target that attends to it, each normalised at its end. All matrices start as
 * `init.xavierUniform` has them.
 *
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 * @see https://pytorch.org/docs/stable/generated/torch.nn.Transformer.html
 * @example
 * const transformer = new nn.Transformer(128, 4, { encoderLayers: 2, decoderLayers: 2, feedForward: 512 });
 * const y = transformer.forward(src, tgt, {
 *   srcKeyPaddingMask: isPadding,    // the encoder's
 *   memoryKeyPaddingMask: isPadding, // the decoder's, which as in PyTorch does not follow from the former
 *   tgtIsCausal: true,
 * });                                // [b, t, 128]
 */
export class Transformer extends Module {
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;

  constructor(features = 512, heads = 8, options: TransformerOptions = {}) {
    super();
    checkOptions("Transformer", options, ["encoderLayers", "decoderLayers", ...LAYER_OPTIONS]);
    const { encoderLayers = 6, decoderLayers = 6, ...layer } = options;
    this.encoder = new TransformerEncoder(features, heads, encoderLayers, { ...layer, finalNorm: true });
    this.decoder = new TransformerDecoder(features, heads, decoderLayers, { ...layer, finalNorm: true });
    for (const parameter of this.parameters()) if (parameter.rank > 1) init.xavierUniform(parameter);
  }

  /**
   * @param src [b, ts, features]
   * @param tgt [b, t, features]
   * @returns [b, t, features]
   */
  override forward(src: Tensor, tgt: Tensor, options: TransformerMasks = {}): Tensor {
    const known = [
      ...DECODER_OPTIONS.filter((name) => name !== "cache"),
      "srcMask",
      "srcKeyPaddingMask",
      "srcIsCausal",
    ];
    checkOptions("Transformer", options, known);
    const { srcMask: mask, srcKeyPaddingMask: keyPaddingMask, srcIsCausal: isCausal, ...ofDecoder } = options;
    return scope(() => {
      const memory = this.encoder.forward(src, { mask, keyPaddingMask, isCausal }); // [b, ts, features]
      return this.decoder.forward(tgt, memory, ofDecoder);
    });
  }

  /**
   * Makes the mask of a causal attention: -Infinity where a key is later than the query, else 0. Attention is faster with
   * `isCausal`, which needs none.
   *
   * @returns f32 [size, size]
   */
  static generateSquareSubsequentMask(size: number): Tensor {
    checkSize("generateSquareSubsequentMask", "size", size);
    return scope(() => triu(full([size, size], Number.NEGATIVE_INFINITY), 1));
  }
}
