/**
 * Which examples come, and in which order. A sampler is a pure function of its options and the epoch's number, so that a
 * training can go on anywhere. `BucketSampler`, in batches.ts, makes whole batches.
 */

import { checkOptions, ValueError } from "../gpu/errors.ts";
import { Random } from "./random.ts";

/** The examples of an epoch, in order. */
export interface Sampler {
  /** How many there are in an epoch. */
  readonly length: number;
  /** @param epoch from 0 @returns [length] numbers of examples */
  indices(epoch: number): Int32Array;
}

/** The batches of an epoch. */
export interface BatchSampler {
  /** How many there are in an epoch. */
  readonly length: number;
  /** @param epoch from 0 @returns the numbers of each batch's examples */
  batches(epoch: number): readonly Int32Array[];
}

/** All examples in their own order. */
export class SequentialSampler implements Sampler {
  readonly length: number;

  /** @param count how many examples there are */
  constructor(count: number) {
    this.length = expectCount("SequentialSampler", "count", count, 0);
  }

  indices(): Int32Array {
    return Int32Array.from({ length: this.length }, (_, i) => i);
  }
}

/** All examples, each once, in an order that is new in each epoch. */
export class RandomSampler implements Sampler {
  readonly length: number;
  readonly #seed: number;

  /** @param count how many examples there are @param options seed (default 0): the same gives the same orders */
  constructor(count: number, options: { seed?: number } = {}) {
    checkOptions("RandomSampler", options, ["seed"]);
    this.length = expectCount("RandomSampler", "count", count, 0);
    this.#seed = options.seed ?? 0;
  }

  indices(epoch: number): Int32Array {
    return epochRandom(this.#seed, epoch).permutation(this.length);
  }
}

export interface WeightedSamplerOptions {
  /** Examples in an epoch (default: as many as weights). */
  count?: number;
  /** Whether an example may come more than once in an epoch (default true). */
  replacement?: boolean;
  /** The same seed gives the same examples (default 0). */
  seed?: number;
}

/**
 * Draws examples in proportion to their weights: rare classes as often as frequent ones, for instance.
 *
 * With replacement, by the inverse of the cumulated weights; without, the largest of u^(1/w), u uniform (Efraimidis and
 * Spirakis, 2006, https://doi.org/10.1016/j.ipl.2005.11.003), which is drawing one after the other from those that are left.
 *
 * @example
 * const share = [900, 100];   // examples of each class
 * new WeightedSampler(Float64Array.from(labels, (label) => 1 / share[label]!));
 */
export class WeightedSampler implements Sampler {
  readonly length: number;
  readonly #weights: Float64Array;
  readonly #replacement: boolean;
  readonly #seed: number;

  /**
   * @param weights [examples] at least 0; they need not sum to 1
   * @throws ValueError for weights or a count that cannot be
   */
  constructor(weights: ArrayLike<number>, options: WeightedSamplerOptions = {}) {
    checkOptions("WeightedSampler", options, ["count", "replacement", "seed"]);
    this.#weights = Float64Array.from(weights);
    this.#replacement = options.replacement ?? true;
    this.#seed = options.seed ?? 0;
    const wrong = this.#weights.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
    if (wrong >= 0) {
      throw new ValueError(`WeightedSampler: weight ${wrong} is ${this.#weights[wrong]}, expected a number from 0`);
    }
    this.length = expectCount("WeightedSampler", "count", options.count ?? this.#weights.length, 0);
    const possible = this.#weights.filter((weight) => weight > 0).length;
    const needed = this.#replacement ? Math.min(1, this.length) : this.length;
    if (possible < needed) {
      const drawn = this.#replacement ? "" : ", as many as are drawn without replacement";
      throw new ValueError(`WeightedSampler: ${possible} weights are above 0, expected ${needed} or more${drawn}`);
    }
  }

  indices(epoch: number): Int32Array {
    const random = epochRandom(this.#seed, epoch);
    return this.#replacement ? this.#drawWithReplacement(random) : this.#drawWithoutReplacement(random);
  }

  #drawWithReplacement(random: Random): Int32Array {
    let total = 0;
    const cumulated = this.#weights.map((weight) => (total += weight));
    return Int32Array.from({ length: this.length }, () => {
      const target = random.uniform() * total;
      let [low, high] = [0, cumulated.length - 1]; // the first that is above the target is among these
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (cumulated[middle]! > target) high = middle;
        else low = middle + 1;
      }
      return low;
    });
  }

  #drawWithoutReplacement(random: Random): Int32Array {
    // log u / w orders as u^(1/w) does, and does not vanish.
    const keys = this.#weights.map((weight) => {
      const key = Math.log(1 - random.uniform()) / weight;
      return weight > 0 ? key : Number.NEGATIVE_INFINITY;
    });
    const order = Int32Array.from(keys.keys()).sort((i, j) => keys[j]! - keys[i]! || i - j);
    return order.slice(0, this.length);
  }
}

/** Cuts a sampler's epochs into batches. */
export class SequentialBatches implements BatchSampler {
  readonly length: number;
  readonly #sampler: Sampler;
  readonly #batchSize: number;

  constructor(sampler: Sampler, batchSize: number, dropLast: boolean) {
    this.#sampler = sampler;
    this.#batchSize = batchSize;
    this.length = (dropLast ? Math.floor : Math.ceil)(sampler.length / batchSize);
  }

  batches(epoch: number): Int32Array[] {
    const indices = this.#sampler.indices(epoch);
    return Array.from({ length: this.length }, (_, i) => indices.slice(i * this.#batchSize, (i + 1) * this.#batchSize));
  }
}

/** The random numbers of an epoch's order. Stream 0 of a seed is that of splits. */
export function epochRandom(seed: number, epoch: number): Random {
  return new Random(seed, epoch + 1);
}

/** Returns `value`. @throws ValueError unless it is a whole number of at least `least` */
export function expectCount(op: string, name: string, value: number, least = 1): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new ValueError(`${op}: ${name} is ${value}, expected a whole number from ${least}`);
}
