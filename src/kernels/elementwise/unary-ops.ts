/** The table of unary functions; `activations.ts` has those of neural networks. */
import { checkOptions, ValueError } from "../../gpu/errors.ts";
import { isFloat } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { TRIGONOMETRY } from "../lib/lib.ts";
import {
  erfc as erfcReference,
  erfinv as erfinvReference,
  erf as erfReference,
  roundHalfEven,
  sigmoid as sigmoidReference,
} from "../lib/math.reference.ts";
import { add, div, greaterEqual, lessEqual, logicalAnd, maximum, minimum, mul, sub } from "./binary-ops.ts";
import { where } from "./ternary.ts";
import { predicate, unary, unaryWith } from "./unary.ts";

/** Computes -x; integers wrap around. */
export const neg: (x: Tensor) => Tensor = unary("neg", {
  f: "-x",
  reference: { f: (x) => -x },
  linear: (dy) => neg(dy),
  integers: "T(0) - x",
});

/** Computes |x|; the gradient at 0 is 0. */
export const abs: (x: Tensor) => Tensor = unary("abs", {
  f: "abs(x)",
  df: "keepNan(sign(s), s)",
  reference: { f: Math.abs, df: Math.sign },
  composed: (dy, x) => mul(dy, sign(x)),
  integers: "abs(x)",
});

/** Computes -1, 0 or 1 as x is negative, zero or positive; NaN stays NaN, and the gradient is 0. */
export const sign: (x: Tensor) => Tensor = unary("sign", {
  f: "keepNan(sign(x), x)",
  reference: { f: Math.sign },
  integers: "T(x > T(0)) - T(x < T(0))",
});

/** Computes the square root of x; NaN below 0. */
export const sqrt: (x: Tensor) => Tensor = unary("sqrt", {
  f: "sqrt(x)",
  df: "0.5 / s",
  saves: "y",
  reference: { f: Math.sqrt, df: (y) => 0.5 / y },
  composed: (dy, y) => div(mul(dy, 0.5), y),
});

/** Computes 1 / sqrt(x). */
export const rsqrt: (x: Tensor) => Tensor = unary("rsqrt", {
  f: "inverseSqrt(x)",
  df: "-0.5 * s * s * s",
  saves: "y",
  reference: { f: (x) => 1 / Math.sqrt(x), df: (y) => -0.5 * y ** 3 },
  composed: (dy, y) => mul(dy, mul(mul(y, y), mul(y, -0.5))),
});

/** Computes x * x; integers wrap around. */
export const square: (x: Tensor) => Tensor = unary("square", {
  f: "x * x",
  df: "2.0 * s",
  reference: { f: (x) => x * x, df: (x) => 2 * x },
  composed: (dy, x) => mul(dy, mul(x, 2)),
  integers: "x * x",
  integerReference: (x) => Math.imul(x, x),
});

/** Computes 1 / x. */
export const reciprocal: (x: Tensor) => Tensor = unary("reciprocal", {
  f: "1.0 / x",
  df: "-s * s",
  saves: "y",
  reference: { f: (x) => 1 / x, df: (y) => -y * y },
  composed: (dy, y) => neg(mul(dy, mul(y, y))),
});

/** Computes e to the power x. */
export const exp: (x: Tensor) => Tensor = unary("exp", {
  f: "preciseExp(x)",
  df: "s",
  saves: "y",
  reference: { f: Math.exp, df: (y) => y },
  composed: (dy, y) => mul(dy, y),
});

/** Computes exp(x) - 1, right near 0. */
export const expm1: (x: Tensor) => Tensor = unary("expm1", {
  f: "expm1(x)",
  df: "s + 1.0",
  saves: "y",
  reference: { f: Math.expm1, df: (y) => y + 1 },
  composed: (dy, y) => mul(dy, add(y, 1)),
});

/** Computes 2 to the power x. */
export const exp2: (x: Tensor) => Tensor = unary("exp2", {
  f: "preciseExp2(x)",
  df: "0.6931472 * s",
  saves: "y",
  reference: { f: (x) => 2 ** x, df: (y) => Math.LN2 * y },
  composed: (dy, y) => mul(dy, mul(y, Math.LN2)),
});

/** Computes the natural logarithm of x: minus infinity at 0, NaN below. */
export const log: (x: Tensor) => Tensor = unary("log", {
  f: "preciseLog(x)",
  df: "1.0 / s",
  reference: { f: Math.log, df: (x) => 1 / x },
  composed: (dy, x) => div(dy, x),
});

/** Computes log(1 + x), right near 0. */
export const log1p: (x: Tensor) => Tensor = unary("log1p", {
  f: "log1p(x)",
  df: "1.0 / (1.0 + s)",
  reference: { f: Math.log1p, df: (x) => 1 / (1 + x) },
  composed: (dy, x) => div(dy, add(x, 1)),
});

/** Computes the logarithm of x to base 2, exact for powers of two. */
export const log2: (x: Tensor) => Tensor = unary("log2", {
  f: "preciseLog2(x)",
  df: "1.44269504 / s",
  reference: { f: Math.log2, df: (x) => Math.LOG2E / x },
  composed: (dy, x) => div(mul(dy, Math.LOG2E), x),
});

/** Computes the logarithm of x to base 10. */
export const log10: (x: Tensor) => Tensor = unary("log10", {
  f: "preciseLog10(x)",
  df: "0.43429448 / s",
  reference: { f: Math.log10, df: (x) => Math.LOG10E / x },
  composed: (dy, x) => div(mul(dy, Math.LOG10E), x),
});

/** Computes the sine of x, in radians; accurate for every x. */
export const sin: (x: Tensor) => Tensor = unary("sin", {
  lib: TRIGONOMETRY,
  f: "preciseSin(x)",
  df: "preciseCos(s)",
  reference: { f: Math.sin, df: Math.cos },
  composed: (dy, x) => mul(dy, cos(x)),
});

/** Computes the cosine of x, in radians; accurate for every x. */
export const cos: (x: Tensor) => Tensor = unary("cos", {
  lib: TRIGONOMETRY,
  f: "preciseCos(x)",
  df: "-preciseSin(s)",
  reference: { f: Math.cos, df: (x) => -Math.sin(x) },
  composed: (dy, x) => neg(mul(dy, sin(x))),
});

/** Computes the tangent of x, in radians; accurate for every x. */
export const tan: (x: Tensor) => Tensor = unary("tan", {
  lib: TRIGONOMETRY,
  f: "preciseTan(x)",
  df: "1.0 + s * s",
  saves: "y",
  reference: { f: Math.tan, df: (y) => 1 + y * y },
  composed: (dy, y) => mul(dy, add(mul(y, y), 1)),
});

/** Computes the angle in [-pi / 2, pi / 2] whose sine is x; NaN outside [-1, 1]. */
export const asin: (x: Tensor) => Tensor = unary("asin", {
  lib: TRIGONOMETRY,
  f: "preciseAsin(x)",
  df: "inverseSqrt((1.0 - s) * (1.0 + s))",
  reference: { f: Math.asin, df: (x) => 1 / Math.sqrt(1 - x * x) },
  composed: (dy, x) => mul(dy, rsqrt(sub(1, mul(x, x)))),
});

/** Computes the angle in [0, pi] whose cosine is x; NaN outside [-1, 1]. */
export const acos: (x: Tensor) => Tensor = unary("acos", {
  lib: TRIGONOMETRY,
  f: "preciseAcos(x)",
  df: "-inverseSqrt((1.0 - s) * (1.0 + s))",
  reference: { f: Math.acos, df: (x) => -1 / Math.sqrt(1 - x * x) },
  composed: (dy, x) => neg(mul(dy, rsqrt(sub(1, mul(x, x))))),
});

/** Computes the angle in [-pi / 2, pi / 2] whose tangent is x. */
export const atan: (x: Tensor) => Tensor = unary("atan", {
  lib: TRIGONOMETRY,
  f: "preciseAtan(x)",
  df: "1.0 / (1.0 + s * s)",
  reference: { f: Math.atan, df: (x) => 1 / (1 + x * x) },
  composed: (dy, x) => div(dy, add(mul(x, x), 1)),
});

/** Computes (exp(x) - exp(-x)) / 2. */
export const sinh: (x: Tensor) => Tensor = unary("sinh", {
  f: "preciseSinh(x)",
  df: "preciseCosh(s)",
  reference: { f: Math.sinh, df: Math.cosh },
  composed: (dy, x) => mul(dy, cosh(x)),
});

/** Computes (exp(x) + exp(-x)) / 2. */
export const cosh: (x: Tensor) => Tensor = unary("cosh", {
  f: "preciseCosh(x)",
  df: "preciseSinh(s)",
  reference: { f: Math.cosh, df: Math.sinh },
  composed: (dy, x) => mul(dy, sinh(x)),
});

/** Computes (exp(x) - exp(-x)) / (exp(x) + exp(-x)). */
export const tanh: (x: Tensor) => Tensor = unary("tanh", {
  f: "preciseTanh(x)",
  df: "(1.0 - s) * (1.0 + s)",
  saves: "y",
  reference: { f: Math.tanh, df: (y) => 1 - y * y },
  composed: (dy, y) => mul(dy, sub(1, mul(y, y))),
});

/** Computes 1 / (1 + exp(-x)). */
export const sigmoid: (x: Tensor) => Tensor = unary("sigmoid", {
  f: "sigmoid(x)",
  df: "s * (1.0 - s)",
  saves: "y",
  reference: { f: sigmoidReference, df: (y) => y * (1 - y) },
  composed: (dy, y) => mul(dy, mul(y, sub(1, y))),
});

/** Computes 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export const erf: (x: Tensor) => Tensor = unary("erf", {
  f: "erf(x)",
  df: "1.1283792 * preciseExp(-s * s)",
  reference: { f: erfReference, df: (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) },
  composed: (dy, x) => mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
});

/** Computes 1 - erf(x), without the cancellation for a large x. */
export const erfc: (x: Tensor) => Tensor = unary("erfc", {
  f: "erfc(x)",
  df: "-1.1283792 * preciseExp(-s * s)",
  reference: { f: erfcReference, df: (x) => (-2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) },
  composed: (dy, x) => mul(dy, mul(exp(neg(mul(x, x))), -2 / Math.sqrt(Math.PI))),
});

/** Computes what `erf` gives x for: minus and plus infinity at -1 and 1, NaN outside. */
export const erfinv: (x: Tensor) => Tensor = unary("erfinv", {
  f: "erfinv(x)",
  df: "0.88622693 * preciseExp(s * s)",
  saves: "y",
  reference: { f: erfinvReference, df: (y) => (Math.sqrt(Math.PI) / 2) * Math.exp(y * y) },
  composed: (dy, y) => mul(dy, mul(exp(mul(y, y)), Math.sqrt(Math.PI) / 2)),
});

/** Computes the largest whole number up to x; the gradient is 0. */
export const floor: (x: Tensor) => Tensor = unary("floor", {
  f: "floor(x)",
  reference: { f: Math.floor },
  integers: "x",
});

/** Computes the smallest whole number from x; the gradient is 0. */
export const ceil: (x: Tensor) => Tensor = unary("ceil", {
  f: "ceil(x)",
  reference: { f: Math.ceil },
  integers: "x",
});

/** Computes the nearest whole number, of two the even one; the gradient is 0. */
export const round: (x: Tensor) => Tensor = unary("round", {
  f: "round(x)",
  reference: { f: roundHalfEven },
  integers: "x",
});

/** Computes x without its fraction; the gradient is 0. */
export const trunc: (x: Tensor) => Tensor = unary("trunc", {
  f: "trunc(x)",
  reference: { f: Math.trunc },
  integers: "x",
});

/** Computes x - trunc(x), which has the sign of x. */
export const frac: (x: Tensor) => Tensor = unary("frac", {
  f: "x - trunc(x)",
  reference: { f: (x) => x - Math.trunc(x) },
  linear: (dy) => dy,
});

const clampFloats = unaryWith("clamp", {
  f: "keepNan(min(max(x, params.p), params.q), x)",
  df: "select(0.0, 1.0, s >= params.p && s <= params.q)",
  reference: {
    f: (x, min, max) => Math.min(Math.max(x, min), max),
    df: (x, min, max) => Number(x >= min && x <= max),
  },
  composed: (dy, x, min, max) => where(logicalAnd(greaterEqual(x, min), lessEqual(x, max)), dy, 0),
});

/**
 * Holds x to a range: min(max(x, min), max). NaN stays NaN; where x is out of range the gradient is 0.
 *
 * @param x any dtype; bool becomes i32, and a fractional bound makes integers f32
 * @param options min, max: one may be left out
 * @throws ValueError if both are left out or one is NaN
 */
export function clamp(x: Tensor, options: { min?: number; max?: number }): Tensor {
  checkOptions("clamp", options, ["min", "max"]);
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = options;
  if (options.min === undefined && options.max === undefined) throw new ValueError("clamp: expected min, max or both");
  if (Number.isNaN(min) || Number.isNaN(max)) {
    throw new ValueError(`clamp: min is ${options.min} and max is ${options.max}, expected numbers`);
  }
  if (isFloat(x.dtype)) return clampFloats(x, min, max);
  const above = options.min === undefined ? x : maximum(x, min);
  return options.max === undefined ? above : minimum(above, max);
}

/** Tests for NaN. */
export const isnan: (x: Tensor) => Tensor<"bool"> = predicate("isnan", {
  f: "select(0u, 1u, isNan(x))",
  reference: { f: (x) => Number(Number.isNaN(x)) },
});

/** Tests for plus or minus infinity. */
export const isinf: (x: Tensor) => Tensor<"bool"> = predicate("isinf", {
  f: "select(0u, 1u, isInf(x))",
  reference: { f: (x) => Number(Math.abs(x) === Number.POSITIVE_INFINITY) },
});

/** Tests for neither NaN nor an infinity. */
export const isfinite: (x: Tensor) => Tensor<"bool"> = predicate("isfinite", {
  f: "select(1u, 0u, isNan(x) || isInf(x))",
  reference: { f: (x) => Number(Number.isFinite(x)) },
});

/** Tests for 0, or false. */
export const logicalNot: (x: Tensor) => Tensor<"bool"> = predicate("logicalNot", {
  f: "select(0u, 1u, isZero(x))",
  reference: { f: (x) => Number(x === 0) },
  integers: "select(0u, 1u, x == T(0))",
});
