import { ADAMAX as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, moments, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, betas, flag } from "./options.ts";

export interface AdamaxOptions extends OptimizerOptions {
  /** How much of the first moment and of the largest gradient is kept in each step. */
  betas: readonly [number, number];
  /** Added to a gradient's magnitude. */
  eps: number;
}

const definition: Definition<AdamaxOptions> = {
  name: "Adamax",
  algorithm,
  defaults: { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maximize: false },
  checks: { lr: atLeast0, betas, eps: atLeast0, weightDecay: atLeast0, maximize: flag },
  hyper: ({ betas, eps }) => ({ ...moments(betas), eps }),
  slots: () => ["exp_avg", "exp_inf"],
};

/**
 * Adam with the largest gradient in the place of the root of the second moment.
 *
 *     m = beta1 m + (1 - beta1) g      u = max(beta2 u, |g| + eps)
 *     p = p - lr / (1 - beta1^t) * m / u
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 2e-3), betas ([0.9, 0.999]), eps (1e-8), weightDecay (0), maximize (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see Kingma, Ba 2014, section 7.1, https://arxiv.org/abs/1412.6980
 */
export class Adamax extends Optimizer<AdamaxOptions> {
  constructor(parameters: Optimized<AdamaxOptions>, options: Partial<AdamaxOptions> = {}) {
    super(definition, parameters, options);
  }
}
