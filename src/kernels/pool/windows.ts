/** The windows of pooling over the last axes: what the options mean, and how many windows fit. */
import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A number for each of the last axes, or one for all. */
export type PerAxis = number | readonly number[];

export type Pair = readonly [rows: number, columns: number];

/** Windows over planes of [rows, columns]; what has one axis is one row. */
export interface Windows {
  readonly planes: number;
  /** Of the input. */
  readonly size: Pair;
  readonly out: Pair;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  /** Whether the axis is cut into `out` parts, and the other fields mean nothing. */
  readonly adaptive: boolean;
}

export interface WindowOptions {
  kernelSize: PerAxis;
  stride?: PerAxis | undefined;
  padding?: PerAxis | undefined;
  dilation?: PerAxis | undefined;
  ceilMode?: boolean | undefined;
}

/**
 * Plans windows of one size over the last `axes` axes of x.
 *
 * @throws DTypeError, ShapeError, ValueError
 */
export function windowsOver(op: string, x: Tensor, axes: 1 | 2, options: WindowOptions): Windows {
  const { kernelSize, ceilMode = false } = options;
  const size = lastSizes(op, x, axes);
  const kernel = perAxis(op, "kernelSize", kernelSize, axes, 1);
  const stride = perAxis(op, "stride", options.stride ?? kernelSize, axes, 1);
  const padding = perAxis(op, "padding", options.padding ?? 0, axes, 0);
  const dilation = perAxis(op, "dilation", options.dilation ?? 1, axes, 1);
  if (padding.some((n, axis) => 2 * n > kernel[axis]!)) {
    throw new ValueError(
      `${op}: padding is ${formatShape(padding)}, expected at most half of kernelSize ${formatShape(kernel)}`,
    );
  }
  const least = kernel.map((n, axis) => (n - 1) * dilation[axis]! + 1 - 2 * padding[axis]!);
  const out = size.map((n, axis) => {
    const steps = (n - least[axis]!) / stride[axis]!;
    if (!ceilMode) return Math.floor(steps) + 1;
    // The last window begins in the input, or in the padding before it.
    const last = Math.ceil(steps);
    return last * stride[axis]! >= n + padding[axis]! ? last : last + 1;
  });
  if (out.some((n) => n < 1)) {
    throw new ShapeError(
      `${op}: x has shape ${formatShape(x.shape)}, expected at least ${formatShape(least)} along the last axes for one window`,
    );
  }
  return {
    planes: x.size / sizeOf(size),
    size: asPair(size, 1),
    out: asPair(out, 1),
    kernel: asPair(kernel, 1),
    stride: asPair(stride, 1),
    padding: asPair(padding, 0),
    dilation: asPair(dilation, 1),
    adaptive: false,
  };
}

/**
 * Plans windows that cut the last `axes` axes of x into parts: [floor(o n / out), ceil((o + 1) n / out)).
 *
 * @param outputSize how many; null for as many as x has elements
 * @throws DTypeError, ShapeError, ValueError
 */
export function windowsOfParts(
  op: string,
  x: Tensor,
  axes: 1 | 2,
  outputSize: number | null | readonly (number | null)[],
): Windows {
  const size = lastSizes(op, x, axes);
  const asked = typeof outputSize === "object" && outputSize !== null ? outputSize : size.map(() => outputSize);
  const filled = asked.map((n, axis) => n ?? size[axis] ?? 1);
  const out = perAxis(op, "outputSize", filled, axes, 1);
  // The kernel multiplies them.
  if (out.some((n, axis) => (n + 1) * size[axis]! >= 2 ** 32)) {
    throw new ShapeError(
      `${op}: x has shape ${formatShape(x.shape)} and outputSize ${formatShape(out)}, expected products of their sizes below 2^32`,
    );
  }
  const divides = out.every((n, axis) => size[axis]! % n === 0);
  const kernel = asPair(
    size.map((n, axis) => Math.ceil(n / out[axis]!)),
    1,
  );
  return {
    planes: x.size / sizeOf(size),
    size: asPair(size, 1),
    out: asPair(out, 1),
    kernel,
    stride: kernel,
    padding: [0, 0],
    dilation: [1, 1],
    adaptive: !divides,
  };
}

/** The shape of what has an element per window of x. */
export function pooledShape(x: Tensor, axes: 1 | 2, { out }: Windows): Shape {
  return [...x.shape.slice(0, -axes), ...out.slice(-axes)];
}

/** @throws ValueError unless it is a whole number from `least` up, or one for each axis */
export function perAxis(op: string, name: string, value: PerAxis, axes: number, least: number): number[] {
  const values = typeof value === "number" ? new Array<number>(axes).fill(value) : [...value];
  if (values.length !== axes || values.some((n) => !Number.isInteger(n) || n < least)) {
    const given = typeof value === "number" ? value : formatShape(value);
    const list = axes === 1 ? "" : `, or ${axes} of them`;
    throw new ValueError(`${op}: ${name} is ${given}, expected a whole number from ${least} up${list}`);
  }
  return values;
}

// The sizes of x's last axes; before them, x has an axis of channels, and before that it may have one of a batch.
function lastSizes(op: string, x: Tensor, axes: 1 | 2): Shape {
  expectDType(op, "x", x.dtype, ["f32"]);
  const size = x.shape.slice(-axes);
  const names = axes === 1 ? "c, l" : "c, h, w";
  if (x.rank !== axes + 1 && x.rank !== axes + 2) {
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected [n, ${names}] or [${names}]`);
  }
  if (size.includes(0)) {
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected elements along its last axes`);
  }
  return size;
}

export function asPair(values: readonly number[], missing: number): Pair {
  return values.length === 1 ? [missing, values[0]!] : [values[0]!, values[1]!];
}
