/**
 * Random numbers on the host, for splits and shuffles: threefry2x32-20 in counter mode. Word `i` of a stream depends on
 * the seed, the stream and `i` alone, so the state is three integers and two streams of one seed never overlap.
 */

import { checkOptions, ValueError } from "../gpu/errors.ts";
import { threefry } from "../kernels/random/threefry.ts";

/** Everything a generator is, to be stored as JSON and given to `Random.fromJSON`. */
export interface RandomState {
  seed: number;
  stream: number;
  drawn: number; // words taken so far
}

/**
 * A seeded generator for shuffles on the host. The same seed and stream give the same numbers on every machine.
 *
 * @example
 * const random = new Random(42);
 * const order = random.permutation(1000);
 * const state = JSON.stringify(random);        // continues exactly: Random.fromJSON(JSON.parse(state))
 */
export class Random {
  readonly #seed: number;
  readonly #stream: number;
  #drawn = 0;
  #block: [number, number] = [0, 0];

  /**
   * @param seed an integer from 0 to 2^53 - 1
   * @param stream an integer from 0 to 2^32 - 1; streams of one seed are independent
   * @throws ValueError
   */
  constructor(seed = 0, stream = 0) {
    this.#seed = integerUpTo(Number.MAX_SAFE_INTEGER, "seed", seed);
    this.#stream = integerUpTo(2 ** 32 - 1, "stream", stream);
  }

  /**
   * A generator for one place in a training, an example or batch of an epoch, that owes nothing to any other place: what is
   * drawn there is the same whether the training ran through or was resumed.
   *
   * @param stream as the constructor's; different uses of one place take different streams
   * @throws ValueError
   */
  static at({ epoch, index }: { readonly epoch: number; readonly index: number }, seed = 0, stream = 0): Random {
    const counters = [integerUpTo(2 ** 32 - 1, "index", index), integerUpTo(2 ** 32 - 1, "epoch", epoch)] as const;
    const [low, high] = threefry(...keyOf(integerUpTo(Number.MAX_SAFE_INTEGER, "seed", seed)), ...counters);
    return new Random((high >>> 11) * 2 ** 32 + low, stream);
  }

  /** Restores a generator that was saved with `toJSON`. @throws ValueError */
  static fromJSON(state: RandomState): Random {
    checkOptions("Random.fromJSON", state, ["seed", "stream", "drawn"]);
    const random = new Random(state.seed, state.stream);
    random.#drawn = integerUpTo(2 ** 33, "drawn", state.drawn);
    if (random.#drawn % 2 === 1) random.#block = random.#encrypt(random.#drawn - 1);
    return random;
  }

  toJSON(): RandomState {
    return { seed: this.#seed, stream: this.#stream, drawn: this.#drawn };
  }

  /** Draws an integer from 0 to 2^32 - 1. */
  uint32(): number {
    const index = this.#drawn++;
    if (index % 2 === 0) this.#block = this.#encrypt(index);
    return this.#block[index % 2]!;
  }

  /** Draws a number in [0, 1) with 53 random bits. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** Draws from the normal distribution of mean 0 and deviation 1 (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /**
   * Draws an integer from 0 to `bound - 1`, each equally likely.
   *
   * @param bound from 1 to 2^32
   * @throws ValueError
   */
  integer(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
      throw new ValueError(`Random.integer: bound is ${bound}, expected an integer from 1 to 2^32`);
    }
    const accepted = 2 ** 32 - (2 ** 32 % bound); // words above would favour the small remainders
    let word = this.uint32();
    while (word >= accepted) word = this.uint32();
    return word % bound;
  }

  /** Shuffles `items` in place (Fisher and Yates) and returns them. */
  shuffle<T extends unknown[] | Int32Array>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }

  /** Draws an order of `count` things: [count], the integers from 0 to `count - 1` shuffled. */
  permutation(count: number): Int32Array {
    return this.shuffle(Int32Array.from({ length: count }, (_, i) => i));
  }

  #encrypt(index: number): [number, number] {
    return threefry(...keyOf(this.#seed), index / 2, this.#stream);
  }
}

function keyOf(seed: number): [number, number] {
  return [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
}

function integerUpTo(most: number, name: string, value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new ValueError(`Random: ${name} is ${value}, expected an integer from 0 to ${most}`);
}
