/** A user's own op: a forward pass of any code, with a backward function that is theirs. */
import { scope } from "../tensor/scope.ts";
import { isTensor, type Tensor } from "../tensor/tensor.ts";
import { type Gradients, noGrad, record } from "./record.ts";

export interface CustomOp<A extends readonly unknown[], S extends object> {
  /** Names the op in errors. */
  name?: string;
  /** Computes the output, and what the backward function will need. Nothing in it is recorded. */
  forward: (...args: A) => { output: Tensor; saved: S };
  /**
   * @param dy the gradient of the output
   * @param saved what `forward` saved
   * @returns a gradient for each tensor among the arguments, in their order; null for none
   */
  backward: (dy: Tensor, saved: S) => Gradients;
  /** Whether `backward` is made of tilegrad's ops only, so that it can be differentiated again. */
  twiceDifferentiable?: boolean;
}

/**
 * Makes a differentiable function out of a forward and a backward pass.
 *
 * @returns a function with the arguments of `forward` that returns its output
 * @example
 * const clippedExp = customOp({
 *   name: "clippedExp",
 *   forward: (x: Tensor) => {
 *     const output = x.clamp({ max: 10 }).exp();
 *     return { output, saved: { output } };
 *   },
 *   backward: (dy, { output }) => [dy.mul(output)],
 * });
 */
export function customOp<A extends readonly unknown[], S extends object>({
  name = "customOp",
  forward,
  backward,
  twiceDifferentiable = false,
}: CustomOp<A, S>): (...args: A) => Tensor {
  return (...args) => {
    const inputs = args.filter(isTensor);
    const { output, saved } = scope(() => noGrad(() => forward(...args)));
    return record(output, {
      op: name,
      inputs,
      saved,
      backward,
      ...(twiceDifferentiable ? { composed: true as const } : {}),
    });
  };
}
