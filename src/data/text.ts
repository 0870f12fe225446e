/** Labelled texts as batches of tensors. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BucketSampler, padSequences } from "./batches.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { Vocab } from "./vocab.ts";

/** Examples of similar length. */
export interface TextBatch {
  /** i32 [batch, time], 0 where there is padding. */
  readonly ids: Tensor<"i32">;
  /** i32 [batch] */
  readonly labels: Tensor<"i32">;
  /** The number of examples. */
  readonly size: number;
  /** Which examples of the data set they are. */
  readonly indices: Int32Array;
}

export interface TextBatchOptions {
  batchSize: number;
  /** Longer texts are cut to their first tokens. */
  maxLength: number;
  /** New order and new batches in each epoch (default true). */
  shuffle?: boolean;
  seed?: number;
  /** The batch to begin with, to go on within an epoch (default 0). */
  from?: number;
}

/** Texts as sequences of ids, with a class for each. Id 0 is the vocabulary's padding. */
export class TextDataset {
  readonly sequences: readonly Int32Array[];
  readonly labels: Int32Array;

  /** @throws ValueError unless there is one label per text */
  constructor(texts: readonly string[], labels: Int32Array, tokenizer: Tokenizer, vocab: Vocab) {
    if (texts.length !== labels.length) {
      throw new ValueError(
        `TextDataset: there are ${labels.length} labels, expected one for each of ${texts.length} texts`,
      );
    }
    this.sequences = texts.map((text) => vocab.encode(tokenizer.tokenize(text)));
    this.labels = labels;
  }

  get length(): number {
    return this.labels.length;
  }

  /**
   * The batches of an epoch, of texts of similar length. Each batch's tensors are made when it is asked for, and are the
   * caller's to free.
   */
  *batches(epoch: number, options: TextBatchOptions): Iterable<TextBatch> {
    checkOptions("batches", options, ["batchSize", "maxLength", "shuffle", "seed", "from"]);
    const { batchSize, maxLength, shuffle = true, seed = 0, from = 0 } = options;
    const lengths = this.sequences.map(({ length }) => Math.min(length, maxLength));
    const sampler = new BucketSampler(lengths, { batchSize, shuffle, seed });
    for (const indices of sampler.batches(epoch).slice(from)) {
      const { ids, shape } = padSequences(
        Array.from(indices, (i) => this.sequences[i]!),
        { maxLength },
      );
      yield {
        ids: tensor(ids, { shape, dtype: "i32" }),
        labels: tensor(
          indices.map((i) => this.labels[i]!),
          { dtype: "i32" },
        ),
        size: indices.length,
        indices,
      };
    }
  }
}
