import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { cast } from "../kernels/cast/cast.ts";
import { concat, stack } from "../kernels/concat/concat.ts";
import { full } from "../kernels/creation/creation.ts";
import { sub } from "../kernels/elementwise/binary-ops.ts";
import { abs, square } from "../kernels/elementwise/unary-ops.ts";
import { sum } from "../kernels/reduce/sum.ts";
import { reshape } from "../kernels/view/reshape.ts";
import { narrow } from "../kernels/view/slice.ts";
import { formatShape, shapesEqual, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { First, Sums } from "./accumulators.ts";
import { Metric } from "./metric.ts";

/** The mean over elements of what is made of their errors. */
abstract class MeanOfErrors extends Metric {
  protected readonly accumulators = { sums: new Sums() }; // [errors, elements]
  readonly #metric: string;

  constructor(metric: string) {
    super();
    this.#metric = metric;
  }

  protected abstract size(error: Tensor): Tensor;

  protected add(outputs: Tensor, labels: Tensor): void {
    const error = errorOf(this.#metric, outputs, labels);
    const { device, size } = error;
    this.accumulators.sums.add(stack([sum(this.size(error)), full([], size, { device })]));
  }

  /** NaN where there were no elements. */
  async compute(): Promise<number> {
    const [errors = 0, count = 0] = (await this.accumulators.sums.read()) ?? [];
    return errors / count;
  }
}

/**
 * The mean absolute error: 1/n Σ |output - label|.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.mean_absolute_error.html
 */
export class MeanAbsoluteError extends MeanOfErrors {
  constructor() {
    super("MeanAbsoluteError");
  }

  protected size(error: Tensor): Tensor {
    return abs(error);
  }
}

/**
 * The mean squared error, 1/n Σ (output - label)², or its root.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.mean_squared_error.html
 */
export class MeanSquaredError extends MeanOfErrors {
  readonly #squared: boolean;

  /** @param options squared: false for the root of it (default true) */
  constructor(options: { squared?: boolean } = {}) {
    super("MeanSquaredError");
    checkOptions("MeanSquaredError", options, ["squared"]);
    this.#squared = options.squared ?? true;
  }

  protected size(error: Tensor): Tensor {
    return square(error);
  }

  override async compute(): Promise<number> {
    const value = await super.compute();
    return this.#squared ? value : Math.sqrt(value);
  }
}

/** How the values of several outputs become one; "none" leaves them apart, and "weighted" is by their labels' variance. */
export type R2Average = "uniform" | "weighted" | "none";

/**
 * The coefficient of determination: the share of the labels' variance that the outputs explain.
 *
 *     R² = 1 - Σ (label - output)² / Σ (label - mean label)²
 *
 * Where all labels are equal it is 1 for outputs without error, else 0; for less than two labels it is NaN. `update` takes
 * outputs and labels [n], or [n, outputs], of which each column has a value.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.r2_score.html
 */
export class R2<A extends R2Average = "uniform"> extends Metric<A extends "none" ? number[] : number> {
  // Labels are counted from the first row's, so that few digits cancel, and none vary where all are equal. The sums are those of error²,
  // (label - center)² and label - center, each per column, and the number of rows.
  protected readonly accumulators = { center: new First(), sums: new Sums() };
  readonly #average: R2Average;

  /** @param options average over outputs (default "uniform") @throws ValueError */
  constructor(options: { average?: A } = {}) {
    super();
    checkOptions("R2", options, ["average"]);
    const { average = "uniform" } = options;
    if (!["uniform", "weighted", "none"].includes(average)) {
      throw new ValueError(`R2: average is "${average}", expected "uniform", "weighted", "none"`);
    }
    this.#average = average;
  }

  protected add(outputs: Tensor, labels: Tensor): void {
    const error = errorOf("R2", outputs, labels);
    const columns = labels.rank < 2 ? 1 : sizeOf(labels.shape.slice(1));
    const rows = labels.size / columns;
    if (rows === 0) return;
    const asRows = (x: Tensor) => reshape(x, [rows, columns]);
    const wanted = asRows(cast(labels, "f32") as Tensor);
    const { center, sums } = this.accumulators;
    const centered = sub(
      wanted,
      center.get(() => narrow(wanted, 0, 0, 1)),
    );
    const parts = [square(asRows(error)), square(centered), centered].map((part) => sum(part, 0));
    sums.add(concat([...parts, full([1], rows, { device: error.device }) as Tensor]));
  }

  async compute(): Promise<A extends "none" ? number[] : number> {
    const sums = (await this.accumulators.sums.read()) ?? new Float64Array(4).fill(Number.NaN);
    const columns = (sums.length - 1) / 3;
    const rows = sums.at(-1)!;
    const variances = Array.from({ length: columns }, (_, k) => {
      return Math.max(0, sums[columns + k]! - sums[2 * columns + k]! ** 2 / rows);
    });
    const values = variances.map((variance, k) => {
      if (!(rows >= 2)) return Number.NaN;
      const error = sums[k]!;
      return variance > 0 ? 1 - error / variance : error === 0 ? 1 : 0;
    });
    return this.#averaged(values, variances) as A extends "none" ? number[] : number;
  }

  #averaged(values: readonly number[], variances: readonly number[]): number | readonly number[] {
    if (this.#average === "none") return values;
    const isWeighted = this.#average === "weighted" && variances.some((variance) => variance > 0);
    const weights = values.map((_, k) => (isWeighted ? variances[k]! : 1));
    const weighted = values.reduce((total, value, k) => total + value * weights[k]!, 0);
    return weighted / weights.reduce((total, weight) => total + weight, 0);
  }
}

/** output - label, of the labels' shape; a last axis of one output may be missing in the labels. */
function errorOf(metric: string, outputs: Tensor, labels: Tensor): Tensor {
  const isColumn = shapesEqual(outputs.shape, [...labels.shape, 1]);
  if (!isColumn && !shapesEqual(outputs.shape, labels.shape)) {
    throw new ShapeError(
      `${metric}: outputs have shape ${formatShape(outputs.shape)}, expected ${formatShape(labels.shape)} as labels`,
    );
  }
  return sub(reshape(outputs, labels.shape), cast(labels, "f32"));
}
