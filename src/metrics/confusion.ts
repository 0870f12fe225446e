import { checkOptions, ValueError } from "../gpu/errors.ts";
import { cast } from "../kernels/cast/cast.ts";
import { arange, full, zeros } from "../kernels/creation/creation.ts";
import { add, mul } from "../kernels/elementwise/binary-ops.ts";
import { where } from "../kernels/elementwise/ternary.ts";
import { indexAdd, indexSelect } from "../kernels/index-select/index-select.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Counts } from "./accumulators.ts";
import { type Average, averageScore, type ClassScore, classScores, type ZeroDivision } from "./class-scores.ts";
import { type ClassOptions, classesOf, expectWhole } from "./classes.ts";
import { Metric } from "./metric.ts";

/** Counts of pairs of classes, from which more than one metric is computed. */
abstract class FromConfusion<R> extends Metric<R> {
  protected readonly accumulators = { pairs: new Counts() };
  readonly #metric: string;
  readonly #classes: number;
  readonly #options: ClassOptions;

  constructor(metric: string, classes: number, options: ClassOptions) {
    super();
    expectWhole(metric, "classes", classes, 2);
    this.#metric = metric;
    this.#classes = classes;
    this.#options = options;
  }

  protected add(outputs: Tensor, labels: Tensor): void {
    const classes = this.#classes;
    const { predicted, actual, counted } = classesOf(this.#metric, outputs, labels, this.#options);
    const { device } = actual;
    // Classes that were predicted elsewhere may be out of range, where a pair's number would be another pair's.
    const known = indexSelect(arange(0, classes, 1, { dtype: "i32", device }) as Tensor, 0, predicted);
    const pairs = add(mul(actual, classes), known);
    const index = counted ? where(counted, pairs, 0) : pairs;
    const ones = counted ? cast(counted, "i32") : full([index.size], 1, { dtype: "i32", device });
    this.accumulators.pairs.add(
      indexAdd(zeros([classes * classes], { dtype: "i32", device }) as Tensor, 0, index, ones as Tensor),
    );
  }

  /** A row per class of labels, a column per class of predictions. */
  protected async confusion(): Promise<number[][]> {
    const counts = await this.accumulators.pairs.read();
    const classes = this.#classes;
    return Array.from({ length: classes }, (_, row) =>
      Array.from({ length: classes }, (_, column) => counts?.[row * classes + column] ?? 0),
    );
  }
}

export interface ConfusionMatrixOptions extends ClassOptions {
  readonly classes: number;
  /** Divide by the sum of the row ("true"), of the column ("pred"), or of all; default: counts. */
  readonly normalize?: "true" | "pred" | "all" | undefined;
}

/**
 * Counts how often each class was taken for each other: a row per class of labels, a column per class of predictions.
 *
 * `update` takes what `Accuracy` takes. A class that is none is thrown at the next await.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.confusion_matrix.html
 */
export class ConfusionMatrix extends FromConfusion<number[][]> {
  readonly #normalize: ConfusionMatrixOptions["normalize"];

  /**
   * @param options classes, normalize, ignoreIndex, threshold
   * @throws ValueError unless there are 2 classes or more, or for another normalize
   */
  constructor(options: ConfusionMatrixOptions) {
    checkOptions("ConfusionMatrix", options, ["classes", "normalize", "ignoreIndex", "threshold"]);
    super("ConfusionMatrix", options.classes, options);
    expectOneOf("ConfusionMatrix", "normalize", options.normalize, [undefined, "true", "pred", "all"]);
    this.#normalize = options.normalize;
  }

  /** The counts, or shares of them; 0 where there is nothing to divide by. */
  async compute(): Promise<number[][]> {
    const counts = await this.confusion();
    const normalize = this.#normalize;
    if (normalize === undefined) return counts;
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const all = sum(counts.map(sum));
    return counts.map((row) =>
      row.map((count, column) => {
        const whole =
          normalize === "true" ? sum(row) : normalize === "pred" ? sum(counts.map((other) => other[column]!)) : all;
        return whole > 0 ? count / whole : 0;
      }),
    );
  }
}

export interface ClassScoreOptions<A extends Average = Average> extends ClassOptions {
  readonly classes: number;
  /** Default "macro". */
  readonly average?: A;
  /** What a score is that has nothing to divide by: 0 (default), 1, or NaN, which averages leave out. */
  readonly zeroDivision?: ZeroDivision;
}

/** A number, or with the average "none" one per class. */
export type Averaged<A extends Average> = A extends "none" ? number[] : number;

abstract class ClassScoreMetric<A extends Average> extends FromConfusion<Averaged<A>> {
  readonly #score: keyof ClassScore;
  readonly #average: Average;
  readonly #zeroDivision: ZeroDivision;

  constructor(metric: string, score: keyof ClassScore, options: ClassScoreOptions<A>) {
    checkOptions(metric, options, ["classes", "average", "zeroDivision", "ignoreIndex", "threshold"]);
    super(metric, options.classes, options);
    const { average = "macro", zeroDivision = 0, classes } = options;
    expectOneOf(metric, "average", average, ["micro", "macro", "weighted", "binary", "none"]);
    if (average === "binary" && classes !== 2) {
      throw new ValueError(`${metric}: the average is "binary" and there are ${classes} classes, expected 2`);
    }
    if (!(zeroDivision === 0 || zeroDivision === 1 || Number.isNaN(zeroDivision))) {
      throw new ValueError(`${metric}: zeroDivision is ${zeroDivision}, expected 0, 1 or NaN`);
    }
    this.#score = score;
    this.#average = average;
    this.#zeroDivision = zeroDivision;
  }

  async compute(): Promise<Averaged<A>> {
    const confusion = await this.confusion();
    const value =
      this.#average === "none"
        ? classScores(confusion, this.#zeroDivision).map((score) => score[this.#score])
        : averageScore(confusion, this.#score, this.#average, this.#zeroDivision);
    return value as Averaged<A>;
  }
}

/**
 * The share of a class's predictions that are right: tp / (tp + fp), averaged over classes.
 *
 * `update` takes what `Accuracy` takes.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_score.html
 */
export class Precision<A extends Average = "macro"> extends ClassScoreMetric<A> {
  /** @param options classes, average, zeroDivision, ignoreIndex, threshold @throws ValueError */
  constructor(options: ClassScoreOptions<A>) {
    super("Precision", "precision", options);
  }
}

/**
 * The share of a class's labels that are predicted: tp / (tp + fn), averaged over classes.
 *
 * `update` takes what `Accuracy` takes.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.recall_score.html
 */
export class Recall<A extends Average = "macro"> extends ClassScoreMetric<A> {
  /** @param options classes, average, zeroDivision, ignoreIndex, threshold @throws ValueError */
  constructor(options: ClassScoreOptions<A>) {
    super("Recall", "recall", options);
  }
}

/**
 * The harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn), averaged over classes.
 *
 * `update` takes what `Accuracy` takes.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.f1_score.html
 */
export class F1<A extends Average = "macro"> extends ClassScoreMetric<A> {
  /** @param options classes, average, zeroDivision, ignoreIndex, threshold @throws ValueError */
  constructor(options: ClassScoreOptions<A>) {
    super("F1", "f1", options);
  }
}

function expectOneOf<T>(metric: string, name: string, value: T, known: readonly T[]): void {
  if (known.includes(value)) return;
  const names = known.filter((one) => one !== undefined).map((one) => `"${one}"`);
  throw new ValueError(`${metric}: ${name} is "${value}", expected ${names.join(", ")}`);
}
