import { ADAM as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, moments, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, betas, flag } from "./options.ts";

export interface AdamWOptions extends OptimizerOptions {
  /** How much of the first and second moments is kept in each step. */
  betas: readonly [number, number];
  /** Added to the denominator. */
  eps: number;
  /** Whether to divide by the largest second moment so far: AMSGrad. */
  amsgrad: boolean;
}

export interface AdamOptions extends AdamWOptions {
  /** Whether weightDecay shrinks the weights, as in AdamW. */
  decoupledWeightDecay: boolean;
}

const shared = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, amsgrad: false, maximize: false } as const;

const checks = { lr: atLeast0, betas, eps: atLeast0, weightDecay: atLeast0, amsgrad: flag, maximize: flag };

const mathematics = {
  algorithm,
  hyper: ({ betas, eps }: AdamWOptions) => ({ ...moments(betas), eps }),
  flags: ({ amsgrad }: AdamWOptions) => ({ AMSGRAD: amsgrad }),
  slots: ({ amsgrad }: AdamWOptions) => ["exp_avg", "exp_avg_sq", amsgrad ? "max_exp_avg_sq" : null],
};

const adam: Definition<AdamOptions> = {
  name: "Adam",
  ...mathematics,
  defaults: { ...shared, weightDecay: 0, decoupledWeightDecay: false },
  checks: { ...checks, decoupledWeightDecay: flag },
  decoupled: ({ decoupledWeightDecay }) => decoupledWeightDecay,
};

const adamW: Definition<AdamWOptions> = {
  name: "AdamW",
  ...mathematics,
  defaults: { ...shared, weightDecay: 0.01 },
  checks,
  decoupled: () => true,
};

/**
 * Adam, with PyTorch's defaults.
 *
 *     m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g²
 *     p = p - lr * m̂ / (sqrt(v̂) + eps)      with the moments corrected for their start at 0
 *
 * A parameter without a gradient is left as it is, and its step is not counted.
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 1e-3), betas ([0.9, 0.999]), eps (1e-8), weightDecay (0), amsgrad (false), maximize (false),
 *   decoupledWeightDecay (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see Kingma, Ba 2014, https://arxiv.org/abs/1412.6980
 * @example
 * const adam = new optim.Adam(model.parameters(), { lr: 1e-3 });
 */
export class Adam extends Optimizer<AdamOptions> {
  constructor(parameters: Optimized<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(adam, parameters, options);
  }
}

/**
 * Adam with decoupled weight decay: as `Adam`, but the weights shrink by lr * weightDecay in each step.
 *
 * @param options as `Adam`'s, with weightDecay 0.01 by default
 * @see Loshchilov, Hutter 2017, https://arxiv.org/abs/1711.05101
 */
export class AdamW extends Optimizer<AdamWOptions> {
  constructor(parameters: Optimized<AdamWOptions>, options: Partial<AdamWOptions> = {}) {
    super(adamW, parameters, options);
  }
}
