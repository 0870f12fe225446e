/** Logistic regression on the words of a text, whatever their order: the baseline that a sequence model has to beat. */

import { zeros } from "../kernels/creation/creation.ts";
import { cast, clamp, div, embedding, notEqual } from "../kernels/ops.ts";
import { Module, Parameter } from "../nn/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface BagOfWordsOptions {
  /** Tokens, the padding with id 0 included. */
  vocabSize: number;
  classes: number;
}

export class BagOfWords extends Module {
  readonly weight: Parameter; // [vocabSize, classes]
  readonly bias: Parameter; // [classes]

  constructor({ vocabSize, classes }: BagOfWordsOptions) {
    super();
    this.weight = new Parameter(zeros([vocabSize, classes]));
    this.bias = new Parameter(zeros([classes]));
  }

  /**
   * Adds up the weights of a text's words and divides by the root of their number, so that long texts weigh no more.
   *
   * @param ids i32 [b, t], 0 where there is padding
   * @returns [b, classes] scores before the softmax
   */
  override forward(ids: Tensor): Tensor {
    return scope(() => {
      const perWord = embedding(this.weight, ids, { paddingIndex: 0 }); // [b, t, classes]; padding's row is 0
      const words = clamp(cast(notEqual(ids, 0), "f32").sum(1, { keepDim: true }), { min: 1 }); // [b, 1]
      return div(perWord.sum(1), words.sqrt()).add(this.bias);
    });
  }
}
