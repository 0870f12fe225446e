import { record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import { elementType, isFloat } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { eye } from "../creation/creation.ts";
import { mul } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { reshape } from "../view/reshape.ts";
import { overAxes, type ReduceOptions } from "./over-axes.ts";
import { foldOf, perDType, type Reduction, reduceMiddle } from "./reduction.ts";
import { type Spread, spread } from "./spread.ts";

const PROD = perDType((dtype) => {
  const y = dtype === "bool" ? "i32" : dtype;
  const reference = foldOf(1, isFloat(y) ? (s, x) => s * x : Math.imul);
  return { name: "prod", y, initial: "S(1)", map: `${elementType(y)}(x)`, combine: "a * b", reference };
});

// What an element that is 0 is multiplied with: the product of all others, which is 0 where another is 0 too.
const PROD_BESIDES_ZERO: Reduction = {
  name: "prodBesidesZero",
  x: "f32",
  y: "f32",
  state: "vec2f", // the product of the elements that are not 0, and the number of those that are
  initial: "vec2f(1.0, 0.0)",
  map: "select(vec2f(x, 0.0), vec2f(1.0), x == 0.0)",
  combine: "vec2f(a.x * b.x, a.y + b.y)",
  finish: "select(0.0, s.x, s.y < 2.0)",
  reference(x, n) {
    let product = 1;
    let zeros = 0;
    for (let c = 0; c < n; c++) {
      if (x(c) === 0) zeros++;
      else product *= x(c);
    }
    return zeros < 2 ? product : 0;
  },
};

const GRADIENT: Spread = {
  name: "prodBackward",
  line: { type: "vec2f", value: "vec2f(y[at], pivot[at])" },
  gradient: "dy * select(line.x / x, line.y, x == 0.0)",
  reference: (x, dy, { y, pivot }) => dy * (x === 0 ? pivot : y / x),
};

/**
 * Multiplies over axes. The gradient is right where elements are 0; with createGraph it takes n^2 elements of memory on the
 * way, for n factors.
 *
 * @param x any shape and dtype
 * @param axes which; all of them where left out
 * @param options keepDim
 * @returns the shape without `axes`; bool multiplies to i32; the product of no elements is 1
 * @throws ShapeError if an axis is out of range or repeated
 */
export function prod(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  checkOptions("prod", options, ["keepDim"]);
  return overAxes(x, { op: "prod", axes, ...options, inSteps: true }, prodMiddle);
}

function prodMiddle(x: Tensor): Tensor {
  const y = reduceMiddle(PROD(x.dtype), x);
  return record(y, { op: "prod", inputs: [x], saved: { x, y }, backward: prodBackward, composed: prodComposed });
}

interface Saved {
  x: Tensor; // [outer, n, inner]
  y: Tensor; // [outer, 1, inner]
}

function prodBackward(dy: Tensor, { x, y }: Saved) {
  return [spread(GRADIENT, { x, dy, y, pivot: reduceMiddle(PROD_BESIDES_ZERO, x) })];
}

// The product of all others for each element, with n^2 elements between: a form that has every derivative at 0 too.
function prodComposed(dy: Tensor, { x }: Saved) {
  const [outer, n, inner] = x.shape as [number, number, number];
  const itself = reshape(eye(n, n, { dtype: "bool", device: x.device }), [1, n, n, 1]);
  const others = where(itself, 1, reshape(x, [outer, 1, n, inner]));
  return [mul(dy, reshape(prod(others, 2), x.shape))];
}
