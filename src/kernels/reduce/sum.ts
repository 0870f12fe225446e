/** Sums and means. */
import { record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import { elementType } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { mul } from "../elementwise/binary-ops.ts";
import { expand } from "../view/expand.ts";
import { reshape } from "../view/reshape.ts";
import { overAxes, type ReduceOptions } from "./over-axes.ts";
import { foldOf, perDType, type Reduction, reduceMiddle } from "./reduction.ts";

const total = foldOf(0, (s, x) => s + x);

const SUM = perDType((dtype) => {
  const y = dtype === "bool" ? "i32" : dtype;
  return { name: "sum", y, initial: "S(0)", map: `${elementType(y)}(x)`, combine: "a + b", reference: total };
});

const MEAN: Reduction = {
  name: "mean",
  x: "f32",
  y: "f32",
  initial: "0.0",
  combine: "a + b",
  finish: "orBits(s / params.p, NAN_BITS, params.p == 0.0)", // p = n, of which a later stage sees none
  reference: (x, n, scalars) => total(x, n, scalars) / n,
};

/**
 * Sums over axes, in blocks, so that 10^7 equal terms lose less than 1e-6 of their sum.
 *
 * @param x any shape and dtype
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns the shape without `axes`; bool sums to i32; no elements sum to 0
 * @throws ShapeError if an axis is out of range or repeated
 */
export function sum(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  checkOptions("sum", options, ["keepDim"]);
  return overAxes(x, { op: "sum", axes, ...options, inSteps: true }, sumMiddle);
}

function sumMiddle(x: Tensor): Tensor {
  if (x.shape[1] === 1 && x.dtype !== "bool") return reshape(x, x.shape);
  return record(reduceMiddle(SUM(x.dtype), x), {
    op: "sum",
    inputs: [x],
    saved: { shape: x.shape },
    backward: (dy, { shape }) => [expand(dy, shape)],
    composed: true,
  });
}

/**
 * Averages over axes.
 *
 * @param x any shape and dtype; integers and bool are converted to f32
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns f32, the shape without `axes`; NaN where there are no elements
 * @throws ShapeError if an axis is out of range or repeated
 */
export function mean(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  checkOptions("mean", options, ["keepDim"]);
  return overAxes(cast(x, "f32"), { op: "mean", axes, ...options, inSteps: true }, meanMiddle);
}

/** The mean over the middle axis of [outer, n, inner]. */
export function meanMiddle(x: Tensor): Tensor {
  const n = x.shape[1]!;
  return record(reduceMiddle(MEAN, x, { p: n }), {
    op: "mean",
    inputs: [x],
    saved: { shape: x.shape },
    backward: (dy, { shape }) => [expand(mul(dy, 1 / n), shape)],
    composed: true,
  });
}
