import { SGD as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, finite, flag } from "./options.ts";

export interface SGDOptions extends OptimizerOptions {
  /** How much of the last direction is kept. */
  momentum: number;
  /** How much of each gradient but the first is left out of the momentum. */
  dampening: number;
  /** Whether to look ahead along the momentum: Nesterov's. */
  nesterov: boolean;
}

const definition: Definition<SGDOptions> = {
  name: "SGD",
  algorithm,
  defaults: { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false },
  checks: {
    lr: atLeast0,
    momentum: atLeast0,
    dampening: finite,
    weightDecay: atLeast0,
    nesterov: flag,
    maximize: flag,
  },
  conflict: ({ nesterov, momentum, dampening }) =>
    nesterov && (momentum === 0 || dampening !== 0)
      ? `nesterov is true with momentum ${momentum} and dampening ${dampening}, expected a momentum and no dampening`
      : null,
  hyper: ({ momentum, dampening }) => ({ momentum, take: 1 - dampening }),
  flags: ({ momentum, nesterov }) => ({ MOMENTUM: momentum !== 0, NESTEROV: nesterov }),
  slots: ({ momentum }) => [momentum === 0 ? null : "momentum_buffer"],
};

/**
 * Stochastic gradient descent.
 *
 *     b = momentum b + (1 - dampening) g, at first b = g
 *     p = p - lr b      nesterov: p - lr (g + momentum b)
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 1e-3), momentum (0), dampening (0), weightDecay (0), nesterov (false), maximize (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see https://pytorch.org/docs/stable/generated/torch.optim.SGD.html
 */
export class SGD extends Optimizer<SGDOptions> {
  constructor(parameters: Optimized<SGDOptions>, options: Partial<SGDOptions> = {}) {
    super(definition, parameters, options);
  }
}
