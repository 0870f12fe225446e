/**
 * The three maps of a convolution with their gradients. Each is linear in both of its operands, and the gradients of each
 * are the other two: so every derivative of a convolution is made of these.
 */
import { productPrecision } from "../../autograd/autocast.ts";
import { record } from "../../autograd/record.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sum } from "../reduce/sum.ts";
import type { Geometry } from "./geometry.ts";
import { backwardInput, backwardWeight, forward } from "./launch.ts";

/** y = conv(x, weight) + bias, in the graph as `op`. */
export function convolve(op: string, x: Tensor, weight: Tensor, bias: Tensor | null, geometry: Geometry): Tensor {
  return record(forward(x, weight, bias, geometry, productPrecision()), {
    op,
    inputs: bias ? [x, weight, bias] : [x, weight],
    saved: { x, weight },
    backward: (dy, saved, needs) => [
      needs[0] ? convolveTransposed(op, dy, saved.weight, null, geometry) : null,
      needs[1] ? weightProduct(op, saved.x, dy, geometry) : null,
      ...biasGradient(dy, needs),
    ],
    composed: true,
  });
}

/** x = the transposed convolution of y by weight, + bias, in the graph as `op`. */
export function convolveTransposed(
  op: string,
  y: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  geometry: Geometry,
): Tensor {
  return record(backwardInput(y, weight, bias, geometry, productPrecision()), {
    op,
    inputs: bias ? [y, weight, bias] : [y, weight],
    saved: { y, weight },
    backward: (dx, saved, needs) => [
      needs[0] ? convolve(op, dx, saved.weight, null, geometry) : null,
      needs[1] ? weightProduct(op, dx, saved.y, geometry) : null,
      ...biasGradient(dx, needs),
    ],
    composed: true,
  });
}

// The gradient of the weight that takes x to y, whose gradient is given.
function weightProduct(op: string, x: Tensor, y: Tensor, geometry: Geometry): Tensor {
  return record(backwardWeight(x, y, geometry, productPrecision()), {
    op,
    inputs: [x, y],
    saved: { x, y },
    backward: (dw, saved, needs) => [
      needs[0] ? convolveTransposed(op, saved.y, dw, null, geometry) : null,
      needs[1] ? convolve(op, saved.x, dw, null, geometry) : null,
    ],
    composed: true,
  });
}

function biasGradient(dy: Tensor, needs: readonly boolean[]): (Tensor | null)[] {
  return needs.length === 3 ? [needs[2] ? sum(dy, [0, 2, 3]) : null] : [];
}
