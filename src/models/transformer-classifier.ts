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
  /**
   * How a sequence becomes one vector: the mean over its tokens (default), the first token's vector, or the vector of a trained
   * token for the class, which stands before all others.
   */
  pooling?: "mean" | "first" | "class";
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
  readonly classToken: Parameter | null; // [d], for pooling "class"
  readonly dropout: number;
  readonly pooling: "mean" | "first" | "class";

  constructor(options: TransformerClassifierOptions) {
    super();
    checkOptions("TransformerClassifier", options, OPTIONS);
    const { vocabSize, classes, maxLength, features = 128, heads = 4, layers = 2, dropout = 0.1 } = options;
    const { feedForward = 2 * features, normFirst = false, activation = "relu" } = options;
    const { positions = "learned", pooling = "mean" } = options;
    if (pooling !== "mean" && pooling !== "first" && pooling !== "class") {
      throw new ValueError(`TransformerClassifier: pooling is "${pooling}", expected mean, first or class`);
    }
    checkProbability("TransformerClassifier", dropout);
    // From vectors of length near 1 a small data set teaches faster than from PyTorch's, which are ten times longer.
    const std = 1 / Math.sqrt(features);
    this.embedding = new Embedding(vocabSize, features, { paddingIndex: 0, std });
    const length = pooling === "class" ? maxLength + 1 : maxLength;
    this.positions =
      positions === "learned"
        ? new LearnedPositions(features, length, { dropout })
        : new SinusoidalPositions(features, { maxLength: length, dropout });
    this.encoder = new TransformerEncoder(features, heads, layers, { feedForward, dropout, normFirst, activation });
    this.head = new Linear(features, classes);
    this.classToken = pooling === "class" ? new Parameter(randn([features], { std })) : null;
    this.dropout = dropout;
    this.pooling = pooling;
  }

  /**
   * @param ids i32 [b, t], 0 where there is padding
   * @returns [b, classes] scores before the softmax
   */
  override forward(ids: Tensor): Tensor {
    return scope(() => {
      const [x, isPadding] = this.#withClassToken(this.embedding.forward(ids), equal(ids, 0)); // [b, t, d], [b, t]
      const encoded = this.encoder.forward(this.positions.forward(x), { keyPaddingMask: isPadding }); // [b, t, d]
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
