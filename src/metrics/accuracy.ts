import { checkOptions, ShapeError } from "../gpu/errors.ts";
import { stack } from "../kernels/concat/concat.ts";
import { full } from "../kernels/creation/creation.ts";
import { equal, logicalAnd } from "../kernels/elementwise/binary-ops.ts";
import { any } from "../kernels/reduce/logic.ts";
import { sum } from "../kernels/reduce/sum.ts";
import { topk } from "../kernels/sort/sort.ts";
import { reshape } from "../kernels/view/reshape.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Counts } from "./accumulators.ts";
import { actualClasses, type ClassOptions, classesOf, expectWhole, scoresOf } from "./classes.ts";
import { Metric } from "./metric.ts";

/** The share of elements that are counted as right. */
abstract class ShareOfRight extends Metric {
  protected readonly accumulators = { counts: new Counts() };

  /** @param right bool [n] @param counted bool [n], or null where all count */
  protected count(right: Tensor, counted: Tensor | null): void {
    const { device, size } = right;
    const total = counted ? sum(counted) : full([], size, { dtype: "i32", device });
    this.accumulators.counts.add(stack([sum(counted ? logicalAnd(right, counted) : right), total as Tensor]));
  }

  /** NaN where nothing was counted. */
  async compute(): Promise<number> {
    const counts = await this.accumulators.counts.read();
    return counts ? counts[0]! / counts[1]! : Number.NaN;
  }
}

/**
 * The share of elements whose class is predicted.
 *
 *     accuracy = #(predicted = label) / #labels
 *
 * `update` takes scores [n, classes, ...] (the highest one's class is predicted, the first one's of equals) with labels [n, ...], or
 * classes, or scores of class 1, of labels' shape.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.accuracy_score.html
 */
export class Accuracy extends ShareOfRight {
  readonly #options: ClassOptions;

  /** @param options ignoreIndex, threshold */
  constructor(options: ClassOptions = {}) {
    super();
    checkOptions("Accuracy", options, ["ignoreIndex", "threshold"]);
    this.#options = options;
  }

  protected add(outputs: Tensor, labels: Tensor): void {
    const { predicted, actual, counted } = classesOf("Accuracy", outputs, labels, this.#options);
    this.count(equal(predicted, actual), counted);
  }
}

/**
 * The share of elements whose class is among the k highest scores; of equal scores the first count as higher.
 *
 * `update` takes scores [n, classes, ...] and labels [n, ...].
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.top_k_accuracy_score.html
 */
export class TopKAccuracy extends ShareOfRight {
  readonly #k: number;
  readonly #ignoreIndex: number | undefined;

  /**
   * @param options k (default 5), ignoreIndex
   * @throws ValueError unless k is a whole number of 1 or more
   */
  constructor(options: { k?: number; ignoreIndex?: number | undefined } = {}) {
    super();
    checkOptions("TopKAccuracy", options, ["k", "ignoreIndex"]);
    const { k = 5, ignoreIndex } = options;
    expectWhole("TopKAccuracy", "k", k, 1);
    this.#k = k;
    this.#ignoreIndex = ignoreIndex;
  }

  protected add(outputs: Tensor, labels: Tensor): void {
    const scores = scoresOf("TopKAccuracy", outputs, labels, false); // [n, classes]
    const [n, classes] = scores.shape as [number, number];
    if (this.#k > classes) {
      throw new ShapeError(
        `TopKAccuracy: outputs have shape ${formatShape(outputs.shape)}, ${classes} classes; expected ${this.#k} or more`,
      );
    }
    const { actual, counted } = actualClasses(labels, this.#ignoreIndex);
    const { indices } = topk(scores, this.#k);
    this.count(any(equal(indices, reshape(actual, [n, 1])), 1), counted);
  }
}
