import { ValueError } from "../../gpu/errors.ts";
import { formatShape, normalizeAxis, stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { takeView } from "./strided-view.ts";
import { type Subscript, subscriptView } from "./subscript.ts";

/**
 * Takes a part of a tensor by one subscript per axis, from the first; axes without one stay whole.
 *
 * @param subscripts null for all of an axis; a number for one element, which removes the axis; [start, end] or
 *   [start, end, step], null for the border; or the same in Python's spelling, also "..." and "None". Negative positions
 *   count from the end, ranges are cut to the axis
 * @returns a copy; it shares x's storage where no element moves
 * @throws ValueError for an index that is not on its axis, or a subscript that cannot be read
 * @throws ShapeError for more subscripts than axes
 * @example
 * x.slice([1, 3], null, [null, null, 2]);   // x[1:3, :, ::2]
 * x.slice("1:3, :, ::2");                   // the same
 * x.slice("...", -1);                       // x[..., -1]
 * x.slice([null, null, -1], "None");        // x[::-1, None]
 */
export function slice(x: Tensor, ...subscripts: readonly Subscript[]): Tensor {
  return takeView("slice", x, subscriptView("slice", x.shape, subscripts));
}

/**
 * Takes the element, row or block at `indices` along the first axes, which go: at(x, 2) is x[2], at(x, -1, 0) is x[-1, 0],
 * and at(x, null, 0) is x[:, 0].
 *
 * @returns a copy
 * @throws ValueError for an index that is not on its axis
 * @throws ShapeError for more indices than axes
 */
export function at(x: Tensor, ...indices: readonly (number | null)[]): Tensor {
  return takeView("at", x, subscriptView("at", x.shape, indices));
}

/**
 * Takes `length` neighbours along an axis.
 *
 * @param start the first of them; negative counts from the end
 * @returns a copy; it shares x's storage where no element moves
 * @throws ValueError if the range does not lie on the axis
 */
export function narrow(x: Tensor, axis: number, start: number, length: number): Tensor {
  const along = normalizeAxis("narrow", axis, x.rank);
  const n = x.shape[along]!;
  const first = start < 0 ? start + n : start;
  if (!Number.isInteger(start) || !Number.isInteger(length) || first < 0 || length < 0 || first + length > n) {
    throw new ValueError(
      `narrow: ${length} elements from ${start} are not on axis ${along} of size ${n}, x has shape ${formatShape(x.shape)}`,
    );
  }
  const strides = stridesOf(x.shape);
  return takeView("narrow", x, {
    shape: x.shape.with(along, length),
    strides,
    offset: length === 0 ? 0 : first * strides[along]!,
  });
}
