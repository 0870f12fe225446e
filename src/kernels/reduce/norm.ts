import { record } from "../../autograd/record.ts";
import { checkOptions, ValueError } from "../../gpu/errors.ts";
import { normalizeAxes } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { div, equal, mul, pow } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { abs, sign } from "../elementwise/unary-ops.ts";
import { extremum, MAX, MIN } from "./extrema.ts";
import { countNonzero } from "./logic.ts";
import { overAxes, type ReduceOptions } from "./over-axes.ts";
import { type Reduction, reduceMiddle } from "./reduction.ts";
import { type Spread, spread } from "./spread.ts";

export interface NormOptions extends ReduceOptions {
  /** The order; 2 by default. Infinity: the largest magnitude; -Infinity: the smallest; 0: how many are not 0. */
  p?: number;
}

interface Saved {
  x: Tensor; // [outer, n, inner]
  y: Tensor; // [outer, 1, inner]
}

interface Order {
  /** WGSL of a term, and of the norm from their sum `s`. */
  readonly map: string;
  readonly finish: string;
  /** WGSL of the gradient where neither x nor the norm is 0. */
  readonly gradient: string;
  readonly composed: (dy: Tensor, x: Tensor, y: Tensor, p: number) => Tensor;
}

const ONE = declare({
  map: "abs(x)",
  finish: "s",
  gradient: "dy * keepNan(copySign(1.0, x), x)",
  composed: (dy, x) => mul(dy, sign(x)),
});
const TWO = declare({
  map: "x * x",
  finish: "sqrt(s)",
  gradient: "dy * (x / line)",
  composed: (dy, x, y) => mul(x, div(dy, y)),
});
const GENERAL = declare({
  map: "precisePow(abs(x), params.p)",
  finish: "precisePow(s, 1.0 / params.p)",
  gradient: "dy * copySign(precisePow(abs(x) / line, params.p - 1.0), x)",
  composed: (dy, x, y, p) => mul(mul(dy, sign(x)), pow(div(abs(x), y), p - 1)),
});

function declare({ map, finish, gradient, composed }: Order) {
  const forward: Reduction = {
    name: "norm",
    x: "f32",
    y: "f32",
    initial: "0.0",
    map,
    combine: "a + b",
    finish,
    reference(x, n, { p }) {
      let sum = 0;
      for (let c = 0; c < n; c++) sum += Math.abs(x(c)) ** p;
      return sum ** (1 / p);
    },
  };
  const backward: Spread = {
    name: "normBackward",
    line: { type: "f32", value: "y[at]" },
    gradient: `select(${gradient}, 0.0, x == 0.0 || line == 0.0)`,
    reference: (x, dy, { y, p }) => (x === 0 || y === 0 ? 0 : dy * Math.sign(x) * (Math.abs(x) / y) ** (p - 1)),
  };
  return { forward, backward, composed };
}

/**
 * Computes a vector norm over axes. Where the norm or an element is 0, its gradient is 0.
 *
 *     y = (Σ |x|^p)^(1 / p)
 *
 * @param x any shape
 * @param axes which; all of them where left out
 * @param options p, keepDim
 * @returns the shape without `axes`
 * @throws ShapeError if an axis is out of range or repeated, or has no elements for an infinite p
 * @see https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html
 */
export function norm(x: Tensor, axes?: number | readonly number[], options: NormOptions = {}): Tensor {
  checkOptions("norm", options, ["p", "keepDim"]);
  const { p = 2, ...rest } = options;
  if (Number.isNaN(p)) throw new ValueError("norm: p is NaN, expected a number");
  const floats = cast(x, "f32");
  if (!Number.isFinite(p)) return extremum("norm", p > 0 ? MAX : MIN, abs(floats), axes, rest);
  if (p === 0) return constantOf(cast(countNonzero(floats, normalizeAxes("norm", axes, x.rank), rest), "f32"), floats);

  const { forward, backward, composed } = p === 1 ? ONE : p === 2 ? TWO : GENERAL;
  return overAxes(floats, { op: "norm", axes, ...rest }, (x) => {
    const y = reduceMiddle(forward, x, { p });
    return record(y, {
      op: "norm",
      inputs: [x],
      saved: { x, y },
      backward: (dy, { x, y }: Saved) => [spread(backward, { x, dy, y }, p)],
      // 1 for a norm of 0, so that 0 / 0 does not spoil the gradient of zeros
      composed: (dy, { x, y }: Saved) => [composed(dy, x, where(equal(y, 0), 1, y), p)],
    });
  });
}

// A piecewise constant function of x.
function constantOf(y: Tensor, x: Tensor): Tensor {
  return record(y, { op: "norm", inputs: [x], saved: {}, backward: () => [null], composed: true });
}
