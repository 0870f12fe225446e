/** A Transformer encoder that classifies sequences of tokens. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { cast, dropout, equal, logicalNot } from "../kernels/ops.ts";
import { Embedding, LearnedPositions, Linear, Module, SinusoidalPositions, TransformerEncoder } from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface TransformerClassifierOptions {
  /** Tokens, the padding with id 0 included. */
  vocabSize: number;
  classes: number;
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
  /** How a sequence becomes one vector: the mean over its tokens, or the first token's vector. */
  pooling?: "mean" | "first";
}

const OPTIONS = [
  "vocabSize",
  "classes",
  "maxLength",
  "features",
  "heads",
  "layers",
  "feedForward",
  "dropout",
  "normFirst",
  "activation",
  "positions",
  "pooling",
] as const;

export class TransformerClassifier extends Module {
  readonly embedding: Embedding;
  readonly positions: LearnedPositions | SinusoidalPositions;
  readonly encoder: TransformerEncoder;
  readonly head: Linear;
  readonly dropout: number;
  readonly pooling: "mean" | "first";

  constructor(options: TransformerClassifierOptions) {
    super();
    checkOptions("TransformerClassifier", options, OPTIONS);
    const { vocabSize, classes, maxLength, features = 128, heads = 4, layers = 2, dropout = 0.1 } = options;
    const { feedForward = 2 * features, normFirst = false, activation = "relu" } = options;
    const { positions = "learned", pooling = "mean" } = options;
    if (pooling !== "mean" && pooling !== "first") {
      throw new ValueError(`TransformerClassifier: pooling is "${pooling}", expected mean or first`);
    }
    checkProbability("TransformerClassifier", dropout);
    // From vectors of length near 1 a small data set teaches faster than from PyTorch's, which are ten times longer.
    this.embedding = new Embedding(vocabSize, features, { paddingIndex: 0, std: 1 / Math.sqrt(features) });
    this.positions =
      positions === "learned"
        ? new LearnedPositions(features, maxLength, { dropout })
        : new SinusoidalPositions(features, { maxLength, dropout });
    this.encoder = new TransformerEncoder(features, heads, layers, { feedForward, dropout, normFirst, activation });
    this.head = new Linear(features, classes);
    this.dropout = dropout;
    this.pooling = pooling;
  }

  /**
   * @param ids i32 [b, t], 0 where there is padding
   * @returns [b, classes] scores before the softmax
   */
  override forward(ids: Tensor): Tensor {
    return scope(() => {
      const isPadding = equal(ids, 0); // [b, t]
      const x = this.positions.forward(this.embedding.forward(ids)); // [b, t, d]
      const encoded = this.encoder.forward(x, { keyPaddingMask: isPadding }); // [b, t, d]
      const pooled = this.pooling === "mean" ? meanOverTokens(encoded, isPadding) : encoded.at(null, 0); // [b, d]
      return this.head.forward(dropout(pooled, { p: this.dropout, training: this.training }));
    });
  }
}

// The mean over the tokens that are no padding; 0 for a sequence without any.
function meanOverTokens(x: Tensor, isPadding: Tensor): Tensor {
  const isToken = cast(logicalNot(isPadding), "f32"); // [b, t]
  const total = x.mul(isToken.unsqueeze(-1)).sum(1); // [b, d]
  return total.div(isToken.sum(1, { keepDim: true }).clamp({ min: 1 }));
}
