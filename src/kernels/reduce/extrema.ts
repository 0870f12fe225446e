/** The largest and the smallest element over axes, and where they are. */
import { record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { div, equal, mul } from "../elementwise/binary-ops.ts";
import { overAxes, type ReduceOptions } from "./over-axes.ts";
import { foldOf, perDType, type Reduction, reduceMiddle } from "./reduction.ts";
import { type Spread, spread } from "./spread.ts";
import { sum } from "./sum.ts";

const LOWEST: Record<DType, string> = {
  f32: "orBits(0.0, INFINITY_BITS | SIGN_BIT, true)", // an infinity cannot be written as a literal
  i32: "i32(-2147483648)",
  u32: "0u",
  bool: "0u",
};
const HIGHEST: Record<DType, string> = {
  f32: "orBits(0.0, INFINITY_BITS, true)",
  i32: "2147483647",
  u32: "4294967295u",
  bool: "1u",
};

/** The largest element, NaN if any is; -Infinity for no elements. */
export const MAX = perDType((dtype) => ({
  name: "max",
  y: dtype,
  initial: LOWEST[dtype],
  combine: dtype === "f32" ? "nanMax(a, b)" : "max(a, b)",
  reference: foldOf(Number.NEGATIVE_INFINITY, Math.max),
}));

export const MIN = perDType((dtype) => ({
  name: "min",
  y: dtype,
  initial: HIGHEST[dtype],
  combine: dtype === "f32" ? "nanMin(a, b)" : "min(a, b)",
  reference: foldOf(Number.POSITIVE_INFINITY, Math.min),
}));

const TIES: Reduction = {
  name: "ties",
  x: "f32",
  y: "f32",
  initial: "0.0",
  line: { type: "f32", value: "pivot[at]" },
  map: "select(0.0, 1.0, x == line)",
  combine: "a + b",
  reference(x, n, { pivot }) {
    let ties = 0;
    for (let c = 0; c < n; c++) if (x(c) === pivot) ties++;
    return ties;
  },
};

// No element equals a NaN, so that the gradients of its line are 0 / 0.
const GRADIENT: Spread = {
  name: "extremumBackward",
  line: { type: "vec2f", value: "vec2f(y[at], pivot[at])" },
  gradient: "dy * select(0.0, 1.0, x == line.x) / line.y",
  reference: (x, dy, { y, pivot }) => (dy * Number(x === y)) / pivot,
};

/**
 * Finds the largest element over axes. Elements that share the place of the largest share its gradient in equal parts.
 *
 *     dx = dy / (number of elements equal to y) where x = y, else 0
 *
 * @param x any shape and dtype
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns x's dtype, the shape without `axes`; NaN if an element is, and then the gradient is NaN
 * @throws ShapeError if an axis is out of range or repeated, or has no elements
 * @see https://docs.pytorch.org/docs/stable/generated/torch.amax.html
 */
export function max(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return extremum("max", MAX, x, axes, options);
}

/**
 * Finds the smallest element over axes. Elements that share the place of the smallest share its gradient in equal parts.
 *
 *     dx = dy / (number of elements equal to y) where x = y, else 0
 *
 * @param x any shape and dtype
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns x's dtype, the shape without `axes`; NaN if an element is, and then the gradient is NaN
 * @throws ShapeError if an axis is out of range or repeated, or has no elements
 * @see https://docs.pytorch.org/docs/stable/generated/torch.amin.html
 */
export function min(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return extremum("min", MIN, x, axes, options);
}

export function extremum(
  op: string,
  reduction: (dtype: DType) => Reduction,
  x: Tensor,
  axes: number | readonly number[] | undefined,
  options: ReduceOptions,
): Tensor {
  checkOptions(op, options, ["keepDim"]);
  return overAxes(x, { op, axes, ...options, nonEmpty: true }, (x) => {
    const y = reduceMiddle(reduction(x.dtype), x);
    return record(y, { op, inputs: [x], saved: { x, y }, backward: extremumBackward, composed: extremumComposed });
  });
}

interface Saved {
  x: Tensor; // [outer, n, inner]
  y: Tensor; // [outer, 1, inner]
}

function extremumBackward(dy: Tensor, { x, y }: Saved) {
  return [spread(GRADIENT, { x, dy, y, pivot: reduceMiddle(TIES, x, { pivot: y }) })];
}

function extremumComposed(dy: Tensor, { x, y }: Saved) {
  const chosen = cast(equal(x, y), "f32");
  return [mul(chosen, div(dy, sum(chosen, 1, { keepDim: true })))];
}

const KEY: Record<DType, string> = { f32: "keyOfF32(x)", i32: "keyOfI32(x)", u32: "x", bool: "x" };

const ARGMAX = perDType((dtype) => placeOf("argmax", KEY[dtype], (a, b) => a > b));

// The order of the keys reversed, but NaN stays above all others.
const ARGMIN = perDType((dtype) => {
  const key = KEY[dtype];
  const reversed = dtype === "f32" ? `select(~${key}, NAN_KEY, isNan(x))` : `~${key}`;
  return placeOf("argmin", reversed, (a, b) => a < b);
});

function placeOf(name: string, key: string, before: (a: number, b: number) => boolean): Omit<Reduction, "x"> {
  return {
    name,
    y: "i32",
    state: "vec2u", // a key and its place
    initial: "vec2u(0u, 0xffffffffu)",
    map: `vec2u(${key}, c)`,
    combine: "select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y))",
    finish: "i32(s.y)",
    reference(x, n) {
      let best = 0;
      for (let c = 1; c < n; c++) {
        if (!Number.isNaN(x(best)) && (Number.isNaN(x(c)) || before(x(c), x(best)))) best = c;
      }
      return best;
    },
  };
}

/**
 * Finds where the largest element is: the first of equal ones, or the first NaN.
 *
 * @param x any shape and dtype
 * @param axis along which axis; where left out, in the flattened tensor
 * @param options keepDim
 * @returns i32 places along the axis, the shape without it
 * @throws ShapeError if the axis is out of range or has no elements
 */
export function argmax(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor<"i32"> {
  return argument("argmax", ARGMAX, x, axis, options);
}

/**
 * Finds where the smallest element is: the first of equal ones, or the first NaN.
 *
 * @param x any shape and dtype
 * @param axis along which axis; where left out, in the flattened tensor
 * @param options keepDim
 * @returns i32 places along the axis, the shape without it
 * @throws ShapeError if the axis is out of range or has no elements
 */
export function argmin(x: Tensor, axis?: number, options: ReduceOptions = {}): Tensor<"i32"> {
  return argument("argmin", ARGMIN, x, axis, options);
}

function argument(
  op: string,
  reduction: (dtype: DType) => Reduction,
  x: Tensor,
  axis: number | undefined,
  options: ReduceOptions,
): Tensor<"i32"> {
  checkOptions(op, options, ["keepDim"]);
  return overAxes(x, { op, axes: axis, ...options, nonEmpty: true }, (x) =>
    reduceMiddle(reduction(x.dtype), x),
  ) as Tensor<"i32">;
}
