/** Labelled texts as sequences of ids. */
import { ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { padSequences } from "./batches.ts";
import { type Dataset, expectIndex, type LabelledBatch } from "./dataset.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { Vocab } from "./vocab.ts";

export interface TextExample {
  readonly ids: Int32Array;
  readonly label: number;
  readonly index: number;
}

/**
 * Texts as sequences of ids, with a class for each. A batch's input is i32 [batch, time], 0 where there is padding, which is
 * the vocabulary's id 0.
 *
 * @example
 * const batchSampler = new BucketSampler(set.lengths, { batchSize: 64 });   // of texts of similar length
 * for await (const { inputs: [ids], labels } of new DataLoader(set, { batchSampler })) ...
 */
export class TextDataset implements Dataset<TextExample, LabelledBatch<readonly [Tensor<"i32">]>> {
  readonly sequences: readonly Int32Array[];
  readonly labels: Int32Array;

  /**
   * @param maxLength longer texts are cut to their first tokens (default: none is)
   * @throws ValueError unless there is one label per text
   */
  constructor(
    texts: readonly string[],
    labels: Int32Array,
    tokenizer: Tokenizer,
    vocab: Vocab,
    maxLength = Number.POSITIVE_INFINITY,
  ) {
    if (texts.length !== labels.length) {
      throw new ValueError(
        `TextDataset: there are ${labels.length} labels, expected one for each of ${texts.length} texts`,
      );
    }
    this.sequences = texts.map((text) => vocab.encode(tokenizer.tokenize(text)).slice(0, maxLength));
    this.labels = labels;
  }

  get length(): number {
    return this.labels.length;
  }

  /** [length] the tokens of each text. */
  get lengths(): Int32Array {
    return Int32Array.from(this.sequences, ({ length }) => length);
  }

  get(index: number): TextExample {
    expectIndex("TextDataset", index, this.length);
    return { ids: this.sequences[index]!, label: this.labels[index]!, index };
  }

  collate(examples: readonly TextExample[]): LabelledBatch<readonly [Tensor<"i32">]> {
    const { ids, shape } = padSequences(examples.map(({ ids }) => ids));
    return {
      inputs: [tensor(ids, { shape, dtype: "i32" })],
      labels: tensor(
        Int32Array.from(examples, ({ label }) => label),
        { dtype: "i32" },
      ),
      size: examples.length,
      indices: Int32Array.from(examples, ({ index }) => index),
    };
  }
}
