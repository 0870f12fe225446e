/** A Transformer encoder that classifies sequences of tokens. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { concat } from "../kernels/concat/concat.ts";
import { zeros } from "../kernels/creation/creation.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { cast, dropout, equal, expand, logicalNot } from "../kernels/ops.ts";
import { randn } from "../kernels/random/random.ts";
import {
  Embedding,
  LearnedPositions,
  Linear,
  Module,
  Parameter,
  SinusoidalPositions,
  TransformerEncoder,
} from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What the classifier and the language model have in common. */
export interface TransformerBodyOptions {
  /** Tokens, the padding with id 0 included. */
  vocabSize: number;
  /** The longest sequence. */
  maxLength: number;
  /** Features of a token: d (default 128). */
  features?: number;
  heads?: number;
  layers?: number;
  /** Features inside the feed-forward networks (default 2 d). */
  feedForward?: number;
  dropout?: number;
  normFirst?: boolean;
  activation?: "relu" | "gelu";
  positions?: "learned" | "sinusoidal";
  /** Whether a token sees no later ones (default false). */
  causal?: boolean;
}

export interface TransformerClassifierOptions extends TransformerBodyOptions {
  classes: number;
  /**
   * How a sequence becomes one vector: the mean over its tokens (default), the first token's vector, or the vector of a trained
   * token for the class, which stands before all others.
   */
  pooling?: "mean" | "first" | "class";
}

export const BODY_OPTIONS = [
  "vocabSize",
  "maxLength",
  "features",
  "heads",
  "layers",
  "feedForward",
  "dropout",
  "normFirst",
  "activation",
  "positions",
  "causal",
] as const satisfies readonly (keyof TransformerBodyOptions)[];

/** Embedding, positions and encoder, by the names that all models of them have in common. */
export function transformerBody(op: string, options: TransformerBodyOptions) {
  const { vocabSize, maxLength, features = 128, heads = 4, layers = 2, dropout = 0.1 } = options;
  const { feedForward = 2 * features, normFirst = false, activation = "relu", positions = "learned" } = options;
  checkProbability(op, dropout);
  // From vectors of length near 1 a small data set teaches faster than from PyTorch's, which are ten times longer.
  const embedding = new Embedding(vocabSize, features, { paddingIndex: 0, std: 1 / Math.sqrt(features) });
  const placed =
    positions === "learned"
      ? new LearnedPositions(features, maxLength, { dropout })
      : new SinusoidalPositions(features, { maxLength, dropout });
  const layer = { feedForward, dropout, normFirst, activation };
  return { embedding, positions: placed, encoder: new TransformerEncoder(features, heads, layers, layer) };
}

export class TransformerClassifier extends Module {
  readonly embedding: Embedding;
  readonly positions: LearnedPositions | SinusoidalPositions;
  readonly encoder: TransformerEncoder;
  readonly head: Linear;
  readonly classToken: Parameter | null; // [d], for pooling "class"
  readonly dropout: number;
  readonly pooling: "mean" | "first" | "class";
  readonly causal: boolean;

  constructor(options: TransformerClassifierOptions) {
    super();
    checkOptions("TransformerClassifier", options, [...BODY_OPTIONS, "classes", "pooling"]);
    const { classes, pooling = "mean", ...body } = options;
    const { maxLength, features = 128, dropout = 0.1, causal = false } = options;
    if (pooling !== "mean" && pooling !== "first" && pooling !== "class") {
      throw new ValueError(`TransformerClassifier: pooling is "${pooling}", expected mean, first or class`);
    }
    if (causal && pooling !== "mean") {
      throw new ValueError(
        `TransformerClassifier: pooling is "${pooling}", expected mean where no token sees later ones`,
      );
    }
    const length = pooling === "class" ? maxLength + 1 : maxLength;
    const { embedding, positions, encoder } = transformerBody("TransformerClassifier", { ...body, maxLength: length });
    this.embedding = embedding;
    this.positions = positions;
    this.encoder = encoder;
    this.head = new Linear(features, classes);
    this.classToken = pooling === "class" ? new Parameter(randn([features], { std: 1 / Math.sqrt(features) })) : null;
    this.dropout = dropout;
    this.pooling = pooling;
    this.causal = causal;
  }

  /**
   * @param ids i32 [b, t], 0 where there is padding
   * @returns [b, classes] scores before the softmax
   */
  override forward(ids: Tensor): Tensor {
    return scope(() => {
      const [x, isPadding] = this.#withClassToken(this.embedding.forward(ids), equal(ids, 0)); // [b, t, d], [b, t]
      const masks = { keyPaddingMask: isPadding, isCausal: this.causal };
      const encoded = this.encoder.forward(this.positions.forward(x), masks); // [b, t, d]
      const pooled = this.pooling === "mean" ? meanOverTokens(encoded, isPadding) : encoded.at(null, 0); // [b, d]
      return this.head.forward(dropout(pooled, { p: this.dropout, training: this.training }));
    });
  }

  // [b, t, d] and [b, t], with one position more at the start if there is a token for the class.
  #withClassToken(x: Tensor, isPadding: Tensor): [x: Tensor, isPadding: Tensor] {
    if (!this.classToken) return [x, isPadding];
    const [b, , d] = x.shape as [number, number, number];
    const token = expand(this.classToken, [b, 1, d]);
    const isNoPadding = zeros([b, 1], { dtype: "bool", device: x.device });
    return [concat([token, x], 1), concat([isNoPadding, isPadding], 1)];
  }
}

// The mean over the tokens that are no padding; 0 for a sequence without any.
function meanOverTokens(x: Tensor, isPadding: Tensor): Tensor {
  const isToken = cast(logicalNot(isPadding), "f32"); // [b, t]
  const total = x.mul(isToken.unsqueeze(-1)).sum(1); // [b, d]
  return total.div(isToken.sum(1, { keepDim: true }).clamp({ min: 1 }));
}
