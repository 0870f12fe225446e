/** Attention with several heads. Sequences are batch-first: [batch, time, features]. */
import { scopeInFloat32 } from "../autograd/autocast.ts";
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { attentionWeights } from "../kernels/attention/attention.ts";
import { zeros } from "../kernels/creation/creation.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import {
  chunk,
  dropout,
  linear,
  logicalNot,
  maskedFill,
  matmul,
  mean,
  multiHeadAttention,
  narrow,
  pad,
  permute,
  reshape,
  selfAttention,
} from "../kernels/ops.ts";
import { expectDType } from "../tensor/dtype.ts";
import { scope } from "../tensor/scope.ts";
import { expectShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./check-size.ts";
import * as init from "./init.ts";
import type { KeyValueCache } from "./key-value-cache.ts";
import { Linear } from "./linear.ts";
import type { LoraAdapter } from "./lora-adapter.ts";
import { Module, Parameter } from "./module.ts";
import type { RotaryPositions } from "./positions.ts";

export interface MultiheadAttentionOptions {
  /** The probability with which an attention weight is dropped in training; default 0. */
  dropout?: number;
  /** Whether all four projections add a bias; default true. */
  bias?: boolean;
  /** Features of the keys; those of the queries by default. */
  kdim?: number;
  /** Features of the values; those of the queries by default. */
  vdim?: number;
  /** Turns queries and keys by their positions; none by default. */
  rotary?: RotaryPositions | undefined;
}

export interface AttentionOptions {
  /** bool [b, tk], true where a key is padding and takes no part; with a cache, of all positions so far. */
  keyPaddingMask?: Tensor | undefined;
  /** bool that broadcasts to [b, heads, tq, tk], true where attention is forbidden; or f32, added to the scores. */
  attnMask?: Tensor | undefined;
  /** Whether a query sees no later keys. */
  isCausal?: boolean | undefined;
  /** Whether to return the attention weights as well, for which a matrix of queries by keys is made; default false. */
  needWeights?: boolean | undefined;
  /** Whether the weights returned are the mean over the heads; default true. */
  averageAttnWeights?: boolean | undefined;
  /** Keys and values of the positions before, which the new ones join; or, where keys are no queries, of the memory. */
  cache?: KeyValueCache | undefined;
}

const OPTIONS = ["keyPaddingMask", "attnMask", "isCausal", "needWeights", "averageAttnWeights", "cache"] as const;

/** Masks as the kernels want them. */
interface Masks {
  readonly keyMask: Tensor | undefined; // true where a key takes part
  readonly mask: Tensor | undefined;
  readonly causal: boolean | undefined;
}

interface Operands extends Masks {
  readonly q: Tensor; // [b, tq, d]
  readonly k: Tensor; // [b, tk, d]
  readonly v: Tensor; // [b, tk, d]
}

/**
 * Attention with several heads, each on its share of the features:
 *
 *     y = concat(heads) Woᵀ + bo      head = softmax(q kᵀ / sqrt(d / heads) + mask) v
 *
 * where q, k and v are the head's share of query Wqᵀ + bq, key Wkᵀ + bk and value Wvᵀ + bv. A query whose keys are all
 * masked gets 0 for its heads (PyTorch: NaN). Unless they are asked for, the attention weights are never in memory.
 *
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 * @see https://pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
 * @example
 * const attention = new nn.MultiheadAttention(64, 4);
 * attention.forward(x, x, x, { isCausal: true });                          // [b, t, 64]
 * const [y, weights] = attention.forward(x, memory, memory, { needWeights: true }); // [b, t, 64], [b, t, tk]
 */
export class MultiheadAttention extends Module {
  readonly inProjWeight: Parameter | null; // [3 d, d]: queries, keys, values; null where these have other features
  readonly qProjWeight: Parameter | null; // [d, d], then
  readonly kProjWeight: Parameter | null; // [d, kdim]
  readonly vProjWeight: Parameter | null; // [d, vdim]
  readonly inProjBias: Parameter | null; // [3 d]
  readonly outProj: Linear;
  readonly heads: number;
  readonly dropout: number;
  readonly rotary: RotaryPositions | null;
  /** What `lora.inject` has put beside the weight of queries, keys and values. */
  adapter: LoraAdapter | undefined;

  /**
   * @param features of queries and output: d
   * @param heads must divide d
   */
  constructor(features: number, heads: number, options: MultiheadAttentionOptions = {}) {
    super();
    checkOptions("MultiheadAttention", options, ["dropout", "bias", "kdim", "vdim", "rotary"]);
    const { dropout = 0, bias = true, kdim = features, vdim = features, rotary = null } = options;
    for (const [name, size] of Object.entries({ features, heads, kdim, vdim })) {
      checkSize("MultiheadAttention", name, size);
    }
    if (features % heads !== 0) {
      throw new ValueError(`MultiheadAttention: features is ${features}, expected a multiple of heads, ${heads}`);
    }
    checkProbability("MultiheadAttention", dropout);
    if (rotary && (features / heads) % 2 !== 0) {
      throw new ValueError(
        `MultiheadAttention: heads have ${features / heads} features, expected an even number for rotary positions`,
      );
    }
    this.heads = heads;
    this.dropout = dropout;
    this.rotary = rotary;
    const weight = (rows: number, cols: number) => init.xavierUniform(new Parameter(zeros([rows, cols])));
    const isOne = kdim === features && vdim === features;
    this.inProjWeight = isOne ? weight(3 * features, features) : null;
    this.qProjWeight = isOne ? null : weight(features, features);
    this.kProjWeight = isOne ? null : weight(features, kdim);
    this.vProjWeight = isOne ? null : weight(features, vdim);
    this.inProjBias = bias ? new Parameter(zeros([3 * features])) : null;
    this.outProj = new Linear(features, features, { bias });
    if (this.outProj.bias) init.constant(this.outProj.bias, 0);
  }

  /**
   * @param query [b, tq, d]
   * @param key [b, tk, kdim]; the query where left out
   * @param value [b, tk, vdim]; the key where left out
   * @returns [b, tq, d]; with needWeights, also the weights: [b, tq, tk], or [b, heads, tq, tk] unless averaged
   * @throws ShapeError, DTypeError for inputs or masks that do not fit
   * @throws ValueError for a cache with an attnMask or with self-attention that is not causal
   */
  override forward(
    query: Tensor,
    key?: Tensor,
    value?: Tensor,
    options?: AttentionOptions & { needWeights?: false | undefined },
  ): Tensor;
  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: AttentionOptions & { needWeights: true },
  ): [y: Tensor, weights: Tensor];
  override forward(
    query: Tensor,
    key = query,
    value = key,
    options: AttentionOptions = {},
  ): Tensor | [y: Tensor, weights: Tensor] {
    checkOptions("MultiheadAttention", options, OPTIONS);
    return scope(() => {
      const { needWeights = false, averageAttnWeights = true, cache } = options;
      if (this.#isSelf(query, key, value) && !cache && !needWeights) {
        const qkv = this.#turn(this.#projectAll(query), 3, 2); // [b, t, 3 d]
        return this.outProj.forward(selfAttention(qkv, { ...this.#fused, ...masksOf(options) }));
      }
      const operands = this.#operands(query, key, value, options);
      if (needWeights) {
        const [y, weights] = this.#attendVisibly(operands); // weights: [b, heads, tq, tk]
        return [this.outProj.forward(y), averageAttnWeights ? mean(weights, 1) : weights];
      }
      const { q, k, v, ...masks } = operands;
      return this.outProj.forward(multiHeadAttention(q, k, v, { ...this.#fused, ...masks }));
    });
  }

  #isSelf(query: Tensor, key: Tensor, value: Tensor): boolean {
    return query === key && key === value && this.inProjWeight !== null;
  }

  /** What the fused kernels are told beside masks. */
  get #fused(): { heads: number; dropout: number } {
    return { heads: this.heads, dropout: this.training ? this.dropout : 0 };
  }

  // Projected, turned, and with what the cache holds.
  #operands(query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions): Operands {
    const { cache, needWeights } = options;
    if (!this.#isSelf(query, key, value)) return { ...this.#project(query, key, value, cache), ...masksOf(options) };
    const offset = cache ? cache.lengthOf(this) : 0;
    const qkv = this.#turn(this.#projectAll(query), 3, 2, offset);
    const [q, k, v] = chunk(qkv, 3, -1) as [Tensor, Tensor, Tensor];
    if (!cache) return { q, k, v, ...masksOf(options) };

    checkCached(options);
    const all = cache.append(this, k, v);
    const length = offset + query.shape[1]!;
    // The fused kernels look at nothing behind the last position; a product would.
    const seen = (x: Tensor) => (needWeights ? narrow(x, 1, 0, length) : x);
    const keys = seen(all.keys);
    const padding = { keyPaddingMask: paddingUpTo(keys, options, length) };
    return { q, k: keys, v: seen(all.values), ...masksOf(padding), mask: seen(all.mask) };
  }

  // Queries, keys and values of the same x in one product: [b, t, 3 d].
  #projectAll(x: Tensor): Tensor {
    const y = linear(x, this.inProjWeight!, this.inProjBias);
    return this.adapter && !this.adapter.isMerged ? y.add(this.adapter.update(x)) : y;
  }

  // Three products.
  #project(query: Tensor, key: Tensor, value: Tensor, cache: KeyValueCache | undefined) {
    const own = [this.qProjWeight!, this.kProjWeight!, this.vProjWeight!];
    const weights = this.inProjWeight ? chunk(this.inProjWeight, 3) : own;
    const biases = this.inProjBias ? chunk(this.inProjBias, 3) : null;
    const project = (x: Tensor, i: number) => {
      const y = linear(x, weights[i]!, biases?.[i]);
      return this.adapter && !this.adapter.isMerged ? y.add(this.adapter.update(x, i, 3)) : y;
    };
    const ofMemory = () => [this.#turn(project(key, 1)), project(value, 2)] as const;
    const [k, v] = cache ? cache.memory(this, ofMemory) : ofMemory();
    return { q: this.#turn(project(query, 0)), k, v };
  }

  // `parts` tensors of all heads lie side by side in x, of which the first `turned` are turned.
  #turn(x: Tensor, parts = 1, turned = parts, offset = 0): Tensor {
    const heads = parts * this.heads;
    return this.rotary ? this.rotary.forward(x, { heads, rotatedHeads: turned * this.heads, offset }) : x;
  }

  // As multiHeadAttention, with the weights in memory: [b, tq, d] and [b, heads, tq, tk].
  #attendVisibly({ q, k, v, keyMask, ...masks }: Operands): [y: Tensor, weights: Tensor] {
    const { heads } = this;
    const [b, tq, d] = q.shape as [number, number, number];
    const tk = k.shape[1]!;
    // A product adds up 0 * padding, which is to be 0 whatever the padding holds.
    const hide = (x: Tensor) => (keyMask ? maskedFill(x, logicalNot(keyMask).unsqueeze(-1), 0) : x);
    const seen = attentionWeights(q, hide(k), { heads, keyMask, ...masks });
    const weights = dropout(seen, { p: this.dropout, training: this.training });
    const values = permute(reshape(hide(v), [b, tk, heads, d / heads]), [0, 2, 1, 3]); // [b, heads, tk, d / heads]
    const y = scopeInFloat32(() => reshape(permute(matmul(weights, values), [0, 2, 1, 3]), [b, tq, d]));
    return [y, weights];
  }
}

function masksOf({ keyPaddingMask, attnMask, isCausal }: AttentionOptions): Masks {
  if (keyPaddingMask) expectDType("MultiheadAttention", "keyPaddingMask", keyPaddingMask.dtype, ["bool"]);
  if (attnMask) expectDType("MultiheadAttention", "attnMask", attnMask.dtype, ["bool", "f32"]);
  return {
    keyMask: keyPaddingMask && logicalNot(keyPaddingMask),
    mask: attnMask?.dtype === "bool" ? logicalNot(attnMask) : attnMask,
    causal: isCausal,
  };
}

// A token that saw later ones would have had other keys than those in the cache.
function checkCached({ attnMask, isCausal }: AttentionOptions): void {
  if (!isCausal) throw new ValueError("MultiheadAttention: isCausal is false, expected true with a cache");
  if (attnMask) throw new ValueError("MultiheadAttention: attnMask is given, expected none with a cache");
}

// The padding of the positions so far, as that of all keys, of which there may be more: bool [b, tk].
function paddingUpTo(keys: Tensor, { keyPaddingMask }: AttentionOptions, length: number): Tensor | undefined {
  if (!keyPaddingMask) return undefined;
  const [b, tk] = keys.shape as [number, number, number];
  expectShape("MultiheadAttention", "keyPaddingMask", keyPaddingMask.shape, [b, length]);
  return pad(keyPaddingMask, [
    [0, 0],
    [0, tk - length],
  ]);
}
