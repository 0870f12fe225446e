/**
 * Texts without labels as questions about their tokens: which one was hidden here, or which one comes next. The batches of
 * an epoch, hidden tokens included, are a pure function of the options and the epoch's number.
 */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BucketSampler, padSequences } from "./batches.ts";
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
}

/** Texts of similar length, and questions about them. */
export interface LanguageBatch {
  /** i32 [batch, time], 0 where there is padding. */
  readonly ids: Tensor<"i32">;
  /** i32 [n], each row * time + column: where a token is asked for. */
  readonly places: Tensor<"i32">;
  /** i32 [n]: the answers. */
  readonly targets: Tensor<"i32">;
  /** The number of questions: n. */
  readonly size: number;
}

export interface LanguageBatchOptions {
  batchSize: number;
  /** New order, new batches and newly hidden tokens in each epoch (default true). */
  shuffle?: boolean;
  seed?: number;
  /** The batch to begin with (default 0). */
  from?: number;
}

// Streams below are the batches' own.
const FIRST_MASK_STREAM = 2 ** 31;

export class LanguageDataset {
  readonly sequences: readonly Int32Array[];
  /** Questions in an epoch. */
  readonly length: number;
  readonly #vocab: Vocab;
  readonly #options: Required<LanguageDatasetOptions>;

  /**
   * Leaves out texts about which there is nothing to ask: those without a known token, or without a second one.
   *
   * @param sequences the ids of each text
   * @throws ValueError for an option that does not exist or cannot be, or a vocabulary without the token that hides others
   */
  constructor(sequences: readonly Int32Array[], vocab: Vocab, options: LanguageDatasetOptions) {
    checkOptions("LanguageDataset", options, ["objective", "maxLength", "maskShare", "maskToken"]);
    const { objective, maxLength, maskShare = 0.15, maskToken = "<mask>" } = options;
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
    this.#options = { objective, maxLength, maskShare, maskToken };
    this.sequences = sequences
      .map((ids) => ids.subarray(0, maxLength))
      .filter((ids) => ids.length > 1 && this.#askable(ids).length > 0);
    this.length = this.sequences.reduce((total, ids) => total + this.#questions(this.#askable(ids).length), 0);
  }

  /** The batches of an epoch. Each batch's tensors are made when it is asked for, and are the caller's to free. */
  *batches(epoch: number, options: LanguageBatchOptions): Iterable<LanguageBatch> {
    checkOptions("batches", options, ["batchSize", "shuffle", "seed", "from"]);
    const { batchSize, shuffle = true, seed = 0, from = 0 } = options;
    const lengths = this.sequences.map(({ length }) => length);
    const sampler = new BucketSampler(lengths, { batchSize, shuffle, seed });
    for (const indices of sampler.batches(epoch).slice(from)) {
      const asked = Array.from(indices, (i) => {
        const stream = (shuffle ? epoch : 0) * this.sequences.length + i;
        return this.#ask(this.sequences[i]!, new Random(seed, FIRST_MASK_STREAM + (stream % FIRST_MASK_STREAM)));
      });
      const { ids, shape } = padSequences(asked.map(({ ids }) => ids));
      const places = asked.flatMap(({ columns }, row) => Array.from(columns, (column) => row * shape[1] + column));
      const targets = asked.flatMap(({ targets }) => [...targets]);
      yield {
        ids: tensor(ids, { shape, dtype: "i32" }),
        places: tensor(places, { dtype: "i32" }),
        targets: tensor(targets, { dtype: "i32" }),
        size: places.length,
      };
    }
  }

  // The columns whose token may be asked for: those of ordinary tokens, with "causal" that have one before them.
  #askable(ids: Int32Array): Int32Array {
    const first = this.#options.objective === "causal" ? 1 : 0;
    const columns = Int32Array.from(ids, (_, column) => column);
    return columns.filter((column) => column >= first && ids[column]! >= this.#vocab.specials);
  }

  #questions(askable: number): number {
    const { objective, maskShare } = this.#options;
    return objective === "causal" ? askable : Math.max(1, Math.round(maskShare * askable));
  }

  // What the model sees, where it answers, and what is right.
  #ask(sequence: Int32Array, random: Random): { ids: Int32Array; columns: Int32Array; targets: Int32Array } {
    const askable = this.#askable(sequence);
    if (this.#options.objective === "causal") {
      return { ids: sequence, columns: askable.map((column) => column - 1), targets: askable.map((c) => sequence[c]!) };
    }
    const columns = random.shuffle(askable).slice(0, this.#questions(askable.length)).sort();
    const targets = columns.map((column) => sequence[column]!);
    const ids = sequence.slice();
    for (const column of columns) ids[column] = this.#hide(ids[column]!, random);
    return { ids, columns, targets };
  }

  // As in BERT: 80 % hidden, 10 % another token, 10 % as it was, so that no place is sure to be right.
  #hide(id: number, random: Random): number {
    const { specials, size } = this.#vocab;
    const u = random.uniform();
    if (u < 0.8) return this.#vocab.get(this.#options.maskToken);
    return u < 0.9 ? specials + random.integer(size - specials) : id;
  }
}
