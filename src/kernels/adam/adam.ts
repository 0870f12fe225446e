/** The kernels of Adam and AdamW: all tensors of an optimizer in a few dispatches, with nothing read back. */
import type { Storage } from "../../gpu/device.ts";
import { ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { MATH } from "../lib/lib.ts";
import { adamReference, adamStepsReference } from "./adam.reference.ts";

const kernel = loadKernel(new URL("./adam.wgsl", import.meta.url), { reference: adamReference });
const stepsKernel = loadKernel(new URL("./adam-steps.wgsl", import.meta.url), {
  lib: [MATH],
  reference: adamStepsReference,
});

const THREADS = 64;
const TENSORS_PER_DISPATCH = 4;

/** One tensor of an optimizer with its gradient of this step. */
export interface AdamTensor {
  readonly gradient: Tensor;
  /** Where the tensor starts in the flat buffers, in elements. */
  readonly offset: number;
  /** Its place in `steps`. */
  readonly index: number;
}

export interface AdamState {
  readonly p: Storage; // flat parameters
  readonly m: Storage; // flat, first moments
  readonly v: Storage; // flat, second moments
  readonly steps: Storage; // [tensors, 4]
  readonly enabled: Storage; // [tensors] u32
  readonly hyper: Storage; // [4], the learning rate first
}

export interface AdamHyperparameters {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Whether the decay shrinks the weights themselves (AdamW). */
  readonly decoupled: boolean;
}

/**
 * One step of Adam, in place: counts the step of every enabled tensor, then updates those given.
 *
 * @param tensors those that have a gradient; the same that `enabled` marks
 * @see Kingma, Ba 2014, https://arxiv.org/abs/1412.6980; Loshchilov, Hutter 2017, https://arxiv.org/abs/1711.05101
 */
export function adamStep(state: AdamState, tensors: readonly AdamTensor[], hyperparameters: AdamHyperparameters): void {
  const { p, m, v, steps, enabled, hyper } = state;
  const { beta1, beta2, eps, weightDecay, decoupled } = hyperparameters;
  const count = enabled.length;
  dispatch(stepsKernel, "advance", {
    bind: { steps, enabled },
    params: { tensors: count, logBeta1: Math.log(beta1), logBeta2: Math.log(beta2) },
    groups: ceilDiv(count, THREADS),
  });
  for (let first = 0; first < tensors.length; first += TENSORS_PER_DISPATCH) {
    const chunk = tensors.slice(first, first + TENSORS_PER_DISPATCH);
    const sizes = chunk.map(({ gradient }) => gradient.size);
    // A binding that is not used gets the last gradient.
    const g = Array.from({ length: TENSORS_PER_DISPATCH }, (_, j) => (chunk[j] ?? chunk.at(-1)!).gradient);
    dispatch(kernel, "update", {
      bind: { p, m, v, g0: g[0]!, g1: g[1]!, g2: g[2]!, g3: g[3]!, steps, hyper },
      params: {
        sizes,
        offsets: chunk.map(({ offset }) => offset),
        indices: chunk.map(({ index }) => index),
        beta1,
        beta2,
        eps,
        weightDecay,
      },
      constants: { DECOUPLED: Number(decoupled) },
      groups: ceilDiv(Math.max(...sizes), THREADS),
    });
  }
}
