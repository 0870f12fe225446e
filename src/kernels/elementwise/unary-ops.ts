/** The table of unary ops. */
import type { Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { greater, mul } from "./binary-ops.ts";
import { unary } from "./unary.ts";

/** Computes -x. */
export const neg: (x: Tensor) => Tensor = unary("neg", {
  f: "-x",
  df: "-1.0",
  reference: { f: (x) => -x, df: () => -1 },
  composed: (dy) => neg(dy),
  integers: ["i32"],
});

/** Computes exp(x). */
export const exp: (x: Tensor) => Tensor = unary("exp", {
  f: "exp(x)",
  df: "s",
  saves: "y",
  reference: { f: Math.exp, df: (y) => y },
  composed: (dy, y) => mul(dy, y),
});

/** Computes max(x, 0); NaN stays NaN, and the derivative at 0 is 0. */
export const relu: (x: Tensor) => Tensor = unary("relu", {
  f: "select(x, 0.0, x <= 0.0)",
  df: "select(0.0, 1.0, s > 0.0)",
  saves: "y",
  reference: { f: (x) => (x <= 0 ? 0 : x), df: (y) => (y > 0 ? 1 : 0) },
  composed: (dy, y) => mul(dy, cast(greater(y, 0), "f32")),
});
