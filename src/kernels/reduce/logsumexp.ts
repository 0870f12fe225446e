import { record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { mul, sub } from "../elementwise/binary-ops.ts";
import { exp } from "../elementwise/unary-ops.ts";
import { MAX } from "./extrema.ts";
import { overAxes, type ReduceOptions } from "./over-axes.ts";
import { type Reduction, reduceMiddle } from "./reduction.ts";
import { type Spread, spread } from "./spread.ts";

// The largest element, or 0 where it is infinite and would give infinity minus infinity.
const SHIFT = "orBits(pivot[at], 0u, isInf(pivot[at]))";

const LOGSUMEXP: Reduction = {
  name: "logsumexp",
  x: "f32",
  y: "f32",
  initial: "0.0",
  line: { type: "f32", value: SHIFT },
  map: "preciseExp(x - line)",
  combine: "a + b",
  finish: `preciseLog(s) + ${SHIFT}`,
  reference(x, n, { pivot }) {
    const shift = Math.abs(pivot) === Number.POSITIVE_INFINITY ? 0 : pivot;
    let sum = 0;
    for (let c = 0; c < n; c++) sum += Math.exp(x(c) - shift);
    return Math.log(sum) + shift;
  },
};

const GRADIENT: Spread = {
  name: "logsumexpBackward",
  line: { type: "f32", value: "y[at]" },
  gradient: "dy * preciseExp(x - line)",
  reference: (x, dy, { y }) => dy * Math.exp(x - y),
};

/**
 * Computes log(Σ exp(x)) over axes, without overflow.
 *
 * @param x any shape
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns the shape without `axes`; -Infinity for no elements, or where all are -Infinity
 * @throws ShapeError if an axis is out of range or repeated
 */
export function logsumexp(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  checkOptions("logsumexp", options, ["keepDim"]);
  return overAxes(cast(x, "f32"), { op: "logsumexp", axes, ...options, inSteps: true }, logsumexpMiddle);
}

function logsumexpMiddle(x: Tensor): Tensor {
  const pivot = reduceMiddle(MAX("f32"), x);
  const y = reduceMiddle(LOGSUMEXP, x, { pivot });
  pivot.dispose();
  return record(y, {
    op: "logsumexp",
    inputs: [x],
    saved: { x, y },
    backward: (dy, { x, y }) => [spread(GRADIENT, { x, dy, y })],
    composed: (dy, { x, y }) => [mul(dy, exp(sub(x, y)))],
  });
}
