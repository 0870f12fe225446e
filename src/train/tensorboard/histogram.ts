/** How values are distributed, in buckets that grow by a tenth with the distance from 0, as TensorFlow's. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly count: number;
  readonly sum: number;
  readonly sumOfSquares: number;
  /** The upper end of each bucket, where the next one begins. */
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

const SMALLEST = 1e-12;
const LARGEST = 1e20;
const GROWTH = 1.1;

const LIMITS = bucketLimits();

function bucketLimits(): Float64Array {
  const positive: number[] = [];
  for (let limit = SMALLEST; limit < LARGEST; limit *= GROWTH) positive.push(limit);
  positive.push(Number.MAX_VALUE);
  return Float64Array.from([...positive.map((limit) => -limit).reverse(), 0, ...positive]);
}

/**
 * Counts values in buckets.
 *
 * @param values what is no finite number is left out
 * @returns null where nothing is left
 * @see https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/histogram/histogram.h
 */
export function histogramOf(values: ArrayLike<number>): Histogram | null {
  const counts = new Float64Array(LIMITS.length);
  let [min, max, count, sum, sumOfSquares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    counts[bucketOf(value)]!++;
    min = Math.min(min, value);
    max = Math.max(max, value);
    count++;
    sum += value;
    sumOfSquares += value * value;
  }
  return count === 0 ? null : { min, max, count, sum, sumOfSquares, ...withoutGaps(counts) };
}

/** The first bucket whose limit is above the value. */
function bucketOf(value: number): number {
  let low = 0;
  let high = LIMITS.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (LIMITS[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Of empty buckets in a row one is left, so that the next one begins where it should; at the end none.
function withoutGaps(counts: Float64Array): Pick<Histogram, "limits" | "counts"> {
  const kept = [...counts.keys()].filter((i) => counts[i]! > 0 || (counts[i + 1] ?? 0) > 0);
  return { limits: kept.map((i) => LIMITS[i]!), counts: kept.map((i) => counts[i]!) };
}
