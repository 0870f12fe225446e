/** The loss and the metrics of an epoch so far: added up on the device, read rarely. */

import type { Device } from "../gpu/device.ts";
import { TilegradError } from "../gpu/errors.ts";
import { mul } from "../kernels/elementwise/binary-ops.ts";
import { reshape } from "../kernels/view/reshape.ts";
import { Sums } from "../metrics/accumulators.ts";
import type { HostValue, Metric } from "../metrics/index.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Averages over examples: the loss, and the metrics by their names. */
export type Metrics<Name extends string = string> = { readonly loss: number } & { readonly [K in Name]: number };

export type NamedMetrics<Name extends string = string> = Readonly<Record<Name, Metric<number>>>;

/** The loss was no number. */
export class DivergedError extends TilegradError {}

export class Totals<Name extends string> {
  readonly #loss = new Sums(); // [1]
  readonly #metrics: NamedMetrics<Name>;
  examples = 0;

  constructor(metrics: NamedMetrics<Name>) {
    this.#metrics = metrics;
  }

  /** Adds a batch. @param loss the average over its examples */
  add(outputs: Tensor, loss: Tensor, { labels, size }: { readonly labels: Tensor; readonly size: number }): void {
    this.#loss.add(reshape(mul(loss.detach(), size), [1]));
    for (const metric of this.#all()) metric.update(outputs, labels);
    this.examples += size;
  }

  /**
   * The averages as they are at the time of the call.
   *
   * @param step the last one that was taken, for the message
   * @throws DivergedError if the loss is no finite number
   */
  async read(step?: number): Promise<Metrics<Name>> {
    const { examples } = this;
    const names = Object.keys(this.#metrics);
    const [loss, ...values] = await Promise.all([this.#loss.read(), ...this.#all().map((metric) => metric.compute())]);
    const sum = loss?.[0] ?? Number.NaN;
    if (!Number.isFinite(sum)) throw diverged(sum, examples, step);
    const named = names.map((name, i) => [name, values[i]!] as const);
    return { loss: sum / examples, ...Object.fromEntries(named) } as Metrics<Name>;
  }

  /** Forgets everything, and frees what it holds on the device. */
  reset(): void {
    this.#loss.reset();
    for (const metric of this.#all()) metric.reset();
    this.examples = 0;
  }

  /** Copies, which are the caller's. */
  stateDict(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const [key, value] of this.#loss.stateDict()) state.set(`loss.${key}`, value);
    for (const [name, metric] of Object.entries<Metric>(this.#metrics)) {
      for (const [key, value] of metric.stateDict()) state.set(`metrics.${name}.${key}`, value);
    }
    return state;
  }

  loadStateDict(state: ReadonlyMap<string, HostValue>, examples: number, device: Device): void {
    this.#loss.loadStateDict(withPrefix("loss.", state), device);
    for (const [name, metric] of Object.entries<Metric>(this.#metrics)) {
      metric.loadStateDict(withPrefix(`metrics.${name}.`, state), device);
    }
    this.examples = examples;
  }

  #all(): Metric[] {
    return Object.values<Metric>(this.#metrics);
  }
}

function diverged(loss: number, examples: number, step: number | undefined): DivergedError {
  if (examples === 0) return new DivergedError("there are no examples, so there is no loss; check the data");
  const fault = Number.isNaN(loss) ? "not a number" : "infinite";
  const remedy = "lower the learning rate, or clip the gradients";
  return new DivergedError(`the loss is ${fault}${step === undefined ? "" : ` after step ${step}`}; ${remedy}`);
}

/** The entries whose names begin with a prefix, without it. */
export function withPrefix<T>(prefix: string, state: ReadonlyMap<string, T>): Map<string, T> {
  const own = [...state].filter(([name]) => name.startsWith(prefix));
  return new Map(own.map(([name, value]) => [name.slice(prefix.length), value]));
}
