import { checkOptions, ShapeError, ValueError } from "../gpu/errors.ts";
import { cast } from "../kernels/cast/cast.ts";
import { concat } from "../kernels/concat/concat.ts";
import { arange, full, zeros } from "../kernels/creation/creation.ts";
import { add, equal, mul } from "../kernels/elementwise/binary-ops.ts";
import { where } from "../kernels/elementwise/ternary.ts";
import { clamp } from "../kernels/elementwise/unary-ops.ts";
import { indexAdd } from "../kernels/index-select/index-select.ts";
import { expand } from "../kernels/view/expand.ts";
import { flatten, reshape } from "../kernels/view/reshape.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Counts, Rows } from "./accumulators.ts";
import { actualClasses, expectWhole, scoresOf } from "./classes.ts";
import { Metric } from "./metric.ts";

export interface AUCOptions<A extends "macro" | "weighted" | "none" = "macro" | "weighted" | "none"> {
  /** Of the scores; 1 (default) for one score per label, which is that of class 1. */
  readonly classes?: number | undefined;
  /** Over classes, each against the rest: "macro" (default), "weighted" by their labels, or "none", one value each. */
  readonly average?: A;
  /**
   * Count scores, from 0 to 1, in this many bins of one width: memory is then fixed, and those of one bin count as equal.
   * Default: the exact value, for which every score is kept on the device.
   */
  readonly bins?: number | undefined;
  /** Whether outputs are logits, whose softmax, or sigmoid where there is one score, is taken first (default false). */
  readonly logits?: boolean;
  /** Elements with this label are left out. */
  readonly ignoreIndex?: number | undefined;
}

/**
 * The area under the receiver operating characteristic: how often a label of the class has a higher score than another
 * label; equal scores count half.
 *
 *     AUC = P(score of a positive > score of a negative) + P(equal) / 2
 *
 * `update` takes scores [n, classes, ...] and labels [n, ...], or one score per label. A class without labels, or without
 * others, has no value: NaN, which averages leave out.
 *
 * @see https://scikit-learn.org/stable/modules/generated/sklearn.metrics.roc_auc_score.html, multi_class="ovr"
 */
export class AUC<A extends "macro" | "weighted" | "none" = "macro"> extends Metric<
  A extends "none" ? number[] : number
> {
  protected readonly accumulators = { rows: new Rows(), bins: new Counts() };
  readonly #options: Required<Pick<AUCOptions, "classes" | "average" | "logits">> & AUCOptions;

  /** @param options classes, average, bins, logits, ignoreIndex @throws ValueError */
  constructor(options: AUCOptions<A> = {}) {
    super();
    checkOptions("AUC", options, ["classes", "average", "bins", "logits", "ignoreIndex"]);
    const { classes = 1, average = "macro", logits = false, bins } = options;
    expectWhole("AUC", "classes", classes, 1);
    if (bins !== undefined) expectWhole("AUC", "bins", bins, 2);
    if (!["macro", "weighted", "none"].includes(average)) {
      throw new ValueError(`AUC: average is "${average}", expected "macro", "weighted", "none"`);
    }
    this.#options = { ...options, classes, average, logits };
  }

  protected add(outputs: Tensor, labels: Tensor): void {
    const { classes, logits, bins, ignoreIndex } = this.#options;
    const scores = scoresOf("AUC", outputs, labels, logits!); // [n, classes]
    if (scores.shape[1] !== classes) {
      throw new ShapeError(`AUC: outputs have shape ${formatShape(outputs.shape)}, expected ${classes} classes`);
    }
    const { actual, counted } = actualClasses(labels, ignoreIndex);
    if (bins === undefined) this.#keepRows(scores, actual, counted);
    else this.#countBins(scores, actual, counted, bins);
  }

  // A row is its scores, its label, and whether it counts.
  #keepRows(scores: Tensor, actual: Tensor, counted: Tensor | null): void {
    const n = scores.shape[0]!;
    const { device } = scores;
    const weights = counted ? cast(counted, "f32") : full([n], 1, { device });
    const columns = [cast(actual, "f32"), weights as Tensor].map((column) => reshape(column as Tensor, [n, 1]));
    this.accumulators.rows.add(concat([scores, ...columns], 1));
  }

  // The counts are [classes, bins, others and own].
  #countBins(scores: Tensor, actual: Tensor, counted: Tensor | null, bins: number): void {
    const classes = this.#options.classes!;
    const [n] = scores.shape as [number];
    const { device } = scores;
    const bin = cast(clamp(mul(scores, bins), { min: 0, max: bins - 1 }), "i32"); // [n, classes]
    const numbers = arange(0, classes, 1, { dtype: "i32", device }) as Tensor;
    const wanted = classes === 1 ? full([1], 1, { dtype: "i32", device }) : numbers;
    const isOwn = cast(equal(reshape(actual, [n, 1]), wanted as Tensor), "i32") as Tensor; // [n, classes]
    const place = add(mul(add(mul(numbers, bins), bin as Tensor), 2), isOwn);
    const kept = counted ? expand(reshape(counted, [n, 1]), [n, classes]) : null;
    const index = flatten(kept ? where(kept, place, 0) : place);
    const ones = kept ? cast(flatten(kept), "i32") : full([index.size], 1, { dtype: "i32", device });
    const empty = zeros([classes * bins * 2], { dtype: "i32", device }) as Tensor;
    this.accumulators.bins.add(indexAdd(empty, 0, index, ones as Tensor));
  }

  async compute(): Promise<A extends "none" ? number[] : number> {
    const { classes, average, bins } = this.#options;
    const values = bins === undefined ? await this.#exact(classes!) : await this.#binned(classes!, bins);
    const result = average === "none" ? values.map(({ area }) => area) : averageArea(values, average === "weighted");
    return result as A extends "none" ? number[] : number;
  }

  async #exact(classes: number): Promise<Area[]> {
    const data = (await this.accumulators.rows.read()) ?? new Float32Array(0);
    const width = classes + 2;
    const rows = Array.from({ length: data.length / width }, (_, i) => i * width).filter(
      (at) => data[at + classes + 1],
    );
    return Array.from({ length: classes }, (_, k) => {
      const wanted = classes === 1 ? 1 : k;
      const sorted = rows.toSorted((a, b) => data[a + k]! - data[b + k]!);
      const groups: [others: number, own: number][] = [];
      let last = Number.NaN;
      for (const at of sorted) {
        const score = data[at + k]!;
        if (score !== last) groups.push([0, 0]);
        last = score;
        groups.at(-1)![data[at + classes] === wanted ? 1 : 0]++;
      }
      return areaOf(groups);
    });
  }

  async #binned(classes: number, bins: number): Promise<Area[]> {
    const counts = await this.accumulators.bins.read();
    return Array.from({ length: classes }, (_, k) =>
      areaOf(
        Array.from({ length: bins }, (_, bin) => {
          const at = (k * bins + bin) * 2;
          return [counts?.[at] ?? 0, counts?.[at + 1] ?? 0];
        }),
      ),
    );
  }
}

interface Area {
  readonly area: number;
  /** Labels of the class. */
  readonly support: number;
}

/** @param groups how many others and how many of the class have each score, from the lowest */
function areaOf(groups: readonly (readonly [others: number, own: number])[]): Area {
  let below = 0;
  let support = 0;
  let wins = 0;
  for (const [others, own] of groups) {
    wins += own * (below + others / 2);
    below += others;
    support += own;
  }
  return { area: wins / (support * below), support };
}

function averageArea(areas: readonly Area[], weighted: boolean): number {
  let [sum, weight] = [0, 0];
  for (const { area, support } of areas.filter((one) => !Number.isNaN(one.area))) {
    const share = weighted ? support : 1;
    sum += area * share;
    weight += share;
  }
  return sum / weight;
}
