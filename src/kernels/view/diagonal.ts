import { ShapeError } from "../../gpu/errors.ts";
import { formatShape, normalizeAxis, stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { takeView } from "./strided-view.ts";

/**
 * The diagonals of the matrices in two axes of x.
 *
 * @param offset 0 for the main diagonal, above it for a positive and below it for a negative number
 * @param axis0 the matrices' rows
 * @param axis1 their columns
 * @returns [..., n]: the other axes in their order, then the diagonal
 * @throws ShapeError if an axis is out of range, or both are the same
 */
export function diagonal(x: Tensor, offset = 0, axis0 = 0, axis1 = 1): Tensor {
  const row = normalizeAxis("diagonal", axis0, x.rank);
  const col = normalizeAxis("diagonal", axis1, x.rank);
  if (row === col)
    throw new ShapeError(`diagonal: axis0 and axis1 are ${formatShape([axis0, axis1])}, expected two different axes`);
  if (!Number.isInteger(offset)) throw new ShapeError(`diagonal: offset is ${offset}, expected a whole number`);
  const strides = stridesOf(x.shape);
  const down = Math.max(-offset, 0);
  const right = Math.max(offset, 0);
  const length = Math.max(0, Math.min(x.shape[row]! - down, x.shape[col]! - right));
  const others = x.shape.map((_, axis) => axis).filter((axis) => axis !== row && axis !== col);
  return takeView("diagonal", x, {
    shape: [...others.map((axis) => x.shape[axis]!), length],
    strides: [...others.map((axis) => strides[axis]!), strides[row]! + strides[col]!],
    offset: length === 0 ? 0 : down * strides[row]! + right * strides[col]!,
  });
}
