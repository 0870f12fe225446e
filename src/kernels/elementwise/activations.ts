/** The table of activation functions. Formulas and defaults are PyTorch's. */
import { checkOptions, ShapeError, ValueError } from "../../gpu/errors.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { ACTIVATIONS } from "../lib/lib.ts";
import {
  erfc as erfcReference,
  sigmoid as sigmoidReference,
  softplus as softplusReference,
} from "../lib/math.reference.ts";
import { reshape } from "../view/reshape.ts";
import { binary } from "./binary.ts";
import { add, div, greater, greaterEqual, less, lessEqual, logicalAnd, minimum, mul, sub } from "./binary-ops.ts";
import { where } from "./ternary.ts";
import { unary, unaryWith } from "./unary.ts";
import { abs, erfc, exp, neg, sigmoid, square, tanh } from "./unary-ops.ts";

/** Computes max(x, 0); NaN stays NaN, and the gradient at 0 is 0. */
export const relu: (x: Tensor) => Tensor = unary("relu", {
  f: "keepNan(max(x, 0.0), x)",
  df: "select(1.0, 0.0, s <= 0.0)",
  saves: "y",
  reference: { f: (x) => Math.max(x, 0), df: (y) => (y <= 0 ? 0 : 1) },
  composed: (dy, y) => where(lessEqual(y, 0), 0, dy),
  integers: "max(x, T(0))",
});

/** Computes min(max(x, 0), 6); the gradient at both ends is 0. */
export const relu6: (x: Tensor) => Tensor = unary("relu6", {
  f: "keepNan(clamp(x, 0.0, 6.0), x)",
  df: "select(0.0, 1.0, s > 0.0 && s < 6.0)",
  reference: { f: (x) => Math.min(Math.max(x, 0), 6), df: (x) => Number(x > 0 && x < 6) },
  composed: (dy, x) => where(logicalAnd(greater(x, 0), less(x, 6)), dy, 0),
});

const applyHardtanh = unaryWith("hardtanh", {
  f: "keepNan(min(max(x, params.p), params.q), x)",
  df: "select(0.0, 1.0, s > params.p && s < params.q)",
  reference: {
    f: (x, min, max) => Math.min(Math.max(x, min), max),
    df: (x, min, max) => Number(x > min && x < max),
  },
  composed: (dy, x, min, max) => where(logicalAnd(greater(x, min), less(x, max)), dy, 0),
});

/**
 * Computes min(max(x, min), max); the gradient at both ends is 0.
 *
 * @param options min (default -1), max (default 1)
 * @throws ValueError unless min < max
 */
export function hardtanh(x: Tensor, options: { min?: number; max?: number } = {}): Tensor {
  checkOptions("hardtanh", options, ["min", "max"]);
  const { min = -1, max = 1 } = options;
  if (!(min < max)) throw new ValueError(`hardtanh: min is ${min} and max is ${max}, expected min < max`);
  return applyHardtanh(x, min, max);
}

const applyLeakyRelu = unaryWith("leakyRelu", {
  f: "select(params.p * x, x, x > 0.0)",
  df: "select(params.p, 1.0, s > 0.0)",
  reference: { f: (x, slope) => (x > 0 ? x : slope * x), df: (x, slope) => (x > 0 ? 1 : slope) },
  composed: (dy, x, slope) => where(greater(x, 0), dy, mul(dy, slope)),
});

/** Computes x where it is positive, else slope * x. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return applyLeakyRelu(x, slope);
}

const applyElu = unaryWith("elu", {
  lib: ACTIVATIONS,
  f: "elu(x, params.p)",
  df: "eluDerivative(s, params.p)",
  reference: {
    f: (x, alpha) => (x > 0 ? x : alpha * Math.expm1(x)),
    df: (x, alpha) => (x > 0 ? 1 : alpha * Math.exp(x)),
  },
  composed: (dy, x, alpha) => where(greater(x, 0), dy, mul(dy, mul(exp(minimum(x, 0)), alpha))),
});

/**
 * Computes x where it is positive, else alpha * (exp(x) - 1).
 *
 * @see Clevert et al. 2015, https://arxiv.org/abs/1511.07289
 */
export function elu(x: Tensor, alpha = 1): Tensor {
  return applyElu(x, alpha);
}

const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;

/**
 * Computes 1.0507 * elu(x, 1.67326), which keeps mean 0 and variance 1.
 *
 * @see Klambauer et al. 2017, https://arxiv.org/abs/1706.02515
 */
export const selu: (x: Tensor) => Tensor = unary("selu", {
  lib: ACTIVATIONS,
  f: "1.050701 * elu(x, 1.6732632)",
  df: "1.050701 * eluDerivative(s, 1.6732632)",
  reference: {
    f: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
    df: (x) => SELU_SCALE * (x > 0 ? 1 : SELU_ALPHA * Math.exp(x)),
  },
  composed: (dy, x) => mul(where(greater(x, 0), dy, mul(dy, mul(exp(minimum(x, 0)), SELU_ALPHA))), SELU_SCALE),
});

// x * factor, which a factor that vanishes makes 0 even for an infinite x.
function damped(x: number, factor: number): number {
  return factor === 0 ? 0 : x * factor;
}

function normalCdf(x: number): number {
  return 0.5 * erfcReference(-x * Math.SQRT1_2);
}

const geluNone: (x: Tensor) => Tensor = unary("gelu", {
  lib: ACTIVATIONS,
  f: "gelu(x)",
  df: "geluDerivative(s)",
  reference: {
    f: (x) => damped(x, normalCdf(x)),
    df: (x) => normalCdf(x) + damped(x, Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)),
  },
  composed: (dy, x) => {
    const cdf = mul(erfc(mul(x, -Math.SQRT1_2)), 0.5);
    const density = mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return mul(dy, add(cdf, mul(x, density)));
  },
});

// x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3)
const TWICE = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

const geluTanh: (x: Tensor) => Tensor = unary("geluTanh", {
  lib: ACTIVATIONS,
  f: "geluTanh(x)",
  df: "geluTanhDerivative(s)",
  reference: {
    f: (x) => damped(x, sigmoidReference(TWICE * (x + CUBIC * x ** 3))),
    df: (x) => {
      const gate = sigmoidReference(TWICE * (x + CUBIC * x ** 3));
      return gate + damped(x * TWICE * (1 + 3 * CUBIC * x * x), gate * (1 - gate));
    },
  },
  composed: (dy, x) => {
    const xx = mul(x, x);
    const gate = sigmoid(mul(mul(x, add(mul(xx, CUBIC), 1)), TWICE));
    const slope = mul(add(mul(xx, 3 * CUBIC), 1), TWICE);
    return mul(dy, add(gate, mul(mul(x, slope), mul(gate, sub(1, gate)))));
  },
});

/**
 * Computes x Phi(x), where Phi is the standard normal distribution function.
 *
 *     none: x (1 + erf(x / sqrt(2))) / 2
 *     tanh: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
 *
 * @param options approximate: "none" (default) or "tanh"
 * @throws ValueError for another formula
 * @see Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415
 */
export function gelu(x: Tensor, options: { approximate?: "none" | "tanh" } = {}): Tensor {
  checkOptions("gelu", options, ["approximate"]);
  const { approximate = "none" } = options;
  if (approximate !== "none" && approximate !== "tanh") {
    throw new ValueError(`gelu: approximate is "${approximate}", expected none or tanh`);
  }
  return approximate === "none" ? geluNone(x) : geluTanh(x);
}

/**
 * Computes x / (1 + exp(-x)).
 *
 * @see Elfwing et al. 2017, https://arxiv.org/abs/1702.03118
 */
export const silu: (x: Tensor) => Tensor = unary("silu", {
  lib: ACTIVATIONS,
  f: "silu(x)",
  df: "siluDerivative(s)",
  reference: {
    f: (x) => damped(x, sigmoidReference(x)),
    df: (x) => sigmoidReference(x) + damped(x, sigmoidReference(x) * sigmoidReference(-x)),
  },
  composed: (dy, x) => {
    const gate = sigmoid(x);
    return mul(dy, mul(gate, add(mul(x, sub(1, gate)), 1)));
  },
});

const applySoftplus = unaryWith("softplus", {
  lib: ACTIVATIONS,
  f: "softplusWith(x, params.p, params.q)",
  df: "softplusWithDerivative(s, params.p, params.q)",
  reference: {
    f: (x, beta, threshold) => (beta * x > threshold ? x : softplusReference(beta * x) / beta),
    df: (x, beta, threshold) => (beta * x > threshold ? 1 : sigmoidReference(beta * x)),
  },
  composed: (dy, x, beta, threshold) => {
    const scaled = mul(x, beta);
    return where(greater(scaled, threshold), dy, mul(dy, sigmoid(scaled)));
  },
});

/**
 * Computes log(1 + exp(beta * x)) / beta, and x where beta * x is above the threshold.
 *
 * @param options beta (default 1), threshold (default 20)
 * @throws ValueError unless beta > 0
 */
export function softplus(x: Tensor, options: { beta?: number; threshold?: number } = {}): Tensor {
  checkOptions("softplus", options, ["beta", "threshold"]);
  const { beta = 1, threshold = 20 } = options;
  if (!(beta > 0)) throw new ValueError(`softplus: beta is ${beta}, expected a number above 0`);
  return applySoftplus(x, beta, threshold);
}

/** Computes log(sigmoid(x)) = -log(1 + exp(-x)). */
export const logSigmoid: (x: Tensor) => Tensor = unary("logSigmoid", {
  f: "-softplus(-x)",
  df: "sigmoid(-s)",
  reference: { f: (x) => -softplusReference(-x), df: (x) => sigmoidReference(-x) },
  composed: (dy, x) => mul(dy, sigmoid(neg(x))),
});

/**
 * Computes x tanh(log(1 + exp(x))).
 *
 * @see Misra 2019, https://arxiv.org/abs/1908.08681
 */
export const mish: (x: Tensor) => Tensor = unary("mish", {
  lib: ACTIVATIONS,
  f: "mish(x)",
  df: "mishDerivative(s)",
  reference: {
    f: (x) => damped(x, Math.tanh(softplusReference(x))),
    df: (x) => {
      const gate = Math.tanh(softplusReference(x));
      return gate + damped(x, (1 - gate * gate) * sigmoidReference(x));
    },
  },
  composed: (dy, x) => {
    const gate = tanh(softplus(x, { threshold: Number.POSITIVE_INFINITY }));
    return mul(dy, add(gate, mul(mul(x, sigmoid(x)), sub(1, mul(gate, gate)))));
  },
});

/**
 * Computes x min(max(x + 3, 0), 6) / 6.
 *
 * @see Howard et al. 2019, https://arxiv.org/abs/1905.02244
 */
export const hardswish: (x: Tensor) => Tensor = unary("hardswish", {
  lib: ACTIVATIONS,
  f: "hardswish(x)",
  df: "hardswishDerivative(s)",
  reference: {
    f: (x) => (x <= -3 ? 0 : x >= 3 ? x : (x * (x + 3)) / 6),
    df: (x) => (x < -3 ? 0 : x > 3 ? 1 : x / 3 + 0.5),
  },
  composed: (dy, x) => where(less(x, -3), 0, where(greater(x, 3), dy, mul(dy, add(div(x, 3), 0.5)))),
});

/** Computes min(max(x / 6 + 1 / 2, 0), 1); the gradient at -3 and 3 is 0. */
export const hardsigmoid: (x: Tensor) => Tensor = unary("hardsigmoid", {
  f: "keepNan(clamp(x / 6.0 + 0.5, 0.0, 1.0), x)",
  df: "select(1.0 / 6.0, 0.0, abs(s) >= 3.0)",
  reference: { f: (x) => Math.min(Math.max(x / 6 + 0.5, 0), 1), df: (x) => (Math.abs(x) >= 3 ? 0 : 1 / 6) },
  composed: (dy, x) => where(greaterEqual(abs(x), 3), 0, div(dy, 6)),
});

const applyCelu = unaryWith("celu", {
  f: "keepNan(select(params.p * expm1(x / params.p), x, x > 0.0), x)",
  df: "keepNan(select(preciseExp(s / params.p), 1.0, s > 0.0), s)",
  reference: {
    f: (x, alpha) => (x > 0 ? x : alpha * Math.expm1(x / alpha)),
    df: (x, alpha) => (x > 0 ? 1 : Math.exp(x / alpha)),
  },
  composed: (dy, x, alpha) => where(greater(x, 0), dy, mul(dy, exp(div(minimum(x, 0), alpha)))),
});

/**
 * Computes x where it is positive, else alpha * (exp(x / alpha) - 1), whose slope is continuous for every alpha.
 *
 * @throws ValueError for an alpha of 0
 * @see Barron 2017, https://arxiv.org/abs/1704.07483
 */
export function celu(x: Tensor, alpha = 1): Tensor {
  if (!(Math.abs(alpha) > 0)) throw new ValueError(`celu: alpha is ${alpha}, expected a number other than 0`);
  return applyCelu(x, alpha);
}

/** Computes x / (1 + |x|); NaN at infinity, as PyTorch has it. */
export const softsign: (x: Tensor) => Tensor = unary("softsign", {
  f: "x / (1.0 + abs(x))",
  df: "1.0 / ((1.0 + abs(s)) * (1.0 + abs(s)))",
  reference: { f: (x) => x / (1 + Math.abs(x)), df: (x) => 1 / (1 + Math.abs(x)) ** 2 },
  composed: (dy, x) => div(dy, square(add(abs(x), 1))),
});

/** Computes x - tanh(x). */
export const tanhshrink: (x: Tensor) => Tensor = unary("tanhshrink", {
  f: "x - preciseTanh(x)",
  df: "preciseTanh(s) * preciseTanh(s)",
  reference: { f: (x) => x - Math.tanh(x), df: (x) => Math.tanh(x) ** 2 },
  composed: (dy, x) => mul(dy, square(tanh(x))),
});

const applyHardshrink = unaryWith("hardshrink", {
  f: "select(x, 0.0, abs(x) <= params.p)",
  df: "select(1.0, 0.0, abs(s) <= params.p)",
  reference: {
    f: (x, lambda) => (Math.abs(x) <= lambda ? 0 : x),
    df: (x, lambda) => (Math.abs(x) <= lambda ? 0 : 1),
  },
  composed: (dy, x, lambda) => where(lessEqual(abs(x), lambda), 0, dy),
});

/** Computes x where |x| is above lambda, else 0. @throws ValueError for a negative lambda */
export function hardshrink(x: Tensor, lambda = 0.5): Tensor {
  checkLambda("hardshrink", lambda);
  return applyHardshrink(x, lambda);
}

const applySoftshrink = unaryWith("softshrink", {
  f: "select(x - copySign(params.p, x), 0.0, abs(x) <= params.p)",
  df: "select(1.0, 0.0, abs(s) <= params.p)",
  reference: {
    f: (x, lambda) => (Math.abs(x) <= lambda ? 0 : x - Math.sign(x) * lambda),
    df: (x, lambda) => (Math.abs(x) <= lambda ? 0 : 1),
  },
  composed: (dy, x, lambda) => where(lessEqual(abs(x), lambda), 0, dy),
});

/** Brings x nearer to 0 by lambda: x - lambda above it, x + lambda below -lambda, else 0. @throws ValueError for a negative lambda */
export function softshrink(x: Tensor, lambda = 0.5): Tensor {
  checkLambda("softshrink", lambda);
  return applySoftshrink(x, lambda);
}

function checkLambda(op: string, lambda: number): void {
  if (!(lambda >= 0)) throw new ValueError(`${op}: lambda is ${lambda}, expected 0 or more`);
}

const applyThreshold = unaryWith("threshold", {
  f: "select(x, params.q, x <= params.p)",
  df: "select(1.0, 0.0, s <= params.p)",
  reference: {
    f: (x, threshold, value) => (x <= threshold ? value : x),
    df: (x, threshold) => (x <= threshold ? 0 : 1),
  },
  composed: (dy, x, threshold) => where(lessEqual(x, threshold), 0, dy),
});

/** Computes x where it is above the threshold, else `value`. */
export function threshold(x: Tensor, threshold: number, value: number): Tensor {
  return applyThreshold(x, threshold, value);
}

const applyPrelu = binary("prelu", {
  f: "select(b * a, a, a > 0.0)",
  dfa: "select(b, 1.0, a > 0.0)",
  dfb: "select(a, 0.0, a > 0.0)",
  reference: { f: (a, b) => (a > 0 ? a : b * a), dfa: (a, b) => (a > 0 ? 1 : b), dfb: (a) => (a > 0 ? 0 : a) },
  composed: [(dy, a, b) => where(greater(a, 0), dy, mul(dy, b)), (dy, a) => where(greater(a, 0), 0, mul(dy, a))],
  uses: ["ab", "a"],
});

/**
 * Computes x where it is positive, else weight * x.
 *
 * @param x f32, any shape; with a weight per channel, [n, channels, ...]
 * @param weight [1], or [channels]
 * @throws ShapeError for a weight of another shape
 * @see He et al. 2015, https://arxiv.org/abs/1502.01852
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  expectDType("prelu", "x", x.dtype, ["f32"]);
  expectDType("prelu", "weight", weight.dtype, ["f32"]);
  const channels = x.rank < 2 ? 1 : x.shape[1]!;
  if (weight.rank !== 1 || (weight.size !== 1 && weight.size !== channels)) {
    const expected = channels === 1 ? "[1]" : `[1] or [${channels}]`;
    throw new ShapeError(`prelu: weight has shape ${formatShape(weight.shape)}, expected ${expected}`);
  }
  const behind = Math.max(x.rank - 2, 0);
  return applyPrelu(x, reshape(weight, [weight.size, ...new Array<number>(behind).fill(1)]));
}
