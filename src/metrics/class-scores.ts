/** Precision, recall and F1 from a confusion matrix: plain arithmetic, as scikit-learn's. */

/** What is measured of one class. */
export interface ClassScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** The labels of this class. */
  readonly support: number;
}

/** How the scores of classes become one; "none" leaves them apart, "binary" is that of class 1. */
export type Average = "micro" | "macro" | "weighted" | "binary" | "none";

/** What a score without a denominator is; NaN leaves it out of averages. */
export type ZeroDivision = 0 | 1 | typeof Number.NaN;

/**
 * Scores each class by itself.
 *
 *     precision = tp / (tp + fp)      recall = tp / (tp + fn)      f1 = 2 tp / (2 tp + fp + fn)
 *
 * @param confusion a row per class of labels, a column per class of predictions
 * @param zeroDivision what a score without a denominator is
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_recall_fscore_support.html
 */
export function classScores(confusion: readonly (readonly number[])[], zeroDivision: ZeroDivision = 0): ClassScore[] {
  const predicted = columnSums(confusion);
  return confusion.map((row, k) =>
    scoreOf({ right: row[k]!, predicted: predicted[k]!, support: total(row) }, zeroDivision),
  );
}

/**
 * Averages a score over classes, as scikit-learn does: those that neither labels nor predictions have are left out of
 * "macro".
 */
export function averageScore(
  confusion: readonly (readonly number[])[],
  score: keyof ClassScore,
  average: Exclude<Average, "none">,
  zeroDivision: ZeroDivision = 0,
): number {
  if (average === "micro") {
    const all = total(confusion.map(total));
    const right = total(confusion.map((row, k) => row[k]!));
    return scoreOf({ right, predicted: all, support: all }, zeroDivision)[score];
  }
  const scores = classScores(confusion, zeroDivision);
  if (average === "binary") return scores[1]![score];
  const predicted = columnSums(confusion);
  const weights = scores.map(({ support }, k) =>
    average === "weighted" ? support : support + predicted[k]! > 0 ? 1 : 0,
  );
  const parts = scores
    .map((each, k) => ({ value: each[score], weight: weights[k]! }))
    .filter(({ value, weight }) => weight > 0 && !Number.isNaN(value));
  const weight = total(parts.map((part) => part.weight));
  return weight > 0 ? total(parts.map((part) => part.value * part.weight)) / weight : zeroDivision;
}

function scoreOf(
  { right, predicted, support }: { right: number; predicted: number; support: number },
  zeroDivision: ZeroDivision,
): ClassScore {
  const ratio = (a: number, b: number) => (b > 0 ? a / b : zeroDivision);
  return {
    precision: ratio(right, predicted),
    recall: ratio(right, support),
    f1: ratio(2 * right, predicted + support),
    support,
  };
}

function columnSums(rows: readonly (readonly number[])[]): number[] {
  return rows.map((_, k) => total(rows.map((row) => row[k]!)));
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
