import { expectSameDevice, record } from "../../autograd/record.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectRank, expectShape, normalizeAxis, stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { stridedCopy } from "../strided-copy/strided-copy.ts";
import { type Along, addSlicesInto, expectIndex, takeSlices } from "./slices.ts";

/**
 * Takes slices along an axis in the order of an index: y[j] = x[index[j]] for axis 0.
 *
 * @param index [count], i32 or u32; it may repeat, and negative numbers are errors
 * @returns x's shape with `count` along the axis
 * @throws DTypeError unless the index is of integers, ShapeError unless it has one axis
 * @throws ValueError at the next await, if an index is out of range
 */
export function indexSelect(x: Tensor, axis: number, index: Tensor): Tensor {
  return takeSlices(x, index, alongAxis("indexSelect", x, axis, index));
}

/**
 * Adds slices along an axis where an index says: a copy of x with y[index[j]] += src[j] for every j, for axis 0. The order
 * of the additions is fixed.
 *
 * @param index [count], i32 or u32; it may repeat, and negative numbers are errors
 * @param src x's shape with `count` along the axis, of x's dtype
 * @returns x's shape
 * @throws DTypeError, ShapeError, DeviceError for arguments that do not fit
 * @throws ValueError at the next await, if an index is out of range
 */
export function indexAdd(x: Tensor, axis: number, index: Tensor, src: Tensor): Tensor {
  const along = alongAxis("indexAdd", x, axis, index);
  expectDType("indexAdd", "x", x.dtype, ["f32", "i32", "u32"]);
  expectDType("indexAdd", "src", src.dtype, [x.dtype]);
  expectShape("indexAdd", "src", src.shape, x.shape.with(along.axis, index.size));
  expectSameDevice("indexAdd", [x, src]);
  const y = stridedCopy(x, x.shape, stridesOf(x.shape));
  addSlicesInto(y, src, index, along);
  return record(y, {
    op: "indexAdd",
    inputs: [x, src],
    saved: { index },
    backward: (dy, { index }) => [dy, takeSlices(dy, index, along)],
    composed: true,
  });
}

function alongAxis(op: string, x: Tensor, axis: number, index: Tensor): Along {
  const along = normalizeAxis(op, axis, x.rank);
  expectRank(op, "index", index.shape, 1);
  expectIndex(op, "index", index, x);
  return { op, argument: "index", axis: along, n: x.shape[along]!, skip: null };
}
