/** Helpers for training loops. */
import { expectSameDevice } from "../autograd/record.ts";
import { ShapeError, ValueError } from "../gpu/errors.ts";
import { clampGradients, gradientNorm, scaleGradients } from "../kernels/clip-grad/clip-grad.ts";
import { concat } from "../kernels/concat/concat.ts";
import { zeros } from "../kernels/creation/creation.ts";
import { copyView, stridedCopy, wholeView } from "../kernels/strided-copy/strided-copy.ts";
import { flatten } from "../kernels/view/reshape.ts";
import { expectDType } from "../tensor/dtype.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape } from "../tensor/shape.ts";
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
  expectNormType("clipGradNorm", normType);
  const gradients = gradientsOf(parameters);
  if (gradients.length === 0) return zeros([]);
  return scope(() => {
    const result = gradientNorm(gradients, maxNorm, normType);
    scaleGradients(gradients, result);
    return stridedCopy(result, [], []);
  });
}

/**
 * The norm of tensors seen as one vector. Nothing is read back.
 *
 * @param tensors f32, such as gradients
 * @param options normType: the power of the norm, or Infinity for the largest magnitude (default 2)
 * @returns a scalar on the device, without a gradient
 * @throws ValueError unless normType > 0
 * @see https://pytorch.org/docs/stable/generated/torch.nn.utils.get_total_norm.html
 */
export function getTotalNorm(tensors: Iterable<Tensor>, { normType = 2 } = {}): Tensor {
  expectNormType("getTotalNorm", normType);
  const all = [...tensors];
  for (const [i, { dtype }] of all.entries()) expectDType("getTotalNorm", `tensors[${i}]`, dtype, ["f32"]);
  const filled = all.filter(({ size }) => size > 0);
  if (filled.length === 0) return zeros([]);
  expectSameDevice("getTotalNorm", filled);
  return scope(() => stridedCopy(gradientNorm(filled, 0, normType), [], []));
}

function expectNormType(op: string, normType: number): void {
  if (!(normType > 0)) throw new ValueError(`${op}: normType is ${normType}, expected more than 0, or Infinity`);
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

/**
 * Joins parameters, flattened, into one vector, through which gradients flow.
 *
 * @returns [elements of all parameters]
 * @throws ShapeError if there are none
 */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  const vectors = Array.from(parameters, (parameter) => flatten(parameter));
  if (vectors.length === 0) throw new ShapeError("parametersToVector: there are no parameters");
  return concat(vectors);
}

/**
 * Gives parameters the values of one vector, in place: the inverse of `parametersToVector`.
 *
 * @param vector [elements of all parameters]
 * @throws ShapeError, DeviceError
 */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Tensor>): void {
  const all = [...parameters];
  const size = all.reduce((total, parameter) => total + parameter.size, 0);
  if (vector.rank !== 1 || vector.size !== size) {
    throw new ShapeError(`vectorToParameters: vector has shape ${formatShape(vector.shape)}, expected [${size}]`);
  }
  expectDType("vectorToParameters", "vector", vector.dtype, ["f32"]);
  expectSameDevice("vectorToParameters", [vector, ...all]);
  let offset = 0;
  for (const parameter of all) {
    copyView(vector, { shape: [parameter.size], strides: [1], offset }, parameter, wholeView([parameter.size]));
    offset += parameter.size;
  }
}

function gradientsOf(parameters: Iterable<Tensor>): Tensor[] {
  return Array.from(parameters, ({ grad }) => grad).filter((grad): grad is Tensor => grad !== null && grad.size > 0);
}
