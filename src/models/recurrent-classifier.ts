/** An RNN, LSTM or GRU that reads a sequence of tokens and classifies it by its last state. */
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
  /** Of the tokens' vectors, between layers, and of the last state (default 0). */
  dropout?: number;
}

const CELLS = { rnn: RNN, lstm: LSTM, gru: GRU };

export class RecurrentClassifier extends Module {
  readonly embedding: Embedding;
  readonly recurrent: RNN | LSTM | GRU;
  readonly head: Linear;
  readonly dropout: number;

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
      "dropout",
    ]);
    const { vocabSize, classes, cell = "lstm", features = 128, hidden = 128, layers = 1 } = options;
    const { bidirectional = false, dropout = 0 } = options;
    const Cell = CELLS[cell];
    if (!Cell) throw new ValueError(`RecurrentClassifier: cell is "${cell}", expected rnn, lstm or gru`);
    checkProbability("RecurrentClassifier", dropout);
    this.embedding = new Embedding(vocabSize, features, { paddingIndex: 0 });
    const between = layers > 1 ? dropout : 0;
    this.recurrent = new Cell(features, hidden, { numLayers: layers, bidirectional, dropout: between });
    this.head = new Linear(hidden * (bidirectional ? 2 : 1), classes);
    this.dropout = dropout;
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
      const { hidden } = this.recurrent.forward(x, { lengths }); // [layers * directions, b, h]
      const last = this.recurrent.bidirectional ? concat([hidden.at(-2), hidden.at(-1)], -1) : hidden.at(-1); // [b, h]
      return this.head.forward(dropout(last, { p, training }));
    });
  }
}
