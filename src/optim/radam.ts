import { RADAM as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, moments, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, betas, flag } from "./options.ts";

export interface RAdamOptions extends OptimizerOptions {
  /** How much of the first and second moments is kept in each step. */
  betas: readonly [number, number];
  /** Added to the denominator. */
  eps: number;
  /** Whether weightDecay shrinks the weights, as in AdamW. */
  decoupledWeightDecay: boolean;
}

const definition: Definition<RAdamOptions> = {
  name: "RAdam",
  algorithm,
  defaults: {
    lr: 1e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0,
    decoupledWeightDecay: false,
    maximize: false,
  },
  checks: {
    lr: atLeast0,
    betas,
    eps: atLeast0,
    weightDecay: atLeast0,
    decoupledWeightDecay: flag,
    maximize: flag,
  },
  decoupled: ({ decoupledWeightDecay }) => decoupledWeightDecay,
  hyper: ({ betas, eps }) => ({ ...moments(betas), eps, rhoFactor: rhoFactor(betas[1]) }),
  slots: () => ["exp_avg", "exp_avg_sq"],
};

// The constant part of the rectification; where rho is at most 5 nothing is rectified.
function rhoFactor(beta2: number): number {
  const rho = 2 / (1 - beta2) - 1;
  return rho > 5 ? rho / ((rho - 4) * (rho - 2)) : 0;
}

/**
 * Adam that takes the variance of its second moment into account: the first steps are those of momentum alone, the later
 * ones are scaled by
 *
 *     sqrt((rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t)) / (sqrt(v̂) + eps / sqrt(1 - beta2^t))
 *     rho_t = rho - 2 t beta2^t / (1 - beta2^t)      rho = 2 / (1 - beta2) - 1      from rho_t > 5 on
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 1e-3), betas ([0.9, 0.999]), eps (1e-8), weightDecay (0), decoupledWeightDecay (false),
 *   maximize (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see Liu et al. 2019, https://arxiv.org/abs/1908.03265
 */
export class RAdam extends Optimizer<RAdamOptions> {
  constructor(parameters: Optimized<RAdamOptions>, options: Partial<RAdamOptions> = {}) {
    super(definition, parameters, options);
  }
}
