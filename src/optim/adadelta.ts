import { ADADELTA as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, flag, from0To1 } from "./options.ts";

export interface AdadeltaOptions extends OptimizerOptions {
  /** How much of the mean squares is kept in each step. */
  rho: number;
  /** Added to the mean squares. */
  eps: number;
}

const definition: Definition<AdadeltaOptions> = {
  name: "Adadelta",
  algorithm,
  defaults: { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false },
  checks: { lr: atLeast0, rho: from0To1, eps: atLeast0, weightDecay: atLeast0, maximize: flag },
  hyper: ({ rho, eps }) => ({ keep: rho, take: 1 - rho, eps }),
  slots: () => ["square_avg", "acc_delta"],
};

/**
 * Adadelta.
 *
 *     v = rho v + (1 - rho) g²      d = sqrt(u + eps) / sqrt(v + eps) * g      u = rho u + (1 - rho) d²
 *     p = p - lr d
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 1), rho (0.9), eps (1e-6), weightDecay (0), maximize (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see Zeiler 2012, https://arxiv.org/abs/1212.5701
 */
export class Adadelta extends Optimizer<AdadeltaOptions> {
  constructor(parameters: Optimized<AdadeltaOptions>, options: Partial<AdadeltaOptions> = {}) {
    super(definition, parameters, options);
  }
}
