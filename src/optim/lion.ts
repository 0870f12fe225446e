import { LION as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, moments, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, betas, flag } from "./options.ts";

export interface LionOptions extends OptimizerOptions {
  /** How much of the mean gradient is kept, in the direction of a step and in the mean itself. */
  betas: readonly [number, number];
}

const definition: Definition<LionOptions> = {
  name: "Lion",
  algorithm,
  defaults: { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0, maximize: false },
  checks: { lr: atLeast0, betas, weightDecay: atLeast0, maximize: flag },
  decoupled: () => true,
  hyper: ({ betas }) => moments(betas),
  slots: () => ["exp_avg"],
};

/**
 * Lion: every weight moves by lr, in the direction of a mean of the gradients.
 *
 *     p = p - lr weightDecay p - lr sign(beta1 m + (1 - beta1) g)
 *     m = beta2 m + (1 - beta2) g
 *
 * Its steps are larger than Adam's: the authors advise a learning rate three to ten times smaller, and a weight decay
 * larger by as much.
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 1e-4), betas ([0.9, 0.99]), weightDecay (0, decoupled), maximize (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see Chen et al. 2023, https://arxiv.org/abs/2302.06675
 */
export class Lion extends Optimizer<LionOptions> {
  constructor(parameters: Optimized<LionOptions>, options: Partial<LionOptions> = {}) {
    super(definition, parameters, options);
  }
}
