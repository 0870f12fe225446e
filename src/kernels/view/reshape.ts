import { record } from "../../autograd/record.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { checkShape, formatShape, normalizeAxis, type Shape, shapesEqual, sizeOf } from "../../tensor/shape.ts";
import { alias, type Tensor } from "../../tensor/tensor.ts";

/**
 * Gives the elements another shape, in the same order, without copying.
 *
 * @param x any shape
 * @param shape the sizes; one of them may be -1 and is computed
 * @returns a tensor that shares x's storage
 * @throws ShapeError if the number of elements differs
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const target = resolveShape(x, shape);
  const y = alias(x, target);
  return record(y, {
    op: "reshape",
    inputs: [x],
    saved: { shape: x.shape },
    backward: (dy, { shape }) => [reshape(dy, shape)],
    composed: true,
  });
}

function resolveShape(x: Tensor, shape: Shape): Shape {
  const unknown = shape.indexOf(-1);
  let target = shape;
  if (unknown >= 0) {
    const known = sizeOf(shape.filter((_, axis) => axis !== unknown));
    target = shape.with(unknown, known === 0 ? 0 : x.size / known);
  }
  if (target.every((n) => Number.isInteger(n) && n >= 0) && sizeOf(target) === x.size) {
    checkShape("reshape", target);
    return target;
  }
  throw new ShapeError(
    `reshape: x has shape ${formatShape(x.shape)}, ${x.size} elements, which do not fit ${formatShape(shape)}`,
  );
}

/**
 * Merges the axes from `startAxis` to `endAxis` into one; a scalar becomes [1].
 *
 * @throws ShapeError if an axis is out of range, or they are in the wrong order
 */
export function flatten(x: Tensor, startAxis = 0, endAxis = -1): Tensor {
  if (x.rank === 0) return reshape(x, [1]);
  const start = normalizeAxis("flatten", startAxis, x.rank);
  const end = normalizeAxis("flatten", endAxis, x.rank);
  if (start > end) throw new ShapeError(`flatten: startAxis ${startAxis} comes after endAxis ${endAxis}`);
  const merged = sizeOf(x.shape.slice(start, end + 1));
  return reshape(x, [...x.shape.slice(0, start), merged, ...x.shape.slice(end + 1)]);
}

/**
 * Removes axes of size 1: the given ones (those of another size stay, as in PyTorch), or all.
 *
 * @throws ShapeError if an axis is out of range
 */
export function squeeze(x: Tensor, axes?: number | readonly number[]): Tensor {
  const list = axes === undefined ? x.shape.map((_, axis) => axis) : typeof axes === "number" ? [axes] : axes;
  const removed = new Set(list.map((axis) => normalizeAxis("squeeze", axis, x.rank)));
  return reshape(
    x,
    x.shape.filter((n, axis) => n !== 1 || !removed.has(axis)),
  );
}

/**
 * Adds an axis of size 1 in front of `axis`; -1 adds it at the end.
 *
 * @throws ShapeError if the axis is out of range
 */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis("unsqueeze", axis, x.rank + 1);
  const target = x.shape.toSpliced(at, 0, 1);
  return shapesEqual(target, x.shape) ? x : reshape(x, target);
}
