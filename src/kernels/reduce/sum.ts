import { record } from "../../autograd/record.ts";
import { ceilDiv, dispatch, loadKernel, type Reference } from "../../gpu/kernel.ts";
import { normalizeAxes, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { MATH, REDUCE } from "../lib/lib.ts";
import { expand } from "../view/expand.ts";
import { reshape } from "../view/reshape.ts";

const THREADS = 64;

const sumOver = ({ x, y }: Record<string, Float64Array>, { outer, n, inner }: Record<string, number>) => {
  for (let o = 0; o < outer!; o++) {
    for (let i = 0; i < inner!; i++) {
      let sum = 0;
      for (let c = 0; c < n!; c++) sum += x![(o * n! + c) * inner! + i]!;
      y![o * inner! + i] = sum;
    }
  }
};
const reference: Reference = { rows: sumOver, columns: sumOver };

const kernel = loadKernel(new URL("./sum.wgsl", import.meta.url), { lib: [MATH, REDUCE], reference });

/**
 * Sums over axes.
 *
 * @param x any shape
 * @param axes which; all of them where left out
 * @param options keepDim leaves the summed axes with size 1
 * @throws ShapeError if an axis is out of range or repeated
 */
export function sum(x: Tensor, axes?: number | readonly number[], { keepDim = false } = {}): Tensor {
  const reduced = normalizeAxes("sum", axes, x.rank);
  let y = x;
  // One axis after the other, the last one first, so that the numbers of the others stay.
  for (const axis of reduced.toReversed()) y = sumAxis(y, axis);
  if (y === x) return x;
  const kept = x.shape.map((n, axis) => (reduced.includes(axis) ? 1 : n));
  return keepDim ? reshape(y, kept) : y;
}

function sumAxis(x: Tensor, axis: number): Tensor {
  const outer = sizeOf(x.shape.slice(0, axis));
  const n = x.shape[axis]!;
  const inner = sizeOf(x.shape.slice(axis + 1));
  const y = empty(x.shape.toSpliced(axis, 1), { device: x.device });
  const entry = inner === 1 ? "rows" : "columns";
  dispatch(kernel, entry, {
    bind: { x, y },
    params: { outer, n, inner },
    groups: inner === 1 ? outer : ceilDiv(outer * inner, THREADS),
  });
  return record(y, {
    op: "sum",
    inputs: [x],
    saved: { shape: x.shape },
    backward: (dy, { shape }) => [expand(reshape(dy, shape.with(axis, 1)), shape)],
    composed: true,
  });
}
