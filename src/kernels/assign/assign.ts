/** Changes in place. They are for who owns the storage: every tensor that shares it sees them. */
import { isGradEnabled, requiresGrad, withGrad } from "../../autograd/record.ts";
import { DeviceError, GradientError, ShapeError } from "../../gpu/errors.ts";
import { scope } from "../../tensor/scope.ts";
import { broadcastShapes, formatShape, shapesEqual } from "../../tensor/shape.ts";
import { isTensor, type NestedArray, type Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { encode, hostElements, type NumericArray } from "../creation/creation.ts";
import { copyInto } from "../strided-copy/strided-copy.ts";
import { expand } from "../view/expand.ts";
import { expectValue, fillStorage } from "./fill.ts";

/**
 * Sets every element of `x` to `value`, in place.
 *
 * @param value a number that x's dtype has; for bool, anything but 0 is true
 * @returns x
 * @throws GradientError for a tensor that requires a gradient, outside `noGrad`
 * @throws ValueError for a value that the dtype does not have
 */
export function fill(x: Tensor, value: number): Tensor {
  expectAssignable("fill", x);
  fillStorage(x, expectValue("fill", value, x.dtype));
  return x;
}

/**
 * Sets every element of `x` to 0, in place.
 *
 * @returns x
 * @throws GradientError for a tensor that requires a gradient, outside `noGrad`
 */
export function zero(x: Tensor): Tensor {
  expectAssignable("zero", x);
  fillStorage(x, 0);
  return x;
}

/**
 * Takes the elements of `source`, in place: `x` keeps its shape, dtype and device.
 *
 * @param source a tensor on x's device, of a shape that broadcasts to x's and any dtype; or host data: nested arrays of
 *   x's shape, or a typed array of its size
 * @returns x
 * @throws GradientError for a tensor that requires a gradient, outside `noGrad`
 * @throws ShapeError for a source that does not fit, DeviceError for one on another device
 */
export function copyFrom(x: Tensor, source: Tensor | NumericArray | NestedArray): Tensor {
  expectAssignable("copyFrom", x);
  if (isTensor(source)) copyTensor(x, source);
  else copyHost(x, source);
  return x;
}

function copyTensor(x: Tensor, source: Tensor): void {
  if (source.device !== x.device) {
    throw new DeviceError(
      `copyFrom: source is on ${source.device.name} and x on ${x.device.name}; pass await source.toDevice(...) or await source.data()`,
    );
  }
  if (!shapesEqual(broadcastShapes("copyFrom", x.shape, source.shape), x.shape)) {
    throw new ShapeError(
      `copyFrom: source has shape ${formatShape(source.shape)}, expected one that broadcasts to ${formatShape(x.shape)}`,
    );
  }
  if (source.storage === x.storage) return;
  // Conversion and stretching make tensors of their own, which end here.
  scope(() =>
    copyInto(
      withGrad(false, () => expand(cast(source, x.dtype), x.shape)),
      x,
    ),
  );
}

function copyHost(x: Tensor, source: NumericArray | NestedArray): void {
  const { values, shape } = hostElements("copyFrom", source);
  const fits = ArrayBuffer.isView(source) ? values.length === x.size : shapesEqual(shape, x.shape);
  if (!fits) {
    throw new ShapeError(
      `copyFrom: source has shape ${formatShape(shape)}, expected ${formatShape(x.shape)} or a typed array of ${x.size} elements`,
    );
  }
  x.device.write(x.storage, encode(values, x.dtype, x.device.wordBytes));
}

function expectAssignable(op: string, x: Tensor): void {
  if (!isGradEnabled() || !requiresGrad(x)) return;
  throw new GradientError(
    `${op}: x of shape ${formatShape(x.shape)} requires a gradient; change it in place under noGrad(() => ...) only`,
  );
}
