/** Variance and standard deviation, right where the mean is far from zero. */
import { record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { div, equal, mul, sub } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { overAxes, type ReduceOptions } from "./over-axes.ts";
import { type Line, type Reduction, reduceMiddle } from "./reduction.ts";
import { type Spread, spread } from "./spread.ts";
import { meanMiddle } from "./sum.ts";

export interface VarianceOptions extends ReduceOptions {
  /** What is subtracted from the number of elements; 1 by default, which makes the estimate unbiased. */
  correction?: number;
}

// A line's first element, and how far its mean is from it. The mean itself would be rounded to steps that may be larger than
// the deviations.
const FIRST_AND_OFFSET: Line = { type: "vec2f", value: "vec2f(x[startOf(at)], pivot[at])" };

const MEAN_OFFSET: Reduction = {
  name: "meanOffset",
  x: "f32",
  y: "f32",
  initial: "0.0",
  line: { type: "f32", value: "x[startOf(at)]" },
  map: "x - line",
  combine: "a + b",
  finish: "s / params.p",
  reference(x, n) {
    let sum = 0;
    for (let c = 0; c < n; c++) sum += x(c) - x(0);
    return sum / n;
  },
};

// Σ (x - mean)^2 / (n - correction), whose p is the divisor.
const MEAN_SQUARE: Omit<Reduction, "name" | "finish"> = {
  x: "f32",
  y: "f32",
  initial: "0.0",
  line: FIRST_AND_OFFSET,
  map: "(x - line.x - line.y) * (x - line.x - line.y)",
  combine: "a + b",
  reference(x, n, { pivot, p }) {
    let squares = 0;
    for (let c = 0; c < n; c++) squares += (x(c) - x(0) - pivot) ** 2;
    return squares / p;
  },
};
// Division by 0 is infinity, or NaN for 0 / 0; WGSL promises neither.
const divided = "orBits(s / params.p, select(NAN_BITS, INFINITY_BITS, s > 0.0), params.p == 0.0)";

const VARIANCE: Reduction = { ...MEAN_SQUARE, name: "variance", finish: divided };
const STD: Reduction = {
  ...MEAN_SQUARE,
  name: "std",
  finish: `sqrt(${divided})`,
  reference: (x, n, scalars) => Math.sqrt(MEAN_SQUARE.reference(x, n, scalars)),
};

// p = 2 / (n - correction)
const VARIANCE_GRADIENT: Spread = {
  name: "varianceBackward",
  line: FIRST_AND_OFFSET,
  gradient: "dy * params.p * (x - line.x - line.y)",
  reference: (x, dy, { first, pivot, p }) => dy * p * (x - first - pivot),
};

// p = 1 / (n - correction)
const STD_GRADIENT: Spread = {
  name: "stdBackward",
  line: { type: "vec3f", value: "vec3f(x[startOf(at)], pivot[at], y[at])" },
  gradient: "select(dy * params.p * ((x - line.x - line.y) / line.z), 0.0, line.z == 0.0)",
  reference: (x, dy, { first, pivot, y, p }) => (y === 0 ? 0 : dy * p * ((x - first - pivot) / y)),
};

/**
 * Computes the variance over axes.
 *
 *     y = Σ (x - mean(x))^2 / max(n - correction, 0)
 *
 * @param x any shape
 * @param axes which; all of them where left out
 * @param options correction, keepDim
 * @returns the shape without `axes`; NaN for one element with the correction 1, and for none
 * @throws ShapeError if an axis is out of range or repeated
 * @see https://docs.pytorch.org/docs/stable/generated/torch.var.html
 */
export function variance(x: Tensor, axes?: number | readonly number[], options: VarianceOptions = {}): Tensor {
  return deviation("variance", x, axes, options);
}

/**
 * Computes the standard deviation over axes: the square root of `variance`. Its gradient is 0 where it is 0 itself.
 *
 * @param x any shape
 * @param axes which; all of them where left out
 * @param options correction, keepDim
 * @returns the shape without `axes`; NaN for one element with the correction 1, and for none
 * @throws ShapeError if an axis is out of range or repeated
 * @see https://docs.pytorch.org/docs/stable/generated/torch.std.html
 */
export function std(x: Tensor, axes?: number | readonly number[], options: VarianceOptions = {}): Tensor {
  return deviation("std", x, axes, options);
}

function deviation(
  op: "variance" | "std",
  x: Tensor,
  axes: number | readonly number[] | undefined,
  options: VarianceOptions,
): Tensor {
  checkOptions(op, options, ["correction", "keepDim"]);
  const { correction = 1, ...rest } = options;
  return overAxes(cast(x, "f32"), { op, axes, ...rest }, (x) => {
    const n = x.shape[1]!;
    const divisor = Math.max(n - correction, 0);
    const pivot = reduceMiddle(MEAN_OFFSET, x, { p: n });
    const y = reduceMiddle(op === "std" ? STD : VARIANCE, x, { pivot, p: divisor });
    record(y, {
      op,
      inputs: [x],
      saved: { x, y, pivot },
      backward: (dy, saved) => [
        op === "std"
          ? spread(STD_GRADIENT, { dy, ...saved }, 1 / divisor)
          : spread(VARIANCE_GRADIENT, { dy, ...saved }, 2 / divisor),
      ],
      composed: (dy, { x, y }) => {
        const rounded = sub(x, meanMiddle(x));
        const deviations = sub(rounded, meanMiddle(rounded)); // without what the mean was rounded by
        if (op === "variance") return [mul(deviations, mul(dy, 2 / divisor))];
        // 1 for a deviation of 0, so that 0 / 0 does not spoil the gradient of equal elements
        return [mul(deviations, div(dy, mul(where(equal(y, 0), 1, y), divisor)))];
      },
    });
    pivot.dispose();
    return y;
  });
}
