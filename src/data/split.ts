/** Random, repeatable splits of a data set into parts that share nothing and leave nothing out. */

import { checkOptions, ValueError } from "../gpu/errors.ts";
import { type Dataset, Subset } from "./dataset.ts";
import { Random } from "./random.ts";

export interface SplitOptions {
  /** The same seed gives the same split (default 0). */
  seed?: number;
  /** A class for each item: every part then gets its share of every class, as nearly as whole items allow. */
  stratify?: ArrayLike<string | number>;
}

/** A list with a value for each part. */
type Each<Parts extends readonly number[], Value> = { -readonly [K in keyof Parts]: Value };

/**
 * Splits items at random.
 *
 * @param items a list or a data set; the result refers to it
 * @param parts fractions that sum to 1, or counts that sum to the number of items
 * @returns the items of each part, in random order: lists of a list, subsets of a data set
 * @throws ValueError for parts that do not add up, a part with a share but no item, or a class list of another length
 *
 * @example
 * const [train, valid, test] = randomSplit(rows, [0.8, 0.1, 0.1], { seed: 1, stratify: rows.map((row) => row.label) });
 */
export function randomSplit<T, const Parts extends readonly number[]>(
  items: readonly T[],
  parts: Parts,
  options?: SplitOptions,
): Each<Parts, T[]>;
export function randomSplit<T, B, const Parts extends readonly number[]>(
  items: Dataset<T, B>,
  parts: Parts,
  options?: SplitOptions,
): Each<Parts, Subset<T, B>>;
export function randomSplit<T, B>(
  items: readonly T[] | Dataset<T, B>,
  parts: readonly number[],
  options: SplitOptions = {},
): (T[] | Subset<T, B>)[] {
  return splitIndices(items.length, parts, options).map((indices) =>
    "get" in items ? new Subset(items, indices) : Array.from(indices, (i) => items[i]!),
  );
}

/**
 * Splits the indices from 0 to `count - 1` at random; for data in several arrays of one length.
 *
 * @param parts fractions that sum to 1, or counts that sum to `count`
 * @returns the indices of each part, in random order
 * @throws ValueError as `randomSplit` does
 */
export function splitIndices<const Parts extends readonly number[]>(
  count: number,
  parts: Parts,
  options: SplitOptions = {},
): Each<Parts, Int32Array> {
  checkOptions("randomSplit", options, ["seed", "stratify"]);
  const { seed = 0, stratify } = options;
  const sizes = partSizes(count, parts);
  const random = new Random(seed); // stream 0; the epochs of a sampler have the streams above
  const order = random.permutation(count);
  if (stratify) spreadClasses(order, stratify, random);

  let start = 0;
  const split = sizes.map((size) => random.shuffle(order.slice(start, (start += size))));
  return split as Each<Parts, Int32Array>;
}

function partSizes(count: number, parts: readonly number[]): number[] {
  const sum = parts.reduce((total, part) => total + part, 0);
  const isCounts = parts.every(Number.isInteger) && sum === count;
  const isFractions = Math.abs(sum - 1) < 1e-9;
  if (parts.some((part) => !(part >= 0)) || !(isCounts || isFractions)) {
    throw new ValueError(
      `randomSplit: parts are [${parts.join(", ")}], expected fractions that sum to 1 or counts that sum to ${count}`,
    );
  }
  const sizes = isCounts ? [...parts] : largestRemainder(parts.map((fraction) => fraction * count));
  const empty = sizes.findIndex((size, i) => size === 0 && parts[i]! > 0);
  if (empty >= 0) {
    throw new ValueError(
      `randomSplit: part ${empty} of [${parts.join(", ")}] gets none of ${count} items; give it more`,
    );
  }
  return sizes;
}

// Whole numbers with the same sum: rounded down, then one more for the largest remainders.
function largestRemainder(shares: readonly number[]): number[] {
  const sizes = shares.map(Math.floor);
  const missing = Math.round(shares.reduce((a, b) => a + b, 0)) - sizes.reduce((a, b) => a + b, 0);
  const byRemainder = [...shares.keys()].sort((i, j) => shares[j]! - sizes[j]! - (shares[i]! - sizes[i]!));
  for (const i of byRemainder.slice(0, missing)) sizes[i]!++;
  return sizes;
}

const GOLDEN_RATIO = 0.618033988749895;

// Reorders so that any stretch of the order has its share of each class: an item's place is its rank within its class, as
// a fraction of the class. Each class starts at another fraction of a rank, so that small classes are not all rounded into
// the same part.
function spreadClasses(order: Int32Array, classes: ArrayLike<string | number>, random: Random): void {
  if (classes.length !== order.length) {
    throw new ValueError(
      `randomSplit: stratify has ${classes.length} classes, expected one for each of ${order.length} items`,
    );
  }
  const members = new Map<string | number, number[]>();
  for (const i of order) {
    const list = members.get(classes[i]!);
    if (list) list.push(i);
    else members.set(classes[i]!, [i]);
  }
  const place = new Float64Array(order.length);
  let offset = random.uniform();
  for (const list of members.values()) {
    for (const [rank, i] of list.entries()) place[i] = (rank + offset) / list.length;
    offset = (offset + GOLDEN_RATIO) % 1;
  }
  order.sort((i, j) => place[i]! - place[j]!);
}
