/**
 * Batches of sequences: which examples go together (`BucketSampler`) and how they become rectangles (`padSequences`).
 * The batches of an epoch are a pure function of the options and the epoch's number, so that a run resumes at any batch.
 */

import { checkOptions, ValueError } from "../gpu/errors.ts";
import type { Dataset } from "./dataset.ts";
import { Random } from "./random.ts";

export interface BucketSamplerOptions {
  /** Examples per batch. */
  batchSize: number;
  /** Draw a new order for each epoch (default true). Without, every epoch is the same. */
  shuffle?: boolean;
  /** The same seed gives the same batches (default 0). */
  seed?: number;
  /** Leave out what does not fill a batch: with `shuffle`, other examples in each epoch (default false). */
  dropLast?: boolean;
  /** Sort by length within pools of so many batches (default 100): more wastes less padding, fewer mixes better. */
  poolBatches?: number;
}

/**
 * Groups examples of similar length into batches, so that little of a batch is padding: shuffles, cuts into pools, sorts
 * each pool by length, cuts the pools into batches, and shuffles the batches.
 *
 * @example
 * const sampler = new BucketSampler(tokenized.map((ids) => ids.length), { batchSize: 64 });
 * for (const batch of sampler.batches(epoch)) padSequences(Array.from(batch, (i) => tokenized[i]));
 */
export class BucketSampler {
  readonly #lengths: ArrayLike<number>;
  readonly #options: Required<BucketSamplerOptions>;

  /**
   * @param lengths [examples] the length of each
   * @throws ValueError for an option that does not exist or cannot be
   */
  constructor(lengths: ArrayLike<number>, options: BucketSamplerOptions) {
    checkOptions("BucketSampler", options, ["batchSize", "shuffle", "seed", "dropLast", "poolBatches"]);
    const { batchSize, shuffle = true, seed = 0, dropLast = false, poolBatches = 100 } = options;
    for (const [name, value] of Object.entries({ batchSize, poolBatches })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new ValueError(`BucketSampler: ${name} is ${value}, expected an integer of at least 1`);
      }
    }
    this.#lengths = lengths;
    this.#options = { batchSize, shuffle, seed, dropLast, poolBatches };
  }

  /**
   * A sampler for a data set's examples.
   *
   * @param length of an example
   * @throws ValueError for a data set that gives examples later
   * @example
   * new DataLoader(train, { batchSampler: BucketSampler.of(train, ([ids]) => ids.length, { batchSize: 32 }) });
   */
  static of<T>(dataset: Dataset<T, unknown>, length: (example: T) => number, options: BucketSamplerOptions) {
    const lengths = Int32Array.from({ length: dataset.length }, (_, i) => {
      const example = dataset.get(i, 0);
      if (!(example instanceof Promise)) return length(example);
      example.catch(() => {});
      throw new ValueError("BucketSampler.of: examples are promises; give the constructor their lengths");
    });
    return new BucketSampler(lengths, options);
  }

  /** The number of batches in an epoch. */
  get length(): number {
    const { batchSize, dropLast } = this.#options;
    return dropLast ? Math.floor(this.#lengths.length / batchSize) : Math.ceil(this.#lengths.length / batchSize);
  }

  /**
   * The batches of an epoch, each a list of indices of examples.
   *
   * @param epoch from 0
   */
  batches(epoch: number): Int32Array[] {
    const { batchSize, shuffle, seed, dropLast, poolBatches } = this.#options;
    const count = this.#lengths.length;
    const random = new Random(seed, epoch + 1); // stream 0 is that of splits
    const order = shuffle ? random.permutation(count) : Int32Array.from({ length: count }, (_, i) => i);
    // Dropped before sorting: afterwards it would be the longest examples of the last pool, every time.
    const used = dropLast ? order.subarray(0, this.length * batchSize) : order;

    const batches: Int32Array[] = [];
    for (let start = 0; start < used.length; start += poolBatches * batchSize) {
      const pool = used
        .slice(start, start + poolBatches * batchSize)
        .sort((i, j) => this.#lengths[i]! - this.#lengths[j]!);
      for (let from = 0; from < pool.length; from += batchSize) batches.push(pool.slice(from, from + batchSize));
    }
    return shuffle ? random.shuffle(batches) : batches;
  }
}

export interface PadOptions {
  /** The id in place of what is not there (default 0, a `Vocab`'s `<pad>`). */
  padValue?: number;
  /** Cut longer sequences to their first `maxLength` ids (default: no limit). */
  maxLength?: number;
}

/** Sequences as one rectangle, row-major. */
export interface PaddedBatch {
  /** [batch, time] ids, `padValue` after the end of each sequence. */
  ids: Int32Array;
  /** [batch] real positions of each row, at least 1. */
  lengths: Int32Array;
  /** [batch, time] 1 for a real position, 0 for padding. */
  mask: Uint32Array;
  /** [batch, time]; time is that of the longest row, at least 1. */
  shape: [number, number];
}

/**
 * Pads sequences at the end to the length of the longest.
 *
 * A sequence without ids becomes one `padValue` that counts as real (length 1, mask 1): attention over an empty row and
 * the mean of an empty row are not numbers.
 *
 * @param sequences [batch] lists of ids
 * @throws ValueError for an option that does not exist or cannot be
 *
 * @example
 * padSequences([[5, 6, 7], [8]]);   // ids 5 6 7 | 8 0 0, lengths 3 1, mask 1 1 1 | 1 0 0, shape [2, 3]
 */
export function padSequences(sequences: readonly ArrayLike<number>[], options: PadOptions = {}): PaddedBatch {
  checkOptions("padSequences", options, ["padValue", "maxLength"]);
  const { padValue = 0, maxLength = Number.POSITIVE_INFINITY } = options;
  if (!Number.isInteger(padValue)) throw new ValueError(`padSequences: padValue is ${padValue}, expected an integer`);
  if (!(maxLength >= 1)) throw new ValueError(`padSequences: maxLength is ${maxLength}, expected at least 1`);

  const lengths = Int32Array.from(sequences, ({ length }) => Math.max(1, Math.min(length, maxLength)));
  const time = lengths.reduce((longest, length) => Math.max(longest, length), 1);
  const ids = new Int32Array(sequences.length * time).fill(padValue);
  const mask = new Uint32Array(sequences.length * time);
  for (const [row, sequence] of sequences.entries()) {
    const start = row * time;
    mask.fill(1, start, start + lengths[row]!);
    for (let t = 0; t < lengths[row]! && t < sequence.length; t++) ids[start + t] = sequence[t]!;
  }
  return { ids, lengths, mask, shape: [sequences.length, time] };
}
