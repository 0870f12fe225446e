import { checkOptions } from "../gpu/errors.ts";
import { cast } from "../kernels/cast/cast.ts";
import { stack } from "../kernels/concat/concat.ts";
import { full } from "../kernels/creation/creation.ts";
import { crossEntropy } from "../kernels/cross-entropy/cross-entropy.ts";
import { notEqual } from "../kernels/elementwise/binary-ops.ts";
import { sum } from "../kernels/reduce/sum.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Sums } from "./accumulators.ts";
import { Metric } from "./metric.ts";

/**
 * How many tokens the model wavers between, so to speak: the exponential of the mean cross-entropy.
 *
 *     perplexity = exp(-1/n Σ log softmax(logits)[label])
 *
 * `update` takes what `crossEntropy` takes: logits [n, tokens, ...] and i32 labels [n, ...].
 */
export class Perplexity extends Metric {
  protected readonly accumulators = { sums: new Sums() }; // [losses, labels]
  readonly #ignoreIndex: number | undefined;

  /** @param options ignoreIndex: labels that are left out */
  constructor(options: { ignoreIndex?: number | undefined } = {}) {
    super();
    checkOptions("Perplexity", options, ["ignoreIndex"]);
    this.#ignoreIndex = options.ignoreIndex;
  }

  protected add(outputs: Tensor, labels: Tensor): void {
    const ignoreIndex = this.#ignoreIndex;
    const options = ignoreIndex === undefined ? {} : { ignoreIndex };
    const losses = crossEntropy(outputs, labels, { ...options, reduction: "sum" });
    const { device, size } = labels;
    const count =
      ignoreIndex === undefined ? full([], size, { device }) : cast(sum(notEqual(labels, ignoreIndex)), "f32");
    this.accumulators.sums.add(stack([losses, count as Tensor]));
  }

  /** NaN where there were no labels. */
  async compute(): Promise<number> {
    const [losses = 0, count = 0] = (await this.accumulators.sums.read()) ?? [];
    return Math.exp(losses / count);
  }
}
