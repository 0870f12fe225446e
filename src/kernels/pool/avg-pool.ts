/** The average of each window. */
import { record } from "../../autograd/record.ts";
import { checkOptions, ValueError } from "../../gpu/errors.ts";
import { loadKernel } from "../../gpu/kernel.ts";
import type { Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { mean } from "../reduce/sum.ts";
import { avgPoolReference } from "./pool.reference.ts";
import { runBackward, runForward } from "./run-windows.ts";
import { type PerAxis, pooledShape, type Windows, windowsOfParts, windowsOver } from "./windows.ts";

const kernel = loadKernel(new URL("./avg-pool.wgsl", import.meta.url), {
  lib: [new URL("./windows.wgsl", import.meta.url)],
  reference: avgPoolReference,
});

export interface AvgPool1dOptions {
  /** How far windows are apart; kernelSize where left out. */
  stride?: PerAxis;
  /** Zeros that are added at each border, at most half of kernelSize. */
  padding?: PerAxis;
  /** true for a last window that reaches over the end. */
  ceilMode?: boolean;
  /** Whether the zeros of the padding count as elements; true where left out. */
  countIncludePad?: boolean;
}

export interface AvgPool2dOptions extends AvgPool1dOptions {
  /** What sums are divided by, instead of the number of elements. */
  divisorOverride?: number | null;
}

const OPTIONS = ["stride", "padding", "ceilMode", "countIncludePad"];

/**
 * Averages each window: y[o] = 1 / kernelSize * sum over k of x[o stride - padding + k].
 *
 * @param x [n, c, l] or [c, l], f32
 * @returns [n, c, out] or [c, out], where out is floor((l + 2 padding - kernelSize) / stride) + 1
 * @throws ShapeError if there is no window, ValueError for options that do not fit, DTypeError unless x is f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html
 */
export function avgPool1d(x: Tensor, kernelSize: number | readonly [number], options: AvgPool1dOptions = {}): Tensor {
  checkOptions("avgPool1d", options, OPTIONS);
  return avgPool("avgPool1d", x, 1, windowsOver("avgPool1d", x, 1, { kernelSize, ...options }), options);
}

/**
 * Averages each window of rows and columns.
 *
 * @param x [n, c, h, w] or [c, h, w], f32
 * @param kernelSize the window's size, or its rows and columns; stride and padding are given in the same way
 * @returns [n, c, outH, outW] or [c, outH, outW], where out is floor((size + 2 padding - kernelSize) / stride) + 1
 * @throws ShapeError if there is no window, ValueError for options that do not fit, DTypeError unless x is f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
 */
export function avgPool2d(x: Tensor, kernelSize: PerAxis, options: AvgPool2dOptions = {}): Tensor {
  checkOptions("avgPool2d", options, [...OPTIONS, "divisorOverride"]);
  const { divisorOverride } = options;
  if (divisorOverride === 0 || Number.isNaN(divisorOverride)) {
    throw new ValueError(`avgPool2d: divisorOverride is ${divisorOverride}, expected a number other than 0`);
  }
  return avgPool("avgPool2d", x, 2, windowsOver("avgPool2d", x, 2, { kernelSize, ...options }), options);
}

/**
 * Cuts the last axis into parts, and averages each.
 *
 * @param x [n, c, l] or [c, l], f32
 * @param outputSize how many parts
 * @returns [n, c, out] or [c, out]; part o is from floor(o l / out) to ceil((o + 1) l / out)
 * @throws ShapeError, ValueError for sizes that do not fit, DTypeError unless x is f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool1d.html
 */
export function adaptiveAvgPool1d(x: Tensor, outputSize: number | readonly [number]): Tensor {
  return avgPool("adaptiveAvgPool1d", x, 1, windowsOfParts("adaptiveAvgPool1d", x, 1, outputSize));
}

/**
 * Cuts rows and columns into parts, and averages each.
 *
 * @param x [n, c, h, w] or [c, h, w], f32
 * @param outputSize how many parts, or how many of rows and of columns; null for as many as there are elements
 * @returns [n, c, outH, outW] or [c, outH, outW]; part o is from floor(o size / out) to ceil((o + 1) size / out)
 * @throws ShapeError, ValueError for sizes that do not fit, DTypeError unless x is f32
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html
 */
export function adaptiveAvgPool2d(x: Tensor, outputSize: number | readonly (number | null)[]): Tensor {
  return avgPool("adaptiveAvgPool2d", x, 2, windowsOfParts("adaptiveAvgPool2d", x, 2, outputSize));
}

/**
 * Averages the last axis: `adaptiveAvgPool1d` to one part.
 *
 * @param x [n, c, l] or [c, l], f32
 * @returns [n, c, 1] or [c, 1]
 * @throws ShapeError, DTypeError for another x
 */
export function globalAvgPool1d(x: Tensor): Tensor {
  return avgPool("globalAvgPool1d", x, 1, windowsOfParts("globalAvgPool1d", x, 1, 1));
}

/**
 * Averages rows and columns: `adaptiveAvgPool2d` to one part.
 *
 * @param x [n, c, h, w] or [c, h, w], f32
 * @returns [n, c, 1, 1] or [c, 1, 1]
 * @throws ShapeError, DTypeError for another x
 */
export function globalAvgPool2d(x: Tensor): Tensor {
  return avgPool("globalAvgPool2d", x, 2, windowsOfParts("globalAvgPool2d", x, 2, 1));
}

function avgPool(op: string, x: Tensor, axes: 1 | 2, windows: Windows, options: AvgPool2dOptions = {}): Tensor {
  const { countIncludePad = true, divisorOverride = null } = options;
  const { size, out, kernel, padding } = windows;
  const isWhole = out.every((n, axis) => n === 1 && kernel[axis] === size[axis] && padding[axis] === 0);
  if (isWhole && divisorOverride === null) return mean(x, axes === 1 ? -1 : [-2, -1], { keepDim: true });
  const shape = pooledShape(x, axes, windows);
  const divisor = divisorOverride ?? 0;
  return average({ op, windows, shape, xShape: x.shape, includePadding: countIncludePad, divisor }, x);
}

interface Average {
  readonly op: string;
  readonly windows: Windows;
  readonly shape: Shape; // y's
  readonly xShape: Shape;
  readonly includePadding: boolean;
  readonly divisor: number; // 0 for the number of elements
}

// The gradients of these two are each other.

function average(how: Average, x: Tensor): Tensor {
  const y = empty(how.shape, { device: x.device });
  runForward(kernel, "forward", { x, y }, how.windows, how);
  return record(y, { op: how.op, inputs: [x], saved: {}, backward: (dy) => [spread(how, dy)], composed: true });
}

function spread(how: Average, dy: Tensor): Tensor {
  const dx = empty(how.xShape, { device: dy.device });
  runBackward(kernel, { dy, dx }, how.windows, how);
  return record(dx, { op: how.op, inputs: [dy], saved: {}, backward: (ddx) => [average(how, ddx)], composed: true });
}
