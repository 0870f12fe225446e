import { DeviceError, ValueError } from "../gpu/errors.ts";
import { unscaleGradients } from "../kernels/clip-grad/clip-grad.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { mul } from "../kernels/elementwise/binary-ops.ts";
import { type ScaleRule, updateScale } from "../kernels/grad-scaler/grad-scaler.ts";
import { copyView, wholeView } from "../kernels/strided-copy/strided-copy.ts";
import type { Parameter, StateValue } from "../nn/module.ts";
import { keep } from "../tensor/scope.ts";
import { empty, Tensor } from "../tensor/tensor.ts";
import { above0, type Check, checkValues, flag, wholeAbove0 } from "./options.ts";
import { expectState, type Place, writeState } from "./state.ts";

export interface GradScalerOptions extends ScaleRule {
  readonly initScale: number;
  /** Whether to do anything: otherwise losses and gradients stay as they are, and every step is taken. */
  readonly enabled: boolean;
}

/** What a GradScaler asks of an optimizer; every one here has it. */
export interface ScaledOptimizer {
  readonly groups: readonly { readonly parameters: readonly Parameter[] }[];
  step(found?: Tensor<"u32">): void;
}

/** Where an optimizer is between two updates. */
interface Progress {
  readonly found: Tensor<"u32">; // [4]
  stage: "ready" | "unscaled" | "stepped";
}

const above1: Check = { isValid: (value) => above0.isValid(value) && (value as number) > 1, expected: "more than 1" };
const below1: Check = {
  isValid: (value) => above0.isValid(value) && (value as number) < 1,
  expected: "a number between 0 and 1",
};

// Of the state: [scale, steps since it last changed, a word of the kernel's, unused].
const WORDS = { scale: 0, growth_tracker: 1 } as const;

/**
 * Scales the loss, so that gradients that float16 would lose become large enough for it, and finds the scale by itself: where a
 * gradient is not finite, the step is left out and the scale falls; after a while without, it grows.
 *
 * The scale, the count of steps and what was found are on the device, and so is the decision: nothing is read back, and a
 * captured step stays right. A step that is left out changes no parameter, no moment and no count of steps. The state lies on the
 * default device of the time it is made.
 *
 * @param options initScale (default 65536), growthFactor (2), backoffFactor (0.5), growthInterval (2000), enabled (true)
 * @throws ValueError for an option that is unknown or out of range
 * @see PyTorch's `torch.amp.GradScaler`, https://docs.pytorch.org/docs/stable/amp.html
 * @see Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740
 * @example
 * const scaler = new optim.GradScaler();
 * for (const { x, labels } of batches) {
 *   adam.zeroGrad();
 *   const loss = tg.autocast(() => tg.crossEntropy(model.forward(x), labels));
 *   scaler.scale(loss).backward();
 *   scaler.unscale(adam); // only where something looks at the gradients before the step
 *   nn.utils.clipGradNorm(model.parameters(), 1);
 *   scaler.step(adam);
 *   scaler.update();
 * }
 */
export class GradScaler {
  readonly options: GradScalerOptions;
  readonly #state: Tensor | null; // [4]
  readonly #scale: Tensor | null; // [], the first of it
  readonly #optimizers = new Map<ScaledOptimizer, Progress>();

  constructor(options: Partial<GradScalerOptions> = {}) {
    const defaults = { initScale: 65_536, growthFactor: 2, backoffFactor: 0.5, growthInterval: 2000, enabled: true };
    this.options = { ...defaults, ...options };
    const rule = { growthFactor: above1, backoffFactor: below1, growthInterval: wholeAbove0 };
    checkValues("GradScaler", this.options, { initScale: above0, ...rule, enabled: flag });
    this.#state = this.options.enabled ? keep(tensor([this.options.initScale, 0, 0, 0])) : null;
    this.#scale = this.#state && keep(new Tensor(this.#state.storage.view(WORDS.scale, 1), [], "f32"));
  }

  isEnabled(): boolean {
    return this.options.enabled;
  }

  /**
   * Multiplies a loss by the scale. Its gradients are then larger by that factor, until `unscale` or `step`.
   *
   * @throws DeviceError for a loss on another device
   */
  scale(loss: Tensor): Tensor {
    if (!this.#scale) return loss;
    this.#expectOnDevice("scale", "the loss", loss);
    return mul(loss, this.#scale);
  }

  /**
   * Divides the gradients of an optimizer's parameters by the scale, in place, and notes whether one is not finite. `step` does
   * that too: call it where something between the two looks at the gradients, such as clipping.
   *
   * @throws ValueError if it was called since the last `update`, or no parameter has a gradient; DeviceError
   */
  unscale(optimizer: ScaledOptimizer): void {
    if (!this.#state) return;
    const progress = this.#progressOf(optimizer);
    if (progress.stage !== "ready") {
      throw new ValueError(
        progress.stage === "unscaled"
          ? "GradScaler.unscale: the gradients of this optimizer are unscaled already; call update() after its step"
          : "GradScaler.unscale: the optimizer has taken its step; call update() first",
      );
    }
    const gradients = optimizer.groups.flatMap(({ parameters }) => parameters.map(({ grad }) => grad));
    const filled = gradients.filter((grad) => grad !== null);
    const [first] = filled;
    if (!first) throw new ValueError("GradScaler.unscale: no parameter of the optimizer has a gradient");
    this.#expectOnDevice("unscale", "a gradient", first);
    unscaleGradients(
      filled.filter(({ size }) => size > 0),
      this.#state,
      progress.found,
    );
    progress.stage = "unscaled";
  }

  /**
   * Takes the optimizer's step, unscaling its gradients first if nobody has, unless one of them was not finite.
   *
   * @throws ValueError if it was called since the last `update`; as `unscale` does
   */
  step(optimizer: ScaledOptimizer): void {
    if (!this.#state) {
      optimizer.step();
      return;
    }
    const progress = this.#progressOf(optimizer);
    if (progress.stage === "stepped") {
      throw new ValueError("GradScaler.step: the optimizer has taken its step; call update() first");
    }
    if (progress.stage === "ready") this.unscale(optimizer);
    optimizer.step(progress.found);
    progress.stage = "stepped";
  }

  /**
   * Moves the scale: to be called after the steps of all optimizers.
   *
   * @throws ValueError if no gradients were unscaled since the last time
   */
  update(): void {
    if (!this.#state) return;
    const used = [...this.#optimizers.values()].filter(({ stage }) => stage !== "ready");
    if (used.length === 0) throw new ValueError("GradScaler.update: no optimizer took a step since the last update");
    updateScale(
      this.#state,
      used.map(({ found }) => found),
      this.options,
    );
    for (const progress of used) progress.stage = "ready";
  }

  /** Reads the scale back: 1 where it is not enabled. */
  async getScale(): Promise<number> {
    return this.#state ? (await this.#state.data())[WORDS.scale]! : 1;
  }

  /**
   * What it remembers, for a checkpoint: `scale` and `growth_tracker`, the steps since the scale last changed, copies of both.
   * The options are not part of it. Nothing where it is not enabled.
   */
  stateDict(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const name of this.#state ? (["scale", "growth_tracker"] as const) : []) {
      const value = empty([], { device: this.#state!.device });
      copyView(this.#state!, viewOf(name), value, wholeView([]));
      state.set(name, value);
    }
    return state;
  }

  /**
   * Takes what `stateDict` gave. Nothing is changed unless all fits.
   *
   * @throws ValueError that lists missing, unexpected and mis-shaped names
   */
  loadStateDict(state: ReadonlyMap<string, StateValue>): void {
    const own = this.#state;
    if (!own) return;
    const places = new Map<string, Place>(
      (["scale", "growth_tracker"] as const).map((name) => [
        name,
        { shape: [], write: (value) => copyView(value, wholeView([]), own, viewOf(name)) },
      ]),
    );
    expectState("GradScaler.loadStateDict", places, state, own.device);
    writeState(places, state, own.device);
  }

  #progressOf(optimizer: ScaledOptimizer): Progress {
    let progress = this.#optimizers.get(optimizer);
    if (!progress) {
      const found = keep(zeros([4], { dtype: "u32", device: this.#state!.device }));
      this.#optimizers.set(optimizer, (progress = { found, stage: "ready" }));
    }
    return progress;
  }

  #expectOnDevice(method: string, what: string, { device }: Tensor): void {
    const own = this.#state!.device;
    if (device === own) return;
    throw new DeviceError(
      `GradScaler.${method}: ${what} is on ${device.name}, expected ${own.name}; make the scaler with withDevice`,
    );
  }
}

function viewOf(name: keyof typeof WORDS) {
  return { shape: [], strides: [], offset: WORDS[name] };
}
