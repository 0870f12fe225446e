import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { checkShape, formatShape, normalizeAxis, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { expand } from "./expand.ts";
import { reshape } from "./reshape.ts";

/**
 * Lays copies of x side by side: repeats[i] of them along axis i. More repeats than axes add axes in front.
 *
 * @param repeats at least one number per axis of x
 * @returns a tensor whose sizes are x's times repeats
 * @throws ShapeError for fewer repeats than axes, ValueError for one that is no whole number from 0 up
 * @example
 * repeat(tensor([1, 2]), [2]);      // [1, 2, 1, 2]
 * repeat(tensor([1, 2]), [3, 1]);   // [[1, 2], [1, 2], [1, 2]]
 */
export function repeat(x: Tensor, repeats: readonly number[]): Tensor {
  const added = repeats.length - x.rank;
  if (added < 0) {
    throw new ShapeError(
      `repeat: repeats is ${formatShape(repeats)}, expected at least ${x.rank} numbers for x of shape ${formatShape(x.shape)}`,
    );
  }
  for (const count of repeats) expectCount("repeat", count);
  const shape = [...new Array<number>(added).fill(1), ...x.shape];
  checkShape(
    "repeat",
    shape.map((n, axis) => n * repeats[axis]!),
  );
  let y = reshape(x, shape);
  // Innermost first, while the tensor is small.
  for (let axis = repeats.length - 1; axis >= 0; axis--) y = repeatBlocks(y, axis, axis, repeats[axis]!);
  return y;
}

/**
 * Repeats each element, or each slice along an axis, `repeats` times in place.
 *
 * @param axis where left out, x is flattened first
 * @throws ValueError unless `repeats` is a whole number from 0 up, ShapeError if the axis is out of range
 * @example
 * repeatInterleave(tensor([1, 2]), 2);   // [1, 1, 2, 2]
 */
export function repeatInterleave(x: Tensor, repeats: number, axis?: number): Tensor {
  expectCount("repeatInterleave", repeats);
  if (axis === undefined) return repeatBlocks(reshape(x, [x.size]), 0, 1, repeats);
  const along = normalizeAxis("repeatInterleave", axis, x.rank);
  return repeatBlocks(x, along, along + 1, repeats);
}

// Repeats the block that the axes from `first` on make `count` times; the copies lengthen `axis`.
function repeatBlocks(x: Tensor, axis: number, first: number, count: number): Tensor {
  if (count === 1) return x;
  const outer = sizeOf(x.shape.slice(0, first));
  const block = sizeOf(x.shape.slice(first));
  const y = expand(reshape(x, [outer, 1, block]), [outer, count, block]);
  return reshape(y, x.shape.with(axis, x.shape[axis]! * count));
}

function expectCount(op: string, count: number): void {
  if (!Number.isInteger(count) || count < 0)
    throw new ValueError(`${op}: repeats has ${count}, expected a whole number from 0 up`);
}
