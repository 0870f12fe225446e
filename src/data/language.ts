/** Texts without labels as questions about their tokens: which one was hidden here, or which one comes next. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { padSequences } from "./batches.ts";
import { type Dataset, expectIndex } from "./dataset.ts";
import { Random } from "./random.ts";
import type { Vocab } from "./vocab.ts";

/** Hidden tokens, found from both sides; or each next token, found from those before. */
export type LanguageObjective = "masked" | "causal";

export interface LanguageDatasetOptions {
  objective: LanguageObjective;
  /** Longer texts are cut to their first tokens. */
  maxLength: number;
  /** The share of a text's tokens that is asked for with "masked", at least one (default 0.15). */
  maskShare?: number;
  /** The special token that hides another (default `<mask>`). */
  maskToken?: string;
  /** The same seed hides the same tokens in the same epoch (default 0). */
  seed?: number;
}

/** A text as the model sees it, where it is asked for tokens, and which they were. */
export interface LanguageExample {
  readonly ids: Int32Array;
  readonly columns: Int32Array;
  readonly targets: Int32Array;
}

/** Texts, and questions about them, as the Trainer takes them. */
export interface LanguageBatch {
  /** i32 [batch, time], 0 where there is padding; and i32 [n], each row * time + column: where a token is asked for. */
  readonly inputs: readonly [ids: Tensor<"i32">, places: Tensor<"i32">];
  /** i32 [n]: the answers. */
  readonly labels: Tensor<"i32">;
  /** The number of questions: n. */
  readonly size: number;
}

// Streams below are the batches' own.
const FIRST_MASK_STREAM = 2 ** 31;

/**
 * Texts as sequences of ids, other tokens of which are asked for in each epoch.
 *
 * @example
 * const batchSampler = new BucketSampler(set.lengths, { batchSize: 64 });   // of texts of similar length
 * for await (const { inputs: [ids, places], labels } of new DataLoader(set, { batchSampler })) ...
 */
export class LanguageDataset implements Dataset<LanguageExample, LanguageBatch> {
  readonly sequences: readonly Int32Array[];
  /** How many tokens are asked for in an epoch. */
  readonly questions: number;
  readonly #vocab: Vocab;
  readonly #options: Required<LanguageDatasetOptions>;

  /**
   * Leaves out texts about which there is nothing to ask: those without a known token, or without a second one.
   *
   * @param sequences the ids of each text
   * @throws ValueError for an option that does not exist or cannot be, or a vocabulary without the token that hides others
   */
  constructor(sequences: readonly Int32Array[], vocab: Vocab, options: LanguageDatasetOptions) {
    checkOptions("LanguageDataset", options, ["objective", "maxLength", "maskShare", "maskToken", "seed"]);
    const { objective, maxLength, maskShare = 0.15, maskToken = "<mask>", seed = 0 } = options;
    if (objective !== "masked" && objective !== "causal") {
      throw new ValueError(`LanguageDataset: objective is "${objective}", expected masked or causal`);
    }
    if (!(maskShare > 0 && maskShare <= 1)) {
      throw new ValueError(`LanguageDataset: maskShare is ${maskShare}, expected a number above 0, at most 1`);
    }
    if (!Number.isInteger(maxLength) || maxLength < 2) {
      throw new ValueError(`LanguageDataset: maxLength is ${maxLength}, expected a whole number from 2 up`);
    }
    const isSpecial = vocab.has(maskToken) && vocab.get(maskToken) < vocab.specials;
    if (objective === "masked" && !isSpecial) {
      throw new ValueError(
        `LanguageDataset: the vocabulary has no special token "${maskToken}"; build it with one among its specials`,
      );
    }
    this.#vocab = vocab;
    this.#options = { objective, maxLength, maskShare, maskToken, seed };
    this.sequences = sequences
      .map((ids) => ids.subarray(0, maxLength))
      .filter((ids) => ids.length > 1 && this.#askable(ids).length > 0);
    this.questions = this.sequences.reduce((total, ids) => total + this.#asked(this.#askable(ids).length), 0);
  }

  get length(): number {
    return this.sequences.length;
  }

  /** [length] the tokens of each text. */
  get lengths(): Int32Array {
    return Int32Array.from(this.sequences, ({ length }) => length);
  }

  get(index: number, epoch: number): LanguageExample {
    expectIndex("LanguageDataset", index, this.length);
    const sequence = this.sequences[index]!;
    const askable = this.#askable(sequence);
    if (this.#options.objective === "causal") {
      return { ids: sequence, columns: askable.map((column) => column - 1), targets: askable.map((c) => sequence[c]!) };
    }
    const stream = FIRST_MASK_STREAM + ((epoch * this.length + index) % FIRST_MASK_STREAM);
    const random = new Random(this.#options.seed, stream);
    const columns = random.shuffle(askable).slice(0, this.#asked(askable.length)).sort();
    const targets = columns.map((column) => sequence[column]!);
    const ids = sequence.slice();
    for (const column of columns) ids[column] = this.#hide(ids[column]!, random);
    return { ids, columns, targets };
  }

  collate(examples: readonly LanguageExample[]): LanguageBatch {
    const { ids, shape } = padSequences(examples.map(({ ids }) => ids));
    const places = examples.flatMap(({ columns }, row) => Array.from(columns, (column) => row * shape[1] + column));
    const targets = examples.flatMap(({ targets }) => [...targets]);
    return {
      inputs: [tensor(ids, { shape, dtype: "i32" }), tensor(places, { dtype: "i32" })],
      labels: tensor(targets, { dtype: "i32" }),
      size: places.length,
    };
  }

  // The columns whose token may be asked for: those of ordinary tokens, with "causal" that have one before them.
  #askable(ids: Int32Array): Int32Array {
    const first = this.#options.objective === "causal" ? 1 : 0;
    const columns = Int32Array.from(ids, (_, column) => column);
    return columns.filter((column) => column >= first && ids[column]! >= this.#vocab.specials);
  }

  #asked(askable: number): number {
    const { objective, maskShare } = this.#options;
    return objective === "causal" ? askable : Math.max(1, Math.round(maskShare * askable));
  }

  // As in BERT: 80 % hidden, 10 % another token, 10 % as it was, so that no place is sure to be right.
  #hide(id: number, random: Random): number {
    const { specials, size } = this.#vocab;
    const u = random.uniform();
    if (u < 0.8) return this.#vocab.get(this.#options.maskToken);
    return u < 0.9 ? specials + random.integer(size - specials) : id;
  }
}
