import { NADAM as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, moments, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, betas, flag } from "./options.ts";

export interface NAdamOptions extends OptimizerOptions {
  /** How much of the first and second moments is kept in each step. */
  betas: readonly [number, number];
  /** Added to the denominator. */
  eps: number;
  /** How fast the momentum grows to beta1. */
  momentumDecay: number;
  /** Whether weightDecay shrinks the weights, as in AdamW. */
  decoupledWeightDecay: boolean;
}

const definition: Definition<NAdamOptions> = {
  name: "NAdam",
  algorithm,
  defaults: {
    lr: 2e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0,
    momentumDecay: 4e-3,
    decoupledWeightDecay: false,
    maximize: false,
  },
  checks: {
    lr: atLeast0,
    betas,
    eps: atLeast0,
    weightDecay: atLeast0,
    momentumDecay: atLeast0,
    decoupledWeightDecay: flag,
    maximize: flag,
  },
  decoupled: ({ decoupledWeightDecay }) => decoupledWeightDecay,
  hyper: ({ betas, eps, momentumDecay }) => ({ ...moments(betas), eps, logDecay: momentumDecay * Math.log(0.96) }),
  slots: () => ["exp_avg", "exp_avg_sq"],
  counters: { step: "step", mu_product: "muProduct" },
};

/**
 * Adam with Nesterov's momentum.
 *
 *     mu_t = beta1 (1 - 0.96^(t momentumDecay) / 2)
 *     m̂ = mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t)
 *     p = p - lr * m̂ / (sqrt(v̂) + eps)      with m and v as in `Adam`
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 2e-3), betas ([0.9, 0.999]), eps (1e-8), weightDecay (0), momentumDecay (4e-3),
 *   decoupledWeightDecay (false), maximize (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see https://pytorch.org/docs/stable/generated/torch.optim.NAdam.html
 */
export class NAdam extends Optimizer<NAdamOptions> {
  constructor(parameters: Optimized<NAdamOptions>, options: Partial<NAdamOptions> = {}) {
    super(definition, parameters, options);
  }
}
