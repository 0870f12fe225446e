import { expectSameDevice, record } from "../../autograd/record.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { type DType, promote } from "../../tensor/dtype.ts";
import { formatShape, normalizeAxis, shapesEqual, stridesOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { copyView, wholeView } from "../strided-copy/strided-copy.ts";
import { unsqueeze } from "../view/reshape.ts";
import { narrow } from "../view/slice.ts";

/**
 * Joins tensors along an axis that they have. Different dtypes are promoted to a common one.
 *
 * @param tensors at least one; their shapes are equal but for the axis
 * @returns a tensor as long along the axis as all of them together
 * @throws ShapeError for none, or shapes that do not fit; DTypeError for i32 with u32; DeviceError for several devices
 */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  return join("concat", tensors, axis);
}

/**
 * Joins tensors of one shape along a new axis in front of `axis`; -1 adds it at the end.
 *
 * @returns a tensor of one more axis, of size tensors.length
 * @throws ShapeError for none, or shapes that differ; DTypeError for i32 with u32; DeviceError for several devices
 */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  const first = firstOf("stack", tensors);
  const at = normalizeAxis("stack", axis, first.rank + 1);
  for (const [i, { shape }] of tensors.entries()) {
    if (!shapesEqual(shape, first.shape)) {
      throw new ShapeError(
        `stack: tensor ${i} has shape ${formatShape(shape)}, expected ${formatShape(first.shape)} as tensor 0`,
      );
    }
  }
  return join(
    "stack",
    tensors.map((x) => unsqueeze(x, at)),
    at,
  );
}

function firstOf(op: string, tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new ShapeError(`${op}: tensors is empty, expected at least one`);
  return tensors[0]!;
}

function join(op: string, tensors: readonly Tensor[], axis: number): Tensor {
  const first = firstOf(op, tensors);
  expectSameDevice(op, tensors);
  const along = normalizeAxis(op, axis, first.rank);
  for (const [i, { shape }] of tensors.entries()) {
    if (shape.length !== first.rank || !shapesEqual(shape.with(along, 0), first.shape.with(along, 0))) {
      throw new ShapeError(
        `${op}: tensor ${i} has shape ${formatShape(shape)}, expected ${formatShape(first.shape)} but for axis ${along}, as tensor 0`,
      );
    }
  }
  const dtype = tensors.map((x) => x.dtype).reduce((a, b) => promote(op, a, b));
  const inputs = tensors.map((x) => cast<DType>(x, dtype));
  const sizes = inputs.map((x) => x.shape[along]!);
  const y = empty(
    first.shape.with(
      along,
      sizes.reduce((sum, n) => sum + n),
    ),
    { dtype, device: first.device },
  );
  const strides = stridesOf(y.shape);
  const starts: number[] = [];
  let start = 0;
  for (const x of inputs) {
    copyView(x, wholeView(x.shape), y, { shape: x.shape, strides, offset: start * strides[along]! });
    starts.push(start);
    start += x.shape[along]!;
  }
  return record(y, {
    op,
    inputs,
    saved: {},
    backward: (dy, _, needs) => inputs.map((_, i) => (needs[i] ? narrow(dy, along, starts[i]!, sizes[i]!) : null)),
    composed: true,
  });
}
