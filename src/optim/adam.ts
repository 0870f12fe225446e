import { Storage } from "../gpu/device.ts";
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { adamStep } from "../kernels/adam/adam.ts";
import type { Parameter } from "../nn/module.ts";
import { type Group, Optimizer, type ParameterGroup } from "./optimizer.ts";

export interface AdamOptions {
  /** The learning rate. */
  lr: number;
  /** How much of the first and second moments is kept in each step. */
  betas: readonly [number, number];
  /** Added to the denominator. */
  eps: number;
  /** Adam: added to the gradient times the weight. AdamW: the weight shrinks by lr times this. */
  weightDecay: number;
}

interface State {
  readonly m: Storage;
  readonly v: Storage;
  readonly steps: Storage;
}

/**
 * Adam, with PyTorch's defaults.
 *
 *     m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g²
 *     p = p - lr * m̂ / (sqrt(v̂) + eps)      with the moments corrected for their start at 0
 *
 * A parameter without a gradient is left as it is, and its step is not counted.
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 1e-3), betas ([0.9, 0.999]), eps (1e-8), weightDecay (0)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see Kingma, Ba 2014, https://arxiv.org/abs/1412.6980
 * @example
 * const adam = new optim.Adam(model.parameters(), { lr: 1e-3 });
 */
export class Adam extends Optimizer<AdamOptions> {
  readonly #states = new Map<Group<AdamOptions>, State>();

  constructor(
    parameters: readonly Parameter[] | readonly ParameterGroup<AdamOptions>[],
    options: Partial<AdamOptions> = {},
    { name = "Adam", weightDecay = 0 } = {},
  ) {
    super(name, parameters, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay, ...options });
  }

  /** Whether the decay shrinks the weights themselves. */
  protected get decoupled(): boolean {
    return false;
  }

  protected override checkOptions(name: string, options: AdamOptions): void {
    checkOptions(name, options, ["lr", "betas", "eps", "weightDecay"]);
    const { lr, betas, eps, weightDecay } = options;
    const isFraction = (value: number) => value >= 0 && value < 1;
    if (!(lr >= 0)) throw new ValueError(`${name}: lr is ${lr}, expected 0 or more`);
    if (!betas.every(isFraction))
      throw new ValueError(`${name}: betas are [${betas}], expected two numbers from 0 up to 1`);
    if (!(eps >= 0)) throw new ValueError(`${name}: eps is ${eps}, expected 0 or more`);
    if (!(weightDecay >= 0)) throw new ValueError(`${name}: weightDecay is ${weightDecay}, expected 0 or more`);
  }

  override step(): void {
    for (const group of this.groups) {
      const gradients = group.prepareStep();
      if (gradients.length === 0) continue;
      const { betas, eps, weightDecay } = group.options;
      const { hyper, enabled } = group;
      adamStep({ p: group.packed.flat(this.constructor.name), ...this.#stateOf(group), hyper, enabled }, gradients, {
        beta1: betas[0],
        beta2: betas[1],
        eps,
        weightDecay,
        decoupled: this.decoupled,
      });
      for (const { index } of gradients) group.parameters[index]!.storage.markWritten();
    }
  }

  #stateOf(group: Group<AdamOptions>): State {
    let state = this.#states.get(group);
    if (!state) {
      const steps = Storage.from(group.packed.device, "f32", new Float32Array(4 * group.parameters.length));
      state = { m: group.packed.zeros(), v: group.packed.zeros(), steps };
      this.#states.set(group, state);
    }
    return state;
  }
}

/**
 * Adam with decoupled weight decay: as `Adam`, but the weights shrink by lr * weightDecay in each step.
 *
 * @param options as `Adam`'s, with weightDecay 0.01 by default
 * @see Loshchilov, Hutter 2017, https://arxiv.org/abs/1711.05101
 */
export class AdamW extends Adam {
  constructor(
    parameters: readonly Parameter[] | readonly ParameterGroup<AdamOptions>[],
    options: Partial<AdamOptions> = {},
  ) {
    super(parameters, options, { name: "AdamW", weightDecay: 0.01 });
  }

  protected override get decoupled(): boolean {
    return true;
  }
}
