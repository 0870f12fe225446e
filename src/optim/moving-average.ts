import { ValueError } from "../gpu/errors.ts";
import { MOVING_AVERAGE } from "../kernels/optimizer/optimizer.ts";
import { copyInto } from "../kernels/strided-copy/strided-copy.ts";
import type { Module, StateValue } from "../nn/module.ts";
import { isFloat } from "../tensor/dtype.ts";
import { keep, scope } from "../tensor/scope.ts";
import { empty, Tensor } from "../tensor/tensor.ts";
import { checkValues, flag, from0To1 } from "./options.ts";
import { PackedTensors, type Settings } from "./packed-tensors.ts";
import { expectState, type Place, writeState } from "./state.ts";

export interface MovingAverageOptions {
  /** How much of the averages is kept in each update. */
  decay: number;
  /** Whether to keep less at first: (1 + t) / (10 + t) in the update after t others, where that is less than `decay`. */
  warmup: boolean;
  /** Whether to average floating-point buffers too, such as running statistics. */
  buffers: boolean;
}

/**
 * The exponential moving average of a module's weights, which often does better than the weights themselves.
 *
 *     average = decay * average + (1 - decay) * weight
 *
 * The averages begin as the weights are now; those of PyTorch's `AveragedModel` begin at the first update. They and the
 * count of updates are on the device.
 *
 * @param module whose weights are averaged
 * @param options decay (default 0.999), warmup (false), buffers (false)
 * @throws ValueError for an option out of range or a module without parameters
 * @see Polyak, Juditsky 1992, https://doi.org/10.1137/0330046; PyTorch's `torch.optim.swa_utils.AveragedModel`
 * @example
 * const average = new optim.ExponentialMovingAverage(model);
 * for (const batch of batches) {
 *   step(batch);
 *   average.update();
 * }
 * const accuracy = await average.apply(() => evaluate(model)); // with the averages in the place of the weights
 */
export class ExponentialMovingAverage {
  /** May be changed between updates. */
  readonly options: MovingAverageOptions;
  readonly #names: readonly string[];
  readonly #live: readonly Tensor[];
  readonly #averages: readonly Tensor[];
  readonly #packed: PackedTensors;
  #isSwapped = false;

  constructor(module: Module, options: Partial<MovingAverageOptions> = {}) {
    const owner = "ExponentialMovingAverage";
    this.options = { decay: 0.999, warmup: false, buffers: false, ...options };
    checkValues(owner, this.options, { decay: from0To1, warmup: flag, buffers: flag });
    const floats = [...module.namedBuffers()].filter(([, { dtype }]) => isFloat(dtype));
    const tensors = [...module.namedParameters(), ...(this.options.buffers ? floats : [])];
    if (tensors.length === 0) throw new ValueError(`${owner}: the module has no parameters`);
    this.#names = tensors.map(([name]) => name);
    this.#live = tensors.map(([, tensor]) => tensor);
    this.#averages = this.#live.map((tensor) => {
      const average = keep(empty(tensor.shape, { device: tensor.device }));
      copyInto(tensor, average);
      return average;
    });
    this.#packed = new PackedTensors(owner, MOVING_AVERAGE, this.#averages, this.#live[0]!.device);
  }

  /** Moves the averages towards the weights: to be called after each step of the optimizer. */
  update(): void {
    this.#expectNotSwapped("update");
    this.#packed.step(this.#live, () => this.#settings());
  }

  /**
   * Exchanges weights and averages, in place: the module computes with the averages until this is called again. In between
   * neither this nor the optimizer should go on.
   */
  swap(): void {
    scope(() => {
      for (const [i, tensor] of this.#live.entries()) {
        const average = this.#averages[i]!;
        const weights = empty(tensor.shape, { device: tensor.device });
        copyInto(tensor, weights);
        copyInto(average, tensor);
        copyInto(weights, average);
      }
    });
    this.#isSwapped = !this.#isSwapped;
  }

  /**
   * Runs `fn`, which may be asynchronous, with the averages in the place of the weights.
   *
   * @returns what `fn` returns
   * @throws ValueError within another `apply`, or after `swap`
   */
  apply<R>(fn: () => R): R {
    this.#expectNotSwapped("apply");
    this.swap();
    let isPending = false;
    try {
      const result = fn();
      if (!(result instanceof Promise)) return result;
      isPending = true;
      return result.finally(() => this.swap()) as R;
    } finally {
      if (!isPending) this.swap();
    }
  }

  /**
   * What it remembers, for a checkpoint: `average.` and the name of what is averaged, and `updates`, their number. The
   * averages share its memory: save them before the next update.
   */
  stateDict(): Map<string, Tensor> {
    this.#expectNotSwapped("stateDict");
    const state = new Map<string, Tensor>();
    for (const [i, name] of this.#names.entries()) {
      const average = this.#averages[i]!;
      state.set(`average.${name}`, new Tensor(average.storage.retain(), average.shape, "f32"));
    }
    return state.set("updates", this.#packed.progress("step", 0));
  }

  /**
   * Takes what `stateDict` gave. Nothing is changed unless all fits.
   *
   * @throws ValueError that lists missing, unexpected and mis-shaped names
   */
  loadStateDict(state: ReadonlyMap<string, StateValue>): void {
    this.#expectNotSwapped("loadStateDict");
    const places = new Map<string, Place>();
    for (const [i, name] of this.#names.entries()) {
      const { shape, storage } = this.#averages[i]!;
      places.set(`average.${name}`, { shape, write: (value) => copyInto(value, storage) });
    }
    const setUpdates = (value: Tensor) => {
      for (const i of this.#names.keys()) this.#packed.setProgress("step", i, value);
    };
    places.set("updates", { shape: [], write: setUpdates });
    const { device } = this.#averages[0]!;
    expectState("ExponentialMovingAverage.loadStateDict", places, state, device);
    writeState(places, state, device);
  }

  #settings(): Settings {
    const { decay, warmup } = this.options;
    return {
      hyper: { sign: 1, l2: 0, shrink: 0, take: 1 - decay },
      flags: { WARMUP: Number(warmup) },
      slots: [],
      initialState: 0,
    };
  }

  #expectNotSwapped(method: string): void {
    if (!this.#isSwapped) return;
    throw new ValueError(
      `ExponentialMovingAverage.${method}: weights and averages are exchanged; swap() them back first`,
    );
  }
}
