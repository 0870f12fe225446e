import { record } from "../../autograd/record.ts";
import { ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { normalizeAxis, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { mul, sub } from "../elementwise/binary-ops.ts";
import { exp, neg } from "../elementwise/unary-ops.ts";
import { MATH, REDUCE } from "../lib/lib.ts";
import { sum } from "../reduce/sum.ts";
import { transpose } from "../view/permute.ts";
import { softmaxReference } from "./softmax.reference.ts";

const kernel = loadKernel(new URL("./softmax.wgsl", import.meta.url), {
  lib: [MATH, REDUCE],
  reference: softmaxReference,
});
const THREADS = 64;
const LONG = 1024; // elements of a column
const FEW = 1024; // columns
// A shorter row is one thread's work.
const MIN_ROW = { gpu: 64, software: 128 };
const MAX_GROUPS = { gpu: Number.POSITIVE_INFINITY, software: 512 }; // each costs half a microsecond there

/**
 * Makes the elements along an axis positive with the sum 1, without overflow.
 *
 *     y = exp(x) / Σ exp(x)
 *
 * @param x f32, any shape
 * @param axis along which axis; the last one where it is left out
 * @returns x's shape; NaN all along a line that has a NaN, an infinity, or nothing but -Infinity
 * @throws ShapeError if the axis is out of range
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  return apply("softmax", x, axis);
}

/**
 * Computes the logarithm of softmax, exact where softmax itself would be 0.
 *
 *     y = x - log(Σ exp(x))
 *
 * @param x f32, any shape
 * @param axis along which axis; the last one where it is left out
 * @returns x's shape; NaN all along a line that has a NaN, an infinity, or nothing but -Infinity
 * @throws ShapeError if the axis is out of range
 */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return apply("logSoftmax", x, axis);
}

/**
 * Computes softmax of -x: the smallest element becomes the largest share.
 *
 * @param x f32, any shape
 * @param axis along which axis; the last one where it is left out
 * @returns x's shape
 * @throws ShapeError if the axis is out of range
 */
export function softmin(x: Tensor, axis = -1): Tensor {
  expectDType("softmin", "x", x.dtype, ["f32"]);
  return softmax(neg(x), normalizeAxis("softmin", axis, x.rank));
}

interface Saved {
  y: Tensor; // x's shape
}

function apply(op: "softmax" | "logSoftmax", x: Tensor, axisOption: number): Tensor {
  expectDType(op, "x", x.dtype, ["f32"]);
  const axis = normalizeAxis(op, axisOption, x.rank);
  const n = x.shape[axis]!;
  if (axis < x.rank - 1 && n >= LONG && x.size / n < FEW) return acrossRows(op, x, axis);
  const call = callOf(op, x, axis);
  const y = empty(x.shape, x);
  dispatch(kernel, `${call.entries}Forward`, { bind: { x, y }, ...call });

  return record(y, {
    op,
    inputs: [x],
    saved: { y },
    backward(dy, { y }: Saved) {
      const dx = empty(y.shape, y);
      dispatch(kernel, `${call.entries}Backward`, { bind: { saved: y, dy, dx }, ...call });
      return [dx];
    },
    composed(dy, { y }: Saved) {
      const along = (t: Tensor) => sum(t, axis, { keepDim: true });
      return [op === "softmax" ? mul(y, sub(dy, along(mul(y, dy)))) : sub(dy, mul(exp(y), along(dy)))];
    },
  });
}

// Few long columns: as rows, which workgroups share.
function acrossRows(op: "softmax" | "logSoftmax", x: Tensor, axis: number): Tensor {
  const rows = transpose(x, axis, -1);
  const y = apply(op, rows, -1);
  const result = transpose(y, axis, -1);
  rows.dispose();
  y.dispose();
  return result;
}

function callOf(op: string, { shape, size, device }: Tensor, axis: number) {
  const { family } = device;
  const outer = sizeOf(shape.slice(0, axis));
  const n = shape[axis]!;
  const inner = sizeOf(shape.slice(axis + 1));
  const byRows = inner === 1 && n >= MIN_ROW[family];
  return {
    entries: byRows ? "rows" : "lines",
    params: { outer, n, inner },
    constants: { LOG: Number(op === "logSoftmax") },
    groups: size === 0 ? 0 : byRows ? Math.min(outer, MAX_GROUPS[family]) : ceilDiv(outer * inner, THREADS),
  };
}
