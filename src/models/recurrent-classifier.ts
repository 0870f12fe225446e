/** An RNN, LSTM or GRU that reads a sequence of tokens and classifies it by its states. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { checkProbability } from "../kernels/dropout/dropout.ts";
import { concat } from "../kernels/functions.ts";
import { cast, dropout, notEqual } from "../kernels/ops.ts";
import { Embedding, GRU, Linear, LSTM, Module, RNN } from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface RecurrentClassifierOptions {
  /** Tokens, the padding with id 0 included. */
  vocabSize: number;
  classes: number;
  /** Default lstm. */
  cell?: "rnn" | "lstm" | "gru";
  /** Features of a token: d (default 128). */
  features?: number;
  /** Features of a state: h (default 128). */
  hidden?: number;
  /** Default 1. */
  layers?: number;
  /** Whether a second network reads from the end (default false). */
  bidirectional?: boolean;
  /** How a sequence becomes one vector: the state after its last token (default), or the mean over all of its states. */
  pooling?: "last" | "mean";
  /** Of the tokens' vectors, between layers, and of that vector (default 0). */
  dropout?: number;
}

const CELLS = { rnn: RNN, lstm: LSTM, gru: GRU };

export class RecurrentClassifier extends Module {
  readonly embedding: Embedding;
  readonly recurrent: RNN | LSTM | GRU;
  readonly head: Linear;
  readonly dropout: number;
  readonly pooling: "last" | "mean";

  constructor(options: RecurrentClassifierOptions) {
    super();
    checkOptions("RecurrentClassifier", options, [
      "vocabSize",
      "classes",
      "cell",
      "features",
      "hidden",
      "layers",
      "bidirectional",
      "pooling",
      "dropout",
    ]);
    const { vocabSize, classes, cell = "lstm", features = 128, hidden = 128, layers = 1 } = options;
    const { bidirectional = false, pooling = "last", dropout = 0 } = options;
    const Cell = CELLS[cell];
    if (!Cell) throw new ValueError(`RecurrentClassifier: cell is "${cell}", expected rnn, lstm or gru`);
    if (pooling !== "last" && pooling !== "mean") {
      throw new ValueError(`RecurrentClassifier: pooling is "${pooling}", expected last or mean`);
    }
    checkProbability("RecurrentClassifier", dropout);
    this.embedding = new Embedding(vocabSize, features, { paddingIndex: 0 });
    const between = layers > 1 ? dropout : 0;
    this.recurrent = new Cell(features, hidden, { numLayers: layers, bidirectional, dropout: between });
    this.head = new Linear(hidden * (bidirectional ? 2 : 1), classes);
    this.dropout = dropout;
    this.pooling = pooling;
  }

  /**
   * @param ids i32 [b, t], 0 where there is padding, which is at the end
   * @returns [b, classes] scores before the softmax
   */
  override forward(ids: Tensor): Tensor {
    return scope(() => {
      const { dropout: p, training } = this;
      const lengths = cast(notEqual(ids, 0), "i32").sum(1); // [b]
      const x = dropout(this.embedding.forward(ids), { p, training }); // [b, t, d]
      const { output, hidden } = this.recurrent.forward(x, { lengths }); // [b, t, h], [layers * directions, b, h]
      const pooled = this.pooling === "mean" ? meanOverTokens(output, lengths) : this.#last(hidden); // [b, h]
      return this.head.forward(dropout(pooled, { p, training }));
    });
  }

  // The last layer's state, of both directions.
  #last(hidden: Tensor): Tensor {
    return this.recurrent.bidirectional ? concat([hidden.at(-2), hidden.at(-1)], -1) : hidden.at(-1);
  }
}

// Behind a sequence's end the states are 0.
function meanOverTokens(output: Tensor, lengths: Tensor): Tensor {
  return output.sum(1).div(cast(lengths, "f32").clamp({ min: 1 }).unsqueeze(-1));
}
