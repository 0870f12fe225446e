import { expectSameDevice } from "../../autograd/record.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { expectShape, formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { add, mul } from "../elementwise/binary-ops.ts";
import { flatten, reshape, squeeze, unsqueeze } from "../view/reshape.ts";
import { linear, matmul } from "./matmul.ts";

/**
 * Multiplies two vectors with a matrix between them, one for each output: y[o] = x1 weight[o] x2 + bias[o].
 *
 * @param x1 f32, [..., in1]
 * @param x2 f32, [..., in2], with the same axes before
 * @param weight f32, [out, in1, in2]
 * @param bias f32, [out]
 * @returns [..., out]
 * @throws ShapeError for shapes that do not fit, DTypeError for anything but f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html
 */
export function bilinear(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  const tensors = Object.entries({ x1, x2, weight, ...(bias ? { bias } : {}) });
  for (const [name, tensor] of tensors) expectDType("bilinear", name, tensor.dtype, ["f32"]);
  expectSameDevice(
    "bilinear",
    tensors.map(([, tensor]) => tensor),
  );
  const [out, in1, in2] = weight.shape;
  if (out === undefined || in1 === undefined || in2 === undefined || weight.rank > 3) {
    throw new ShapeError(`bilinear: weight has shape ${formatShape(weight.shape)}, expected [out, in1, in2]`);
  }
  const leading = x1.shape.slice(0, -1);
  expectShape("bilinear", "x1", x1.shape, [...leading, in1]);
  expectShape("bilinear", "x2", x2.shape, [...leading, in2]);
  if (bias) expectShape("bilinear", "bias", bias.shape, [out]);
  return scope(() => {
    if (out > in2) {
      const products = mul(unsqueeze(x1, -1), unsqueeze(x2, -2)); // [..., in1, in2]
      return linear(flatten(products, -2), flatten(weight, 1), bias);
    }
    const products = reshape(linear(x2, flatten(weight, 0, 1)), [...leading, out, in1]);
    const y = squeeze(matmul(products, unsqueeze(x1, -1)), -1);
    return bias ? add(y, bias) : y;
  });
}
