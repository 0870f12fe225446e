/** A look at labels before they are believed: how many there are of each, which contradict each other, and which look wrong. */

import { ValueError } from "../gpu/errors.ts";
import { findDuplicates } from "./clean.ts";

export interface ClassCount {
  readonly label: string;
  readonly count: number;
  /** Of all examples. */
  readonly share: number;
}

/** Texts that are the same and do not have the same label. */
export interface LabelConflict {
  readonly text: string;
  /** Their indices. */
  readonly indices: Int32Array;
  /** The label of each. */
  readonly labels: readonly string[];
}

export interface LabelAudit {
  /** The most frequent first. */
  readonly classes: readonly ClassCount[];
  /** The count of the most frequent class over that of the least frequent. */
  readonly imbalance: number;
  readonly conflicts: readonly LabelConflict[];
  /** Examples that are there more than once, beyond the first, whatever their labels. */
  readonly repeated: number;
}

/**
 * Counts classes and finds equal texts with different labels.
 *
 * @param texts [examples]
 * @param labels [examples]
 * @throws ValueError unless there is a label for each text
 */
export function auditLabels(texts: readonly string[], labels: readonly string[]): LabelAudit {
  if (texts.length !== labels.length || texts.length === 0) {
    throw new ValueError(
      `auditLabels: there are ${labels.length} labels, expected one for each of ${texts.length} texts`,
    );
  }
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const classes = [...counts]
    .map(([label, count]) => ({ label, count, share: count / labels.length }))
    .sort((a, b) => b.count - a.count);
  const { kept, groups } = findDuplicates(texts);
  const conflicts = groups
    .map((indices) => ({
      text: texts[indices[0]!]!,
      indices,
      labels: Array.from(indices, (i) => labels[i]!),
    }))
    .filter((group) => new Set(group.labels).size > 1);
  return {
    classes,
    imbalance: classes[0]!.count / classes.at(-1)!.count,
    conflicts,
    repeated: texts.length - kept.length,
  };
}

/** An example whose label looks wrong. */
export interface LabelIssue {
  readonly index: number;
  readonly label: number;
  /** The class that it seems to be of. */
  readonly suggested: number;
  /** The probability of the suggested class less that of the label: the more, the surer. */
  readonly margin: number;
}

/**
 * Finds labels that are probably wrong, by confident learning: an example counts as of another class if that class's probability
 * reaches the mean that the class has among the examples labelled so, and its own label's is lower.
 *
 * The probabilities must be those of models that have not seen the example, such as of k folds; a model that has learned it by
 * heart agrees with any label.
 *
 * @param labels [examples] classes
 * @param probabilities [examples, classes] a row for each
 * @returns the surest first
 * @throws ValueError for rows or labels that do not fit
 * @see Northcutt, Jiang and Chuang, Confident Learning, 2021, https://doi.org/10.1613/jair.1.12125
 *
 * @example
 * for (const { index, suggested } of findLabelIssues(labels, probabilities)) console.log(texts[index], classes.name(suggested));
 */
export function findLabelIssues(labels: ArrayLike<number>, probabilities: readonly ArrayLike<number>[]): LabelIssue[] {
  const classes = probabilities[0]?.length ?? 0;
  if (labels.length !== probabilities.length) {
    throw new ValueError(
      `findLabelIssues: there are ${probabilities.length} rows of probabilities, expected one for each of ${labels.length} labels`,
    );
  }
  const sums = new Float64Array(classes);
  const counts = new Float64Array(classes);
  for (const [i, row] of probabilities.entries()) {
    const label = labels[i]!;
    if (row.length !== classes) {
      throw new ValueError(
        `findLabelIssues: row ${i} has ${row.length} probabilities, expected ${classes}, one per class`,
      );
    }
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new ValueError(`findLabelIssues: label ${i} is ${label}, expected 0 to ${classes - 1}`);
    }
    sums[label]! += row[label]!;
    counts[label]!++;
  }
  const thresholds = sums.map((sum, k) => (counts[k]! > 0 ? sum / counts[k]! : Number.POSITIVE_INFINITY));
  const issues: LabelIssue[] = [];
  for (const [i, row] of probabilities.entries()) {
    let suggested = -1;
    for (let k = 0; k < classes; k++) {
      if (row[k]! >= thresholds[k]! && (suggested < 0 || row[k]! > row[suggested]!)) suggested = k;
    }
    const label = labels[i]!;
    if (suggested < 0 || suggested === label || row[suggested]! <= row[label]!) continue;
    issues.push({ index: i, label, suggested, margin: row[suggested]! - row[label]! });
  }
  return issues.sort((a, b) => b.margin - a.margin || a.index - b.index);
}
