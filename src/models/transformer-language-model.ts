/** The body of the Transformer classifier, learning to name tokens: those that are hidden, or those that come next. */
import { checkOptions } from "../gpu/errors.ts";
import { zeros } from "../kernels/creation/creation.ts";
import { equal, gelu, indexSelect, linear, reshape } from "../kernels/ops.ts";
import {
  type Embedding,
  LayerNorm,
  type LearnedPositions,
  Linear,
  Module,
  Parameter,
  type SinusoidalPositions,
  type TransformerEncoder,
} from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BODY_OPTIONS, type TransformerBodyOptions, transformerBody } from "./transformer-classifier.ts";

/**
 * Scores the tokens of a vocabulary at chosen places of sequences:
 *
 *     scores = norm(gelu(transform(h))) embeddingᵀ + bias      h = encoder(embedding(ids) + positions)
 *
 * Its `embedding`, `positions` and `encoder` are those of a `TransformerClassifier` with the same options, name by name.
 *
 * @see Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805
 */
export class TransformerLanguageModel extends Module {
  readonly embedding: Embedding; // [vocabSize, d], of the scores too
  readonly positions: LearnedPositions | SinusoidalPositions;
  readonly encoder: TransformerEncoder;
  readonly transform: Linear; // [d, d]
  readonly norm: LayerNorm;
  readonly bias: Parameter; // [vocabSize]
  readonly causal: boolean;

  constructor(options: TransformerBodyOptions) {
    super();
    checkOptions("TransformerLanguageModel", options, BODY_OPTIONS);
    const { vocabSize, features = 128, causal = false } = options;
    const { embedding, positions, encoder } = transformerBody("TransformerLanguageModel", options);
    this.embedding = embedding;
    this.positions = positions;
    this.encoder = encoder;
    this.transform = new Linear(features, features);
    this.norm = new LayerNorm(features);
    this.bias = new Parameter(zeros([vocabSize]));
    this.causal = causal;
  }

  /**
   * @param ids i32 [b, t], 0 where there is padding
   * @param places i32 [n], each row * t + column: where to score, since scores are most of the work
   * @returns [n, vocabSize] scores before the softmax
   */
  override forward(ids: Tensor, places: Tensor): Tensor {
    return scope(() => {
      const x = this.positions.forward(this.embedding.forward(ids)); // [b, t, d]
      const encoded = this.encoder.forward(x, { keyPaddingMask: equal(ids, 0), isCausal: this.causal }); // [b, t, d]
      const chosen = indexSelect(reshape(encoded, [-1, encoded.shape[2]!]), 0, places); // [n, d]
      const h = this.norm.forward(gelu(this.transform.forward(chosen)));
      return linear(h, this.embedding.weight, this.bias);
    });
  }
}
