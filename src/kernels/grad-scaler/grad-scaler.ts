/** The kernel of a GradScaler: how the scale of the loss goes on, with nothing read back. */
import { dispatch, loadKernel } from "../../gpu/kernel.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { MATH } from "../lib/lib.ts";
import { gradScalerReference } from "./grad-scaler.reference.ts";

const kernel = loadKernel(new URL("./grad-scaler.wgsl", import.meta.url), {
  lib: [MATH],
  reference: gradScalerReference,
});

export interface ScaleRule {
  readonly growthFactor: number;
  readonly backoffFactor: number;
  /** Steps in a row without anything found until the scale grows. */
  readonly growthInterval: number;
}

/**
 * Applies the rule once, and forgets what was found.
 *
 * @param scaler [4]: the scale, and the steps since it last changed
 * @param found u32 [4] for each optimizer that took the step
 */
export function updateScale(
  scaler: Tensor,
  found: readonly Tensor<"u32">[],
  { growthFactor, backoffFactor, growthInterval }: ScaleRule,
): void {
  for (const [i, own] of found.entries()) {
    dispatch(kernel, "update", {
      bind: { scaler, found: own },
      params: { growthFactor, backoffFactor, growthInterval, isLast: Number(i === found.length - 1) },
      groups: 1,
    });
  }
}
