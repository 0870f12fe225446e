/** From a reduction over the middle axis of [outer, n, inner] to one over any axes. */
import { record } from "../../autograd/record.ts";
import { normalizeAxes, type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { stridedCopy } from "../strided-copy/strided-copy.ts";
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
}

/**
 * Reduces x over axes.
 *
 * @param reduce takes [outer, n, inner] to a new tensor [outer, 1, inner], gradient included
 * @throws ShapeError if an axis is out of range or repeated
 */
export function overAxes(
  x: Tensor,
  { op, axes, keepDim = false, inSteps = false }: Plan,
  reduce: (x: Tensor) => Tensor,
): Tensor {
  const reduced = normalizeAxes(op, axes, x.rank);
  const kept = [...x.shape.keys()].filter((axis) => !reduced.includes(axis));
  const temporary: Tensor[] = [];
  const own = (tensor: Tensor): Tensor => {
    temporary.push(tensor);
    return tensor;
  };

  let y = x;
  let groups = groupsOf(x.shape, reduced);
  if (groups.length > 1 && !inSteps) {
    y = own(permuted(x, [...kept, ...reduced]));
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

function permuted(x: Tensor, order: readonly number[]): Tensor {
  const strides = stridesOf(x.shape);
  const y = stridedCopy(
    x,
    order.map((axis) => x.shape[axis]!),
    order.map((axis) => strides[axis]!),
  );
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return record(y, {
    op: "permute",
    inputs: [x],
    saved: {},
    backward: (dy) => [permuted(dy, inverse)],
    composed: true,
  });
}
