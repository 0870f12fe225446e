/** Shape arithmetic: sizes, axes, broadcasting, and the messages for what does not fit. */
import { ShapeError } from "../gpu/errors.ts";

export type Shape = readonly number[];

export const MAX_RANK = 8;

/** The number of elements: the product of the sizes, 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Elements between neighbours along each axis of a contiguous tensor. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export function shapesEqual(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** @throws ShapeError unless the sizes are whole, not negative, at most 8 of them, and their product is below 2^31 */
export function checkShape(op: string, shape: Shape): void {
  if (shape.length > MAX_RANK)
    throw new ShapeError(`${op}: shape ${formatShape(shape)} has rank ${shape.length}, expected at most ${MAX_RANK}`);
  for (const n of shape) {
    if (!Number.isInteger(n) || n < 0)
      throw new ShapeError(`${op}: shape ${formatShape(shape)} has the size ${n}, expected whole sizes from 0 up`);
  }
  if (sizeOf(shape) >= 2 ** 31)
    throw new ShapeError(`${op}: shape ${formatShape(shape)} has 2^31 elements or more, which kernels cannot index`);
}

/** @throws ShapeError unless `actual` equals `expected` */
export function expectShape(op: string, argument: string, actual: Shape, expected: Shape): void {
  if (!shapesEqual(actual, expected)) {
    throw new ShapeError(`${op}: ${argument} has shape ${formatShape(actual)}, expected ${formatShape(expected)}`);
  }
}

/** @throws ShapeError unless the rank is `rank` */
export function expectRank(op: string, argument: string, shape: Shape, rank: number): void {
  if (shape.length !== rank)
    throw new ShapeError(`${op}: ${argument} has shape ${formatShape(shape)}, expected rank ${rank}`);
}

/**
 * An axis counted from the front; negative ones count from the back.
 *
 * @throws ShapeError if it is out of range
 */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normal < 0 || normal >= rank) {
    throw new ShapeError(
      `${op}: axis is ${axis}, expected ${rank === 0 ? "none for a scalar" : `a whole number from ${-rank} to ${rank - 1}`}`,
    );
  }
  return normal;
}

/** Axes counted from the front, sorted; all of them for undefined. @throws ShapeError if one is out of range or repeated */
export function normalizeAxes(op: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = typeof axes === "number" ? [axes] : axes;
  const normal = list.map((axis) => normalizeAxis(op, axis, rank)).sort((a, b) => a - b);
  if (new Set(normal).size < normal.length)
    throw new ShapeError(`${op}: axes are ${formatShape(list)}, expected each axis once`);
  return normal;
}

/**
 * The shape that all of `shapes` broadcast to, by NumPy's rule: aligned at the last axis, a size of 1 stretches.
 *
 * @throws ShapeError if two sizes differ and neither is 1
 */
export function broadcastShapes(op: string, ...shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const axis = rank - shape.length + i;
      const n = shape[i]!;
      if (n === 1) continue;
      if (result[axis] !== 1 && result[axis] !== n) {
        throw new ShapeError(`${op}: the shapes ${shapes.map(formatShape).join(" and ")} do not broadcast`);
      }
      result[axis] = n;
    }
  }
  return result;
}

/** Strides that read a contiguous tensor of `shape` as if it had the broadcast shape `target`: 0 where it stretches. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const strides = stridesOf(shape);
  const added = target.length - shape.length;
  return target.map((_, axis) => (axis < added || shape[axis - added] === 1 ? 0 : strides[axis - added]!));
}

/** The axes of `target` along which a tensor of `shape` was stretched. */
export function broadcastAxes(shape: Shape, target: Shape): number[] {
  const added = target.length - shape.length;
  const axes: number[] = [];
  for (let axis = 0; axis < target.length; axis++) {
    if (axis < added || (shape[axis - added] === 1 && target[axis] !== 1)) axes.push(axis);
  }
  return axes;
}

/**
 * Merges neighbouring axes that every operand walks contiguously, and drops axes of size 1, so that kernels see as few
 * dimensions as the access really has.
 *
 * @param shape the iteration space
 * @param strides one list per operand
 */
export function collapse(
  shape: Shape,
  strides: readonly (readonly number[])[],
): { shape: number[]; strides: number[][] } {
  const outShape: number[] = [];
  const outStrides: number[][] = strides.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const n = shape[axis]!;
    if (n === 1) continue;
    const last = outShape.length - 1;
    const merges = last >= 0 && strides.every((s, k) => outStrides[k]![last] === s[axis]! * n);
    if (merges) {
      outShape[last] = outShape[last]! * n;
      for (const [k, s] of strides.entries()) outStrides[k]![last] = s[axis]!;
    } else {
      outShape.push(n);
      for (const [k, s] of strides.entries()) outStrides[k]!.push(s[axis]!);
    }
  }
  return { shape: outShape, strides: outStrides };
}
