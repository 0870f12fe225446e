/**
 * A metric takes batches of outputs and labels, keeps on the device what it needs of them, and reads that back once, when
 * it is asked for its value.
 */
import { noGrad } from "../autograd/record.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor, TensorOptions } from "../tensor/tensor.ts";
import type { Accumulator, HostValue } from "./accumulators.ts";

/**
 * What all metrics can do.
 *
 * @example
 * const accuracy = new tg.metrics.Accuracy();
 * for (const { x, labels } of batches) accuracy.update(model.forward(x), labels);
 * console.log(await accuracy.compute());
 */
export abstract class Metric<R = number> {
  /** By name; what a state dict is made of. */
  protected abstract readonly accumulators: Readonly<Record<string, Accumulator>>;

  /** Adds a batch. It may run in a scope and under `noGrad` already. */
  protected abstract add(outputs: Tensor, labels: Tensor): void;

  /** The value of everything since the last reset, as it is at the time of the call. */
  abstract compute(): Promise<R>;

  /**
   * Takes a batch; nothing is read back, and no gradient flows.
   *
   * @param outputs what the model gives
   * @param labels what was expected
   * @throws ShapeError, DTypeError for tensors that do not go together
   */
  update(outputs: Tensor, labels: Tensor): void {
    noGrad(() =>
      scope(() => {
        this.add(outputs, labels);
      }),
    );
  }

  /** Forgets all batches, and gives their memory back; the metric can be used again. */
  reset(): void {
    for (const accumulator of Object.values(this.accumulators)) accumulator.reset();
  }

  /** What it takes to go on from here. The tensors are copies, and the caller's. */
  stateDict(): Map<string, Tensor> {
    return new Map(
      Object.entries(this.accumulators).flatMap(([name, accumulator]) =>
        [...accumulator.stateDict()].map(([key, value]) => [`${name}.${key}`, value] as const),
      ),
    );
  }

  /**
   * Goes on from a state: what `update` was given before is forgotten.
   *
   * @param state host data with shapes by the names of `stateDict`
   * @param device where the batches to come are; default: the default device
   */
  loadStateDict(state: ReadonlyMap<string, HostValue>, device?: TensorOptions["device"]): void {
    for (const [name, accumulator] of Object.entries(this.accumulators)) {
      const own = [...state].filter(([key]) => key.startsWith(`${name}.`));
      accumulator.loadStateDict(new Map(own.map(([key, value]) => [key.slice(name.length + 1), value])), device);
    }
  }

  [Symbol.dispose](): void {
    this.reset();
  }
}
