/**
 * What stands between NumPy's brackets: one subscript per axis, from the first.
 *
 *     null                  ":"            all of the axis
 *     i                     "-1"           the element at i; the axis goes
 *     [start, end]          "1:3"          from start up to, not including, end; null or nothing: from or to the border
 *     [start, end, step]    "::2" "::-1"   every step-th of them, backwards for a negative step
 *                           "..."          all axes that no other subscript stands for; at most once
 *                           "None"         a new axis of size 1; also "newaxis"
 *
 * A string may hold several, with commas. Negative positions count from the end. Ranges are cut to the axis, as in
 * Python; an element must exist.
 */
import { ShapeError, ValueError } from "../../gpu/errors.ts";
import { formatShape, type Shape, stridesOf } from "../../tensor/shape.ts";
import type { View } from "../strided-copy/strided-copy.ts";

export type Subscript =
  | null
  | number
  | readonly [start: number | null, end: number | null, step?: number | null]
  | string;

interface Range {
  readonly start: number | null;
  readonly end: number | null;
  readonly step: number;
}

type Part = number | Range | "..." | "new";

const ALL: Range = { start: null, end: null, step: 1 };

/**
 * The view that subscripts take of a contiguous tensor.
 *
 * @throws ValueError for a subscript that cannot be read or an element that is not there
 * @throws ShapeError for more subscripts than axes
 */
export function subscriptView(op: string, shape: Shape, subscripts: readonly Subscript[]): View {
  const parts = subscripts.flatMap((subscript) => parse(op, subscript));
  const used = parts.filter((part) => part !== "..." && part !== "new").length;
  if (used > shape.length) {
    throw new ShapeError(
      `${op}: x has shape ${formatShape(shape)}, expected at most ${shape.length} subscripts, got ${used}`,
    );
  }
  const ellipses = parts.filter((part) => part === "...").length;
  if (ellipses > 1) throw new ValueError(`${op}: "..." stands ${ellipses} times, expected at most once`);
  if (ellipses === 0) parts.push("...");

  const strides = stridesOf(shape);
  const view = { shape: [] as number[], strides: [] as number[], offset: 0 };
  let axis = 0;
  const take = (part: number | Range) => {
    const n = shape[axis]!;
    const stride = strides[axis]!;
    if (typeof part === "number") {
      view.offset += stride * position(op, part, axis, n);
    } else {
      const { first, count } = bounds(part, n);
      view.shape.push(count);
      view.strides.push(stride * part.step);
      // An empty range may start behind the last element.
      if (count > 0) view.offset += stride * first;
    }
    axis++;
  };
  for (const part of parts) {
    if (part === "new") {
      view.shape.push(1);
      view.strides.push(0);
    } else if (part === "...") {
      for (let i = used; i < shape.length; i++) take(ALL);
    } else {
      take(part);
    }
  }
  return view;
}

function position(op: string, index: number, axis: number, n: number): number {
  const normal = index < 0 ? index + n : index;
  if (normal >= 0 && normal < n) return normal;
  const expected = n === 0 ? "none, since the axis is empty" : `${-n} to ${n - 1}`;
  throw new ValueError(`${op}: the index ${index} is not on axis ${axis} of size ${n}, expected ${expected}`);
}

// As Python's slice.indices: where the range starts, and how many elements it has.
function bounds({ start, end, step }: Range, n: number): { first: number; count: number } {
  const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
  const clip = (value: number) => Math.min(Math.max(value < 0 ? value + n : value, low), high);
  const first = start === null ? (step > 0 ? low : high) : clip(start);
  const last = end === null ? (step > 0 ? high : low) : clip(end);
  return { first, count: Math.max(0, Math.ceil((last - first) / step)) };
}

function parse(op: string, subscript: Subscript): Part[] {
  if (subscript === null) return [ALL];
  if (typeof subscript === "number") return [whole(op, subscript)];
  if (typeof subscript === "string") return subscript.split(",").map((text) => parseText(op, text.trim()));
  if (!Array.isArray(subscript) || subscript.length < 2 || subscript.length > 3) {
    throw new ValueError(
      `${op}: a subscript is ${JSON.stringify(subscript)}, expected null, a number, [start, end], [start, end, step] or a string`,
    );
  }
  const [start, end, step] = (subscript as readonly (number | null | undefined)[]).map((value) =>
    value === null || value === undefined ? null : whole(op, value),
  );
  return [range(op, start!, end!, step ?? 1)];
}

const INTEGER = /^[+-]?\d+$/;
const RANGE = /^([+-]?\d+)?\s*:\s*([+-]?\d+)?\s*(?::\s*([+-]?\d+)?)?$/;

function parseText(op: string, text: string): Part {
  if (text === "...") return "...";
  if (text === "None" || text === "newaxis") return "new";
  if (INTEGER.test(text)) return Number(text);
  const match = RANGE.exec(text);
  if (!match) {
    throw new ValueError(
      `${op}: cannot read the subscript "${text}", expected a number, start:end, start:end:step, "..." or "None"`,
    );
  }
  const [start, end, step] = match.slice(1).map((digits) => (digits === undefined ? null : Number(digits)));
  return range(op, start!, end!, step ?? 1);
}

function range(op: string, start: number | null, end: number | null, step: number): Range {
  if (step === 0) throw new ValueError(`${op}: the step of a range is 0, expected another whole number`);
  return { start, end, step };
}

function whole(op: string, value: number): number {
  if (Number.isInteger(value)) return value;
  throw new ValueError(`${op}: a subscript has ${value}, expected a whole number`);
}
