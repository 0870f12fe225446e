/**
 * Indices that are out of range are found by kernels, long after the call returned. The kernel records the first one in
 * a device's `indexErrors` buffer (`kernels/lib/index-error.wgsl`), reads and writes nothing there, and the next await
 * throws what `takeIndexError` makes of the record.
 *
 *     indexErrors : [site + 1 (0: none), position, value]
 */
import { ValueError } from "./errors.ts";

export const INDEX_ERROR_WORDS = 3;

interface Site {
  readonly op: string;
  readonly argument: string;
  readonly bound: number;
}

// The same call site always has the same number, so that a replayed step reports it rightly.
const sites: Site[] = [];
const numbers = new Map<string, number>();

/** A param for kernels that check indices: stands for `op`'s `argument`, whose values must be in [0, bound). */
export function indexSite(op: string, argument: string, bound: number): number {
  const key = `${op}\0${argument}\0${bound}`;
  let number = numbers.get(key);
  if (number === undefined) {
    number = sites.length;
    sites.push({ op, argument, bound });
    numbers.set(key, number);
  }
  return number;
}

/** What a kernel's record says as an error, or null for an empty record. */
export function indexError(record: ArrayLike<number>): ValueError | null {
  const site = sites[record[0]! - 1];
  if (!site) return null;
  const { op, argument, bound } = site;
  const expected = bound > 0 ? `an index from 0 to ${bound - 1}` : "no index, since the indexed axis is empty";
  return new ValueError(`${op}: ${argument} has ${record[2]! | 0} at position ${record[1]}, expected ${expected}`);
}

/** What a reference calls where its kernel calls `reportIndexError`: the first report is kept. */
export function reportIndexError(record: Uint32Array, site: number, position: number, value: number): void {
  if (record[0] !== 0) return;
  record[0] = site + 1;
  record[1] = position;
  record[2] = value;
}
