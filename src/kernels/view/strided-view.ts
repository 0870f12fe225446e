/**
 * The two ops under `permute`, `slice`, `flip`, `diagonal`, `pad` and their like, each the other's gradient: `takeView`
 * copies a strided view out of a tensor, `placeView` puts a tensor where a strided view is.
 */
import { record } from "../../autograd/record.ts";
import { checkShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { fillStorage } from "../assign/fill.ts";
import { copyView, isWhole, stridedCopy, type View, wholeView } from "../strided-copy/strided-copy.ts";
import { reshape } from "./reshape.ts";

/**
 * The elements that `view` has in `x`, none of them twice.
 *
 * @returns a tensor of view.shape; it shares x's storage where no element moves
 */
export function takeView(op: string, x: Tensor, view: View): Tensor {
  checkShape(op, view.shape);
  if (isWhole(view, x.size)) return reshape(x, view.shape);
  const y = stridedCopy(x, view.shape, view.strides, view.offset);
  return record(y, {
    op,
    inputs: [x],
    saved: { shape: x.shape },
    backward: (dy, { shape }) => [placeView(op, dy, shape, view)],
    composed: true,
  });
}

/**
 * A tensor of `shape` that has x's elements where `view` says, and `value` everywhere else.
 *
 * @param view of x's shape; no element twice
 */
export function placeView(op: string, x: Tensor, shape: Shape, view: View, value = 0): Tensor {
  checkShape(op, shape);
  if (isWhole(view, sizeOf(shape))) return reshape(x, shape);
  const y = empty(shape, { dtype: x.dtype, device: x.device });
  if (y.size > x.size) fillStorage(y, value);
  copyView(x, wholeView(x.shape), y, view);
  return record(y, {
    op,
    inputs: [x],
    saved: {},
    backward: (dy) => [takeView(op, dy, view)],
    composed: true,
  });
}
