/**
 * Choices of kernels that were measured on an adapter (`tilegrad tune`), by buckets of sizes. An op whose bucket is among them
 * takes the choice if it fits the sizes at hand; everything else is left to the op's heuristic.
 */

/** What an op's plan follows from. Each op knows the fields of its own, and passes over one that it cannot use. */
export type Choice = Readonly<Record<string, number | string | boolean>>;

/** Choices by the name of their bucket. */
export type Tuning = ReadonlyMap<string, Choice>;

export const UNTUNED: Tuning = new Map();

/** What was measured for a bucket. Its name is made only where anything was. */
export function measuredFor(tuning: Tuning, bucket: () => string): Choice | undefined {
  return tuning.size > 0 ? tuning.get(bucket()) : undefined;
}

/**
 * The size that stands for others in the name of a bucket: rounded up to a power of two, since that is where tiles end.
 */
export function bucketSize(size: number): number {
  return size <= 1 ? size : 2 ** Math.ceil(Math.log2(size));
}

/** Whole numbers in the name of a bucket. */
export function bucketSizes(...sizes: readonly number[]): string {
  return sizes.map(bucketSize).join("x");
}

/** The first of the choices that lead to each plan. */
export function withDifferentPlans<C>(choices: readonly C[], planOf: (choice: C) => object): C[] {
  const plans = new Set<string>();
  return choices.filter((choice) => {
    const plan = JSON.stringify(planOf(choice));
    return !plans.has(plan) && plans.add(plan);
  });
}
