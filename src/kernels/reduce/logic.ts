/** Which elements are not 0: any, all, and how many. NaN is not 0. */
import { checkOptions } from "../../gpu/errors.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { overAxes, type ReduceOptions } from "./over-axes.ts";
import { foldOf, perDType, reduceMiddle } from "./reduction.ts";

const truth = (dtype: DType) =>
  dtype === "f32" ? "select(0u, 1u, x != 0.0 || isNan(x))" : "select(0u, 1u, x != T(0))";

const ANY = perDType((dtype) => ({
  name: "any",
  y: "bool",
  initial: "0u",
  map: truth(dtype),
  combine: "a | b",
  reference: foldOf(0, (s, x) => s | Number(x !== 0)),
}));

const ALL = perDType((dtype) => ({
  name: "all",
  y: "bool",
  initial: "1u",
  map: truth(dtype),
  combine: "a & b",
  reference: foldOf(1, (s, x) => s & Number(x !== 0)),
}));

const COUNT = perDType((dtype) => ({
  name: "countNonzero",
  y: "i32",
  initial: "0",
  map: `i32(${truth(dtype)})`,
  combine: "a + b",
  reference: foldOf(0, (s, x) => s + Number(x !== 0)),
}));

/**
 * Tells whether any element over axes is not 0.
 *
 * @param x any shape and dtype
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns bool, the shape without `axes`; false where there are no elements
 * @throws ShapeError if an axis is out of range or repeated
 */
export function any(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor<"bool"> {
  checkOptions("any", options, ["keepDim"]);
  return overAxes(x, { op: "any", axes, ...options, inSteps: true }, (x) =>
    reduceMiddle(ANY(x.dtype), x),
  ) as Tensor<"bool">;
}

/**
 * Tells whether all elements over axes are not 0.
 *
 * @param x any shape and dtype
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns bool, the shape without `axes`; true where there are no elements
 * @throws ShapeError if an axis is out of range or repeated
 */
export function all(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor<"bool"> {
  checkOptions("all", options, ["keepDim"]);
  return overAxes(x, { op: "all", axes, ...options, inSteps: true }, (x) =>
    reduceMiddle(ALL(x.dtype), x),
  ) as Tensor<"bool">;
}

/**
 * Counts the elements over axes that are not 0.
 *
 * @param x any shape and dtype
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns i32, the shape without `axes`
 * @throws ShapeError if an axis is out of range or repeated
 */
export function countNonzero(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor<"i32"> {
  checkOptions("countNonzero", options, ["keepDim"]);
  return overAxes(x, { op: "countNonzero", axes, ...options }, (x) => reduceMiddle(COUNT(x.dtype), x)) as Tensor<"i32">;
}
