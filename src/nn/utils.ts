/** Helpers for training loops. */
import { ValueError } from "../gpu/errors.ts";
import { clampGradients, gradientNorm, scaleGradients } from "../kernels/clip-grad/clip-grad.ts";
import { zeros } from "../kernels/creation/creation.ts";
import { stridedCopy } from "../kernels/strided-copy/strided-copy.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Scales all gradients, in place, so that their norm as one vector is at most `maxNorm`. Nothing is read back.
 *
 * @param parameters those without a gradient are passed over
 * @param options normType: the power of the norm, or Infinity for the largest magnitude (default 2)
 * @returns the norm before clipping, a scalar on the device
 * @throws ValueError unless maxNorm >= 0 and normType > 0
 * @see https://pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
 */
export function clipGradNorm(parameters: Iterable<Tensor>, maxNorm: number, { normType = 2 } = {}): Tensor {
  if (!(maxNorm >= 0)) throw new ValueError(`clipGradNorm: maxNorm is ${maxNorm}, expected 0 or more`);
  if (!(normType > 0)) throw new ValueError(`clipGradNorm: normType is ${normType}, expected more than 0, or Infinity`);
  const gradients = gradientsOf(parameters);
  if (gradients.length === 0) return zeros([]);
  return scope(() => {
    const result = gradientNorm(gradients, maxNorm, normType);
    scaleGradients(gradients, result);
    return stridedCopy(result, [], []);
  });
}

/**
 * Holds every element of every gradient to [-clipValue, clipValue], in place.
 *
 * @throws ValueError unless clipValue >= 0
 */
export function clipGradValue(parameters: Iterable<Tensor>, clipValue: number): void {
  if (!(clipValue >= 0)) throw new ValueError(`clipGradValue: clipValue is ${clipValue}, expected 0 or more`);
  clampGradients(gradientsOf(parameters), clipValue);
}

function gradientsOf(parameters: Iterable<Tensor>): Tensor[] {
  return Array.from(parameters, ({ grad }) => grad).filter((grad): grad is Tensor => grad !== null && grad.size > 0);
}
