/** From a reduction over the middle axis of [outer, n, inner] to one over any axes. */
import { ShapeError } from "../../gpu/errors.ts";
import { formatShape, normalizeAxes, type Shape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { permute } from "../view/permute.ts";
import { reshape } from "../view/reshape.ts";

export interface ReduceOptions {
  /** Leave the reduced axes with size 1; false by default. */
  keepDim?: boolean;
}

interface Plan extends ReduceOptions {
  readonly op: string;
  readonly axes: number | readonly number[] | undefined;
  /** Whether axes that lie apart may be reduced one group after the other; else they are brought together first. */
  readonly inSteps?: boolean;
  /** Whether there must be an element to reduce. */
  readonly nonEmpty?: boolean;
}

/**
 * Reduces x over axes.
 *
 * @param reduce takes [outer, n, inner] to a new tensor [outer, 1, inner], gradient included
 * @throws ShapeError if an axis is out of range or repeated, or has no elements where there must be some
 */
export function overAxes(
  x: Tensor,
  { op, axes, keepDim = false, inSteps = false, nonEmpty = false }: Plan,
  reduce: (x: Tensor) => Tensor,
): Tensor {
  const reduced = normalizeAxes(op, axes, x.rank);
  if (nonEmpty && reduced.some((axis) => x.shape[axis] === 0)) {
    throw new ShapeError(
      `${op}: x has shape ${formatShape(x.shape)}, without elements along axes ${formatShape(reduced)}, expected at least one`,
    );
  }
  const kept = [...x.shape.keys()].filter((axis) => !reduced.includes(axis));
  const temporary: Tensor[] = [];
  const own = (tensor: Tensor): Tensor => {
    temporary.push(tensor);
    return tensor;
  };

  let y = x;
  let groups = groupsOf(x.shape, reduced);
  if (groups.length > 1 && !inSteps) {
    y = own(permute(x, [...kept, ...reduced]));
    groups = [[sizeOf(y.shape.slice(0, kept.length)), sizeOf(y.shape.slice(kept.length)), 1]];
  }
  for (const group of groups) y = own(reduce(own(reshape(y, group))));
  y = reshape(
    y,
    keepDim ? x.shape.map((n, axis) => (reduced.includes(axis) ? 1 : n)) : kept.map((axis) => x.shape[axis]!),
  );
  for (const tensor of temporary) tensor.dispose();
  return y;
}

// The groups of neighbouring reduced axes as [outer, n, inner], the last one first, each with the ones behind it reduced.
function groupsOf(shape: Shape, reduced: readonly number[]): Shape[] {
  const groups: Shape[] = [];
  let n = 1;
  let inner = 1;
  for (let axis = shape.length - 1; axis >= -1; axis--) {
    const size = axis < 0 ? 0 : shape[axis]!;
    if (size === 1) continue;
    if (reduced.includes(axis)) {
      n *= size;
    } else {
      if (n !== 1) groups.push([sizeOf(shape.slice(0, axis + 1)), n, inner]);
      n = 1;
      inner *= size;
    }
  }
  return groups.length > 0 ? groups : [[sizeOf(shape), 1, 1]];
}
