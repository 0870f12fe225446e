/**
 * The table of binary ops. Operands are tensors or numbers, at least one a tensor; they broadcast and promote. Integer
 * arithmetic wraps around, and a division of an integer by 0 gives 0.
 */
import type { Tensor } from "../../tensor/tensor.ts";
import { POWER, TRIGONOMETRY } from "../lib/lib.ts";
import {
  floorDivide as floorDivideReference,
  pow as powReference,
  remainder as pythonRemainder,
} from "../lib/math.reference.ts";
import { binary, comparison } from "./binary.ts";
import type { Operand } from "./operand.ts";
import { where } from "./ternary.ts";
import { log, neg, sigmoid } from "./unary-ops.ts";

/** Computes a + b. */
export const add: (a: Operand, b: Operand) => Tensor = binary("add", {
  f: "a + b",
  reference: { f: (a, b) => a + b },
  composed: [(dy) => dy, (dy) => dy],
  uses: ["", ""],
  integers: "a + b",
});

/** Computes a - b. */
export const sub: (a: Operand, b: Operand) => Tensor = binary("sub", {
  f: "a - b",
  reference: { f: (a, b) => a - b },
  composed: [(dy) => dy, (dy) => neg(dy)],
  uses: ["", ""],
  integers: "a - b",
});

/** Computes a * b. */
export const mul: (a: Operand, b: Operand) => Tensor = binary("mul", {
  f: "a * b",
  reference: { f: (a, b) => a * b },
  composed: [(dy, _, b) => mul(dy, b), (dy, a) => mul(dy, a)],
  uses: ["b", "a"],
  integers: "a * b",
  integerReference: Math.imul,
});

/** Computes a / b; integers are converted to f32. */
export const div: (a: Operand, b: Operand) => Tensor = binary("div", {
  f: "a / b",
  dfb: "-(a / b) / b",
  reference: { f: (a, b) => a / b, dfb: (a, b) => -a / b / b },
  composed: [(dy, _, b) => div(dy, b), (dy, a, b) => neg(mul(dy, div(div(a, b), b)))],
  uses: ["b", "ab"],
});

/**
 * Computes a to the power b; integers are converted to f32. Whole exponents from 0 to 16 are multiplied out, so that small powers
 * are exact. As in C and PyTorch, pow(x, 0) is 1 for every x, and a negative base gives NaN unless b is whole. The
 * gradient with respect to b is 0 where a = 0 and b >= 0.
 */
export const pow: (a: Operand, b: Operand) => Tensor = binary("pow", {
  lib: POWER,
  f: "power(a, b)",
  dfa: "select(b * power(a, b - 1.0), 0.0, b == 0.0)",
  dfb: "select(power(a, b) * preciseLog(a), 0.0, a == 0.0 && b >= 0.0)",
  reference: {
    f: powReference,
    dfa: (a, b) => (b === 0 ? 0 : b * powReference(a, b - 1)),
    dfb: (a, b) => (a === 0 && b >= 0 ? 0 : powReference(a, b) * Math.log(a)),
  },
  composed: [
    (dy, a, b) => where(equal(b, 0), 0, mul(dy, mul(b, pow(a, sub(b, 1))))),
    (dy, a, b) => where(logicalAnd(equal(a, 0), greaterEqual(b, 0)), 0, mul(dy, mul(pow(a, b), log(a)))),
  ],
});

/** Computes the larger of a and b, NaN if either is. Where they are equal, each gets half of the gradient. */
export const maximum: (a: Operand, b: Operand) => Tensor = binary("maximum", {
  f: "nanMax(a, b)",
  dfa: "select(select(1.0, 0.5, a == b), 0.0, a < b)",
  dfb: "select(select(1.0, 0.5, a == b), 0.0, b < a)",
  reference: {
    f: Math.max,
    dfa: (a, b) => (a < b ? 0 : a === b ? 0.5 : 1),
    dfb: (a, b) => (b < a ? 0 : a === b ? 0.5 : 1),
  },
  composed: [
    (dy, a, b) => where(less(a, b), 0, where(equal(a, b), mul(dy, 0.5), dy)),
    (dy, a, b) => where(less(b, a), 0, where(equal(a, b), mul(dy, 0.5), dy)),
  ],
  integers: "max(a, b)",
});

/** Computes the smaller of a and b, NaN if either is. Where they are equal, each gets half of the gradient. */
export const minimum: (a: Operand, b: Operand) => Tensor = binary("minimum", {
  f: "nanMin(a, b)",
  dfa: "select(select(1.0, 0.5, a == b), 0.0, a > b)",
  dfb: "select(select(1.0, 0.5, a == b), 0.0, b > a)",
  reference: {
    f: Math.min,
    dfa: (a, b) => (a > b ? 0 : a === b ? 0.5 : 1),
    dfb: (a, b) => (b > a ? 0 : a === b ? 0.5 : 1),
  },
  composed: [
    (dy, a, b) => where(greater(a, b), 0, where(equal(a, b), mul(dy, 0.5), dy)),
    (dy, a, b) => where(greater(b, a), 0, where(equal(a, b), mul(dy, 0.5), dy)),
  ],
  integers: "min(a, b)",
});

/** Computes a - b * floor(a / b), which has the sign of b, as Python's %. It is exact but for one rounding. */
export const remainder: (a: Operand, b: Operand) => Tensor = binary("remainder", {
  lib: POWER,
  f: "remainder(a, b)",
  reference: { f: pythonRemainder },
  composed: [(dy) => dy, (dy, a, b) => neg(mul(dy, floorDivide(a, b)))],
  uses: ["", "ab"],
  integers: "select(a % b, a % b + b, a % b != T(0) && (a ^ b) < T(0))",
  integerReference: (a, b) => (b === 0 ? 0 : pythonRemainder(a, b)),
});

/** Computes a - b * trunc(a / b), which has the sign of a, as C's fmod. It is exact. */
export const fmod: (a: Operand, b: Operand) => Tensor = binary("fmod", {
  lib: POWER,
  f: "fmod(a, b)",
  dfb: "-round((a - fmod(a, b)) / b)",
  reference: { f: (a, b) => a % b, dfb: (a, b) => -Math.round((a - (a % b)) / b) },
  composed: [(dy) => dy, (dy, a, b) => neg(mul(dy, div(sub(a, fmod(a, b)), b)))],
  uses: ["", "ab"],
  integers: "a % b",
  integerReference: (a, b) => (b === 0 ? 0 : a % b),
});

/** Computes floor(a / b), of the exact quotient where that is below 2^20. Its gradient is 0. */
export const floorDivide: (a: Operand, b: Operand) => Tensor = binary("floorDivide", {
  lib: POWER,
  f: "floorDivide(a, b)",
  reference: { f: floorDivideReference },
  integers: "select(a / b - select(T(0), T(1), a % b != T(0) && (a ^ b) < T(0)), T(0), b == T(0))",
  integerReference: (a, b) => (b === 0 ? 0 : Math.floor(a / b)),
});

/** Computes the angle of the point (b, a), from -pi to pi; zeros and infinities as in C. Its gradient at (0, 0) is 0. */
export const atan2: (a: Operand, b: Operand) => Tensor = binary("atan2", {
  lib: TRIGONOMETRY,
  f: "preciseAtan2(a, b)",
  dfa: "select(b / hypot(a, b) / hypot(a, b), 0.0, a == 0.0 && b == 0.0)",
  dfb: "select(-a / hypot(a, b) / hypot(a, b), 0.0, a == 0.0 && b == 0.0)",
  reference: {
    f: Math.atan2,
    dfa: (a, b) => (a === 0 && b === 0 ? 0 : b / (a * a + b * b)),
    dfb: (a, b) => (a === 0 && b === 0 ? 0 : -a / (a * a + b * b)),
  },
  composed: [
    (dy, a, b) => mul(dy, div(b, add(mul(a, a), mul(b, b)))),
    (dy, a, b) => neg(mul(dy, div(a, add(mul(a, a), mul(b, b))))),
  ],
});

/** Computes sqrt(a^2 + b^2) without overflow on the way. Its gradient at (0, 0) is 0. */
export const hypot: (a: Operand, b: Operand) => Tensor = binary("hypot", {
  f: "hypot(a, b)",
  dfa: "select(a / hypot(a, b), 0.0, a == 0.0 && b == 0.0)",
  dfb: "select(b / hypot(a, b), 0.0, a == 0.0 && b == 0.0)",
  reference: {
    f: Math.hypot,
    dfa: (a, b) => (a === 0 && b === 0 ? 0 : a / Math.hypot(a, b)),
    dfb: (a, b) => (a === 0 && b === 0 ? 0 : b / Math.hypot(a, b)),
  },
  composed: [(dy, a, b) => mul(dy, div(a, hypot(a, b))), (dy, a, b) => mul(dy, div(b, hypot(a, b)))],
});

/** Computes log(exp(a) + exp(b)) = max(a, b) + log(1 + exp(-|a - b|)). */
export const logaddexp: (a: Operand, b: Operand) => Tensor = binary("logaddexp", {
  f: "logAddExp(a, b)",
  dfa: "sigmoid(select(a - b, 0.0, a == b))",
  dfb: "sigmoid(select(b - a, 0.0, a == b))",
  reference: {
    f: (a, b) => (a === b ? a + Math.LN2 : Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)))),
    dfa: (a, b) => (a === b ? 0.5 : 1 / (1 + Math.exp(b - a))),
    dfb: (a, b) => (a === b ? 0.5 : 1 / (1 + Math.exp(a - b))),
  },
  composed: [(dy, a, b) => mul(dy, sigmoid(sub(a, b))), (dy, a, b) => mul(dy, sigmoid(sub(b, a)))],
});

function compare(name: string, operator: string, f: (a: number, b: number) => boolean) {
  return comparison(name, {
    f: `select(0u, 1u, a ${operator} b && ordered(a, b))`,
    integers: `select(0u, 1u, a ${operator} b)`,
    reference: { f: (a, b) => Number(f(a, b)) },
  });
}

/** Computes a == b; false where either is NaN. */
export const equal: (a: Operand, b: Operand) => Tensor<"bool"> = compare("equal", "==", (a, b) => a === b);

/** Computes a != b; true where either is NaN. */
export const notEqual: (a: Operand, b: Operand) => Tensor<"bool"> = comparison("notEqual", {
  f: "select(1u, 0u, a == b && ordered(a, b))",
  integers: "select(1u, 0u, a == b)",
  reference: { f: (a, b) => Number(a !== b) },
});

/** Computes a < b; false where either is NaN. */
export const less: (a: Operand, b: Operand) => Tensor<"bool"> = compare("less", "<", (a, b) => a < b);

/** Computes a <= b; false where either is NaN. */
export const lessEqual: (a: Operand, b: Operand) => Tensor<"bool"> = compare("lessEqual", "<=", (a, b) => a <= b);

/** Computes a > b; false where either is NaN. */
export const greater: (a: Operand, b: Operand) => Tensor<"bool"> = compare("greater", ">", (a, b) => a > b);

/** Computes a >= b; false where either is NaN. */
export const greaterEqual: (a: Operand, b: Operand) => Tensor<"bool"> = compare("greaterEqual", ">=", (a, b) => a >= b);

function logical(name: string, operator: string, f: (a: number, b: number) => number) {
  const expression = `a ${operator} b`;
  return comparison(name, { f: expression, integers: expression, operands: "bool", reference: { f } });
}

/** Computes whether both are true; anything but 0 is true, NaN included. */
export const logicalAnd: (a: Operand, b: Operand) => Tensor<"bool"> = logical("logicalAnd", "&", (a, b) => a & b);

/** Computes whether either is true; anything but 0 is true, NaN included. */
export const logicalOr: (a: Operand, b: Operand) => Tensor<"bool"> = logical("logicalOr", "|", (a, b) => a | b);

/** Computes whether exactly one is true; anything but 0 is true, NaN included. */
export const logicalXor: (a: Operand, b: Operand) => Tensor<"bool"> = logical("logicalXor", "^", (a, b) => a ^ b);
