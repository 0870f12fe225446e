import { record } from "../../autograd/record.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { broadcastStrides, checkShape, formatShape, type Shape, shapesEqual } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sumTo } from "../reduce/sum-to.ts";
import { stridedCopy } from "../strided-copy/strided-copy.ts";

/**
 * Repeats `x` along axes of size 1, and along new axes in front, to a larger shape, by NumPy's broadcasting rule.
 *
 * @param x any shape that broadcasts to `shape`
 * @param shape the shape to get; -1 keeps the size of x
 * @returns a contiguous tensor of `shape`; x itself where it has the shape already
 * @throws ShapeError if x does not broadcast to `shape`
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  const added = shape.length - x.rank;
  const target = shape.map((n, axis) => (n === -1 && axis >= added ? x.shape[axis - added]! : n));
  checkShape("expand", target);
  if (shapesEqual(x.shape, target)) return x;
  if (added < 0 || x.shape.some((n, axis) => n !== 1 && n !== target[axis + added])) {
    throw new ShapeError(
      `expand: x has shape ${formatShape(x.shape)}, which does not broadcast to ${formatShape(shape)}`,
    );
  }
  const y = stridedCopy(x, target, broadcastStrides(x.shape, target));
  return record(y, {
    op: "expand",
    inputs: [x],
    saved: { shape: x.shape },
    backward: (dy, { shape }) => [sumTo(dy, shape)],
    composed: true,
  });
}
