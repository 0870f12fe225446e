import { RMSPROP as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, flag, from0To1 } from "./options.ts";

export interface RMSpropOptions extends OptimizerOptions {
  /** How much of the mean square is kept in each step. */
  alpha: number;
  /** Added to the denominator. */
  eps: number;
  /** How much of the last direction is kept. */
  momentum: number;
  /** Whether to divide by the standard deviation instead of the root of the mean square. */
  centered: boolean;
}

const definition: Definition<RMSpropOptions> = {
  name: "RMSprop",
  algorithm,
  defaults: { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false, maximize: false },
  checks: {
    lr: atLeast0,
    alpha: from0To1,
    eps: atLeast0,
    weightDecay: atLeast0,
    momentum: atLeast0,
    centered: flag,
    maximize: flag,
  },
  hyper: ({ alpha, eps, momentum }) => ({ keep: alpha, take: 1 - alpha, eps, momentum }),
  flags: ({ centered, momentum }) => ({ CENTERED: centered, MOMENTUM: momentum !== 0 }),
  slots: ({ centered, momentum }) => [
    "square_avg",
    centered ? "grad_avg" : null,
    momentum === 0 ? null : "momentum_buffer",
  ],
};

/**
 * RMSprop.
 *
 *     v = alpha v + (1 - alpha) g²      d = g / (sqrt(v) + eps)      centered: sqrt(v - a²), with a the mean of g
 *     b = momentum b + d      p = p - lr b      without momentum: p - lr d
 *
 * A variance v - a² that rounding has made negative counts as 0, where PyTorch's weights become NaN.
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 1e-2), alpha (0.99), eps (1e-8), weightDecay (0), momentum (0), centered (false),
 *   maximize (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  constructor(parameters: Optimized<RMSpropOptions>, options: Partial<RMSpropOptions> = {}) {
    super(definition, parameters, options);
  }
}
