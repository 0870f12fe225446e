/** A convolutional classifier of sequences of tokens: filters over some neighbouring tokens, the strongest answer of each. */
import { checkOptions } from "../gpu/errors.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { concat } from "../kernels/functions.ts";
import { cast, dropout, notEqual, pad, relu, transpose } from "../kernels/ops.ts";
import { Conv1d, Embedding, Linear, Module, ModuleList } from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface TextCNNOptions {
  /** Tokens, the padding with id 0 included. */
  vocabSize: number;
  classes: number;
  /** Features of a token: d (default 128). */
  features?: number;
  /** Filters of each width (default 100). */
  filters?: number;
  /** Tokens that a filter sees (default 3, 4 and 5). */
  widths?: readonly number[];
  /** Of the filters' answers (default 0.5). */
  dropout?: number;
}

/** @see Kim 2014, https://arxiv.org/abs/1408.5882 */
export class TextCNN extends Module {
  readonly embedding: Embedding;
  readonly convs: ModuleList<Conv1d>;
  readonly head: Linear;
  readonly dropout: number;

  constructor(options: TextCNNOptions) {
    super();
    checkOptions("TextCNN", options, ["vocabSize", "classes", "features", "filters", "widths", "dropout"]);
    const { vocabSize, classes, features = 128, filters = 100, widths = [3, 4, 5], dropout = 0.5 } = options;
    checkProbability("TextCNN", dropout);
    this.embedding = new Embedding(vocabSize, features, { paddingIndex: 0 });
    this.convs = new ModuleList(widths.map((width) => new Conv1d(features, filters, width)));
    this.head = new Linear(filters * widths.length, classes);
    this.dropout = dropout;
  }

  /**
   * @param ids i32 [b, t], 0 where there is padding, which is at the end
   * @returns [b, classes] scores before the softmax
   */
  override forward(ids: Tensor): Tensor {
    return scope(() => {
      const x = transpose(this.embedding.forward(ids), 1, 2); // [b, d, t]
      const isToken = cast(notEqual(ids, 0), "f32").unsqueeze(1); // [b, 1, t]
      const answers = [...this.convs].map((conv) => {
        // A filter starts at each token; what it sees behind the last one is 0, as padding is.
        const after = conv.weight.shape[2]! - 1;
        const y = relu(
          conv.forward(
            pad(x, [
              [0, 0],
              [0, 0],
              [0, after],
            ]),
          ),
        ); // [b, filters, t]
        return y.mul(isToken).max(2); // [b, filters]
      });
      const strongest = concat(answers, 1); // [b, filters * widths]
      return this.head.forward(dropout(strongest, { p: this.dropout, training: this.training }));
    });
  }
}
