import { checkOptions, ValueError } from "../../gpu/errors.ts";

/** What becomes of the losses of a batch: their mean, their sum, or each on its own. */
export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** `mean` by default, over all elements. */
  reduction?: Reduction;
}

/** @throws ValueError unless `reduction` is one of `known` */
export function checkReduction(op: string, reduction: string, known = ["mean", "sum", "none"]): void {
  if (known.includes(reduction)) return;
  throw new ValueError(
    `${op}: reduction is "${reduction}", expected ${known.slice(0, -1).join(", ")} or ${known.at(-1)}`,
  );
}

/** The reduction that a loss was given. @throws ValueError if it is none, or there is an option that is not in `others` */
export function reductionOf(op: string, options: LossOptions, others: readonly string[] = []): Reduction {
  checkOptions(op, options, [...others, "reduction"]);
  const { reduction = "mean" } = options;
  checkReduction(op, reduction);
  return reduction;
}
