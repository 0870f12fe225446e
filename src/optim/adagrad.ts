import { ADAGRAD as algorithm } from "../kernels/optimizer/optimizer.ts";
import { type Definition, type Optimized, Optimizer, type OptimizerOptions } from "./optimizer.ts";
import { atLeast0, flag } from "./options.ts";

export interface AdagradOptions extends OptimizerOptions {
  /** How fast the learning rate falls. */
  lrDecay: number;
  /** What the sums of squares begin as. */
  initialAccumulatorValue: number;
  /** Added to the denominator. */
  eps: number;
}

const definition: Definition<AdagradOptions> = {
  name: "Adagrad",
  algorithm,
  defaults: { lr: 1e-2, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10, maximize: false },
  checks: {
    lr: atLeast0,
    lrDecay: atLeast0,
    weightDecay: atLeast0,
    initialAccumulatorValue: atLeast0,
    eps: atLeast0,
    maximize: flag,
  },
  hyper: ({ lrDecay, eps }) => ({ lrDecay, eps }),
  slots: () => ["sum"],
  initialState: ({ initialAccumulatorValue }) => initialAccumulatorValue,
};

/**
 * Adagrad.
 *
 *     sum = sum + g²      p = p - lr / (1 + (t - 1) lrDecay) * g / (sqrt(sum) + eps)
 *
 * @param parameters a module's `parameters()`, or groups with their own options
 * @param options lr (default 1e-2), lrDecay (0), weightDecay (0), initialAccumulatorValue (0), eps (1e-10),
 *   maximize (false)
 * @throws ValueError for options out of range, no parameters, or one listed twice
 * @see Duchi, Hazan, Singer 2011, https://jmlr.org/papers/v12/duchi11a.html
 */
export class Adagrad extends Optimizer<AdagradOptions> {
  constructor(parameters: Optimized<AdagradOptions>, options: Partial<AdagradOptions> = {}) {
    super(definition, parameters, options);
  }
}
