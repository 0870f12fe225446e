import { ShapeError } from "../../gpu/errors.ts";
import { formatShape, normalizeAxis, stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { takeView } from "./strided-view.ts";

/**
 * Puts the axes in another order: axis i of the result is axis axes[i] of x.
 *
 * @param axes each axis of x once
 * @returns a copy; it shares x's storage where no element moves
 * @throws ShapeError unless `axes` names every axis once
 */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const order = axes.map((axis) => normalizeAxis("permute", axis, x.rank));
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new ShapeError(
      `permute: axes are ${formatShape(axes)}, expected each of the ${x.rank} axes of ${formatShape(x.shape)} once`,
    );
  }
  return permuted("permute", x, order);
}

/**
 * Swaps two axes.
 *
 * @returns a copy; it shares x's storage where no element moves
 * @throws ShapeError if an axis is out of range
 */
export function transpose(x: Tensor, axis0: number, axis1: number): Tensor {
  const a = normalizeAxis("transpose", axis0, x.rank);
  const b = normalizeAxis("transpose", axis1, x.rank);
  const order = x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis));
  return permuted("transpose", x, order);
}

function permuted(op: string, x: Tensor, order: readonly number[]): Tensor {
  const strides = stridesOf(x.shape);
  return takeView(op, x, {
    shape: order.map((axis) => x.shape[axis]!),
    strides: order.map((axis) => strides[axis]!),
    offset: 0,
  });
}
