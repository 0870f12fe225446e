/** The divergence of one distribution from another. */
import { checkOptions, ValueError } from "../../gpu/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { add, div, mul, sub } from "../elementwise/binary-ops.ts";
import { exp, log, neg } from "../elementwise/unary-ops.ts";
import { pairLoss } from "./pair-loss.ts";
import { checkReduction, type Reduction } from "./reduction.ts";

export interface KlDivOptions {
  /** Whether the target is given as logarithms too. */
  logTarget?: boolean;
  /** `mean` by default, over all elements; `batchmean` divides by the size of the first axis, as the mathematics has it. */
  reduction?: Reduction | "batchmean";
}

const ofProbabilities = pairLoss("klDivLoss", {
  f: "select(t * (preciseLog(t) - x), 0.0, t == 0.0)",
  dfx: "-t",
  dft: "preciseLog(t) + 1.0 - x",
  reference: {
    f: (x, t) => (t === 0 ? 0 : t * (Math.log(t) - x)),
    dfx: (_, t) => -t,
    dft: (x, t) => Math.log(t) + 1 - x,
  },
  composed: (x, t) => [neg(t), sub(add(log(t), 1), x)],
});

const ofLogarithms = pairLoss("klDivLoss", {
  f: "preciseExp(t) * (t - x)",
  dfx: "-preciseExp(t)",
  dft: "preciseExp(t) * (t - x + 1.0)",
  reference: {
    f: (x, t) => Math.exp(t) * (t - x),
    dfx: (_, t) => -Math.exp(t),
    dft: (x, t) => Math.exp(t) * (t - x + 1),
  },
  composed: (x, t) => [neg(exp(t)), mul(exp(t), add(sub(t, x), 1))],
});

/**
 * Computes the terms of the Kullback-Leibler divergence of exp(x) from the target:
 *
 *     target * (log target - x), 0 where the target is 0
 *
 * @param x f32 log-probabilities, any shape
 * @param target x's shape: probabilities, or with logTarget their logarithms
 * @param options logTarget (default false); reduction: mean (default) over all elements, batchmean, sum, or none
 * @returns a scalar; without reduction, x's shape
 * @throws ShapeError if the shapes differ
 * @see https://pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html
 */
export function klDivLoss(x: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  checkOptions("klDivLoss", options, ["logTarget", "reduction"]);
  const { logTarget = false, reduction = "mean" } = options;
  checkReduction("klDivLoss", reduction, ["mean", "batchmean", "sum", "none"]);
  const loss = logTarget ? ofLogarithms : ofProbabilities;
  if (reduction !== "batchmean") return loss(x, target, reduction);
  if (x.rank === 0) throw new ValueError("klDivLoss: batchmean needs a first axis, but x is a scalar");
  return div(loss(x, target, "sum"), x.shape[0]!);
}
