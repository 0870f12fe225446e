/** The largest element of each window. */
import { record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import { dispatch, loadKernel } from "../../gpu/kernel.ts";
import type { Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { MATH } from "../lib/lib.ts";
import { runsOver } from "../lib/runs.ts";
import { maxPoolReference } from "./pool.reference.ts";
import { runBackward, runForward } from "./run-windows.ts";
import { type PerAxis, pooledShape, type Windows, windowsOfParts, windowsOver } from "./windows.ts";

const WINDOWS = new URL("./windows.wgsl", import.meta.url);
const kernel = loadKernel(new URL("./max-pool.wgsl", import.meta.url), {
  lib: [WINDOWS, MATH],
  reference: maxPoolReference,
});
// By elements of x per thread.
const halveKernels = {
  4: halveBy(`alias T = vec4f;
const WIDTH = 4u;
alias H = vec2f;
alias I = vec2i;
alias U = vec2u;
const PLACES = vec2i(0, 2);
fn evens(v: T) -> H { return v.xz; }
fn odds(v: T) -> H { return v.yw; }
fn interleave(evens: H, odds: H) -> T { return vec4f(evens.x, odds.x, evens.y, odds.y); }
`),
  2: halveBy(`alias T = vec2f;
const WIDTH = 2u;
alias H = f32;
alias I = i32;
alias U = u32;
const PLACES = 0;
fn evens(v: T) -> H { return v.x; }
fn odds(v: T) -> H { return v.y; }
fn interleave(evens: H, odds: H) -> T { return vec2f(evens, odds); }
`),
};

// The cpu device, which needs no speed, runs the other kernel.
function halveBy(append: string) {
  return loadKernel(new URL("./halve.wgsl", import.meta.url), { lib: [MATH], append, reference: {} });
}

export interface MaxPoolOptions {
  /** How far windows are apart; kernelSize where left out. */
  stride?: PerAxis;
  /** How far windows reach over each border, at most half of kernelSize; what lies there is never the largest. */
  padding?: PerAxis;
  /** How far a window's elements are apart, 1 where left out. */
  dilation?: PerAxis;
  /** true for a last window that reaches over the end. */
  ceilMode?: boolean;
}

export interface MaxPooled {
  values: Tensor;
  /** Where in its plane each value was: row * w + column. */
  indices: Tensor<"i32">;
}

const OPTIONS = ["stride", "padding", "dilation", "ceilMode"];

/**
 * Takes the largest element of each window: y[o] = max over k of x[o stride - padding + k dilation]. The first of equal elements
 * gets the gradient.
 *
 * @param x [n, c, l] or [c, l], f32
 * @returns [n, c, out] or [c, out], where out is floor((l + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1; NaN where
 *   an element is NaN
 * @throws ShapeError if there is no window, ValueError for options that do not fit, DTypeError unless x is f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html
 */
export function maxPool1d(x: Tensor, kernelSize: number | readonly [number], options: MaxPoolOptions = {}): Tensor {
  checkOptions("maxPool1d", options, OPTIONS);
  return valuesOf("maxPool1d", x, 1, windowsOver("maxPool1d", x, 1, { kernelSize, ...options }));
}

/**
 * Takes the largest element of each window of rows and columns. The first of equal elements gets the gradient.
 *
 * @param x [n, c, h, w] or [c, h, w], f32
 * @param kernelSize the window's size, or its rows and columns; the options are given in the same way
 * @returns [n, c, outH, outW] or [c, outH, outW], where out is floor((size + 2 padding - dilation (kernelSize - 1) - 1) / stride)
 *   + 1; NaN where an element is NaN
 * @throws ShapeError if there is no window, ValueError for options that do not fit, DTypeError unless x is f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
 * @example
 * maxPool2d(x, 2);                             // [n, c, 28, 28] -> [n, c, 14, 14]
 * maxPool2d(x, 3, { stride: 2, padding: 1 });  // overlapping windows: [n, c, 28, 28] -> [n, c, 14, 14]
 */
export function maxPool2d(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): Tensor {
  checkOptions("maxPool2d", options, OPTIONS);
  return valuesOf("maxPool2d", x, 2, windowsOver("maxPool2d", x, 2, { kernelSize, ...options }));
}

/**
 * As `maxPool2d`, and says where the largest elements were.
 *
 * @returns values and indices, of one shape
 * @throws ShapeError, ValueError, DTypeError as `maxPool2d`
 */
export function maxPool2dWithIndices(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): MaxPooled {
  const op = "maxPool2dWithIndices";
  checkOptions(op, options, OPTIONS);
  return maxPool(op, x, 2, windowsOver(op, x, 2, { kernelSize, ...options }));
}

/**
 * Cuts rows and columns into parts, and takes the largest element of each.
 *
 * @param x [n, c, h, w] or [c, h, w], f32
 * @param outputSize how many parts, or how many of rows and of columns; null for as many as there are elements
 * @returns [n, c, outH, outW] or [c, outH, outW]; part o is from floor(o size / out) to ceil((o + 1) size / out)
 * @throws ShapeError, ValueError for sizes that do not fit, DTypeError unless x is f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html
 */
export function adaptiveMaxPool2d(x: Tensor, outputSize: number | readonly (number | null)[]): Tensor {
  return valuesOf("adaptiveMaxPool2d", x, 2, windowsOfParts("adaptiveMaxPool2d", x, 2, outputSize));
}

function valuesOf(op: string, x: Tensor, axes: 1 | 2, windows: Windows): Tensor {
  const { values, indices } = maxPool(op, x, axes, windows);
  indices.dispose();
  return values;
}

function maxPool(op: string, x: Tensor, axes: 1 | 2, windows: Windows): MaxPooled {
  const y = empty(pooledShape(x, axes, windows), { device: x.device });
  const indices = empty(y.shape, { dtype: "i32", device: x.device });
  const halves = halving(x, windows);
  if (halves) dispatch(halves.kernel, "forward", { bind: { x, y, indices }, ...halves });
  else runForward(kernel, "forward", { x, y, indices }, windows);
  record(y, {
    op,
    inputs: [x],
    saved: { indices, shape: x.shape },
    backward: (dy, { indices, shape }: Saved) => [spread({ op, windows, indices, shape }, dy)],
    composed: true,
  });
  return { values: y, indices };
}

interface Saved {
  indices: Tensor; // of y's shape
  shape: Shape; // x's
}

/** What gradients are spread by. */
interface Choice extends Saved {
  readonly op: string;
  readonly windows: Windows;
}

// The gradients of these two are each other.

// Adds each element of dy where its window's largest element is.
function spread(choice: Choice, dy: Tensor): Tensor {
  const { op, windows, indices, shape } = choice;
  const dx = empty(shape, { device: dy.device });
  const bind = { dy, chosen: indices, dx };
  const halves = halving(dx, windows);
  if (halves) dispatch(halves.kernel, "backward", { bind, ...halves });
  else runBackward(kernel, bind, windows);
  return record(dx, {
    op,
    inputs: [dy],
    saved: { indices },
    backward: (ddx, { indices }) => [take({ ...choice, indices }, ddx)],
    composed: true,
  });
}

// The elements of x that were the largest of their windows.
function take(choice: Choice, x: Tensor): Tensor {
  const { op, windows, indices } = choice;
  const y = empty(indices.shape, { device: x.device });
  runForward(kernel, "take", { x, chosen: indices, y }, windows);
  return record(y, {
    op,
    inputs: [x],
    saved: { indices },
    backward: (dy, { indices }) => [spread({ ...choice, indices }, dy)],
    composed: true,
  });
}

// The faster kernel, where it can do it.
function halving(x: Tensor, windows: Windows) {
  const { planes, size, out, kernel, stride, padding, dilation, adaptive } = windows;
  const areSideBySide = [...kernel, ...stride].every((n) => n === 2) && size.every((n, axis) => n === 2 * out[axis]!);
  const arePlain = !adaptive && padding.every((n) => n === 0) && dilation.every((n) => n === 1);
  if (!areSideBySide || !arePlain || x.device.kind !== "webgpu") return null;
  const elements = size[1] % 4 === 0 ? 4 : 2;
  const width = size[1] / elements;
  const { groups, params } = runsOver(x.device, planes * out[0], width);
  return { kernel: halveKernels[elements], params: { rows: out[0], width, ...params }, groups };
}
