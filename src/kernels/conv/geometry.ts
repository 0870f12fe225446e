/**
 * The sizes of a convolution y = conv(x, weight), from which its three maps follow: y from x and weight, x's gradient from
 * y's and weight (which is also the transposed convolution), weight's gradient from x and y's.
 */
export type Pair = readonly [vertical: number, horizontal: number];

/** A number for each axis. */
export function onBothAxes(of: (axis: 0 | 1) => number): Pair {
  return [of(0), of(1)];
}

export interface Geometry {
  readonly n: number;
  readonly groups: number;
  /** Channels of x and of y in a group. */
  readonly ci: number;
  readonly co: number;
  /** Rows and columns of x, of y, and of the kernel. */
  readonly size: Pair;
  readonly outSize: Pair;
  readonly kernel: Pair;
  readonly stride: Pair;
  /** Zeros before the first row and column of x; behind the last there are as many as y's size asks for. */
  readonly pad: Pair;
  readonly dilation: Pair;
}

/**
 * One axis of a sum over a window that slides with a stride of its own:
 *
 *   out[first + i * step] = sum over t < taps of source[start + i * stride + t * dilation] * weight[tap + t * tapStep]
 *
 * for i < count. What lies outside of the source counts as 0.
 */
export interface Axis {
  readonly first: number;
  readonly step: number;
  readonly count: number;
  readonly start: number;
  readonly stride: number;
  readonly dilation: number;
  readonly taps: number;
  readonly tap: number;
  readonly tapStep: number;
}

/** How y is computed from x along an axis (0: vertical). */
export function forwardAxis(geometry: Geometry, axis: 0 | 1): Axis {
  return {
    first: 0,
    step: 1,
    count: geometry.outSize[axis],
    start: -geometry.pad[axis],
    stride: geometry.stride[axis],
    dilation: geometry.dilation[axis],
    taps: geometry.kernel[axis],
    tap: 0,
    tapStep: 1,
  };
}

/**
 * How x's gradient is computed from y's along an axis: one sum per remainder of the position by the stride, since these
 * meet different taps. Tap k of position p meets y at (p + pad - k * dilation) / stride, where that is whole.
 */
export function backwardAxes(geometry: Geometry, axis: 0 | 1): Axis[] {
  const [size, kernel, stride, pad, dilation] = (["size", "kernel", "stride", "pad", "dilation"] as const).map(
    (name) => geometry[name][axis],
  ) as [number, number, number, number, number];
  return Array.from({ length: Math.min(stride, size) }, (_, first) => {
    const taps = Array.from({ length: kernel }, (_, k) => k).filter((k) => (first + pad - k * dilation) % stride === 0);
    // From the last tap, which meets the first element.
    const last = taps.at(-1) ?? 0;
    const tapStep = taps.length > 1 ? taps[0]! - taps[1]! : 0;
    return {
      first,
      step: stride,
      count: Math.ceil((size - first) / stride),
      start: taps.length > 0 ? (first + pad - last * dilation) / stride : 0,
      stride: 1,
      dilation: (-tapStep * dilation) / stride,
      taps: taps.length,
      tap: last,
      tapStep,
    };
  });
}

/** The source positions that an axis reads, which may begin before the source and end behind it. */
export function extentOf({ start, count, stride, dilation, taps }: Axis): { start: number; length: number } {
  const isEmpty = count === 0 || taps === 0;
  return { start, length: isEmpty ? 0 : (count - 1) * stride + (taps - 1) * dilation + 1 };
}
