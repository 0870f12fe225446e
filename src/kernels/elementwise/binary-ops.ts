/** The table of binary ops. */
import type { Tensor } from "../../tensor/tensor.ts";
import { binary } from "./binary.ts";

type Operand = Tensor | number;

/** Computes a + b, with broadcasting. */
export const add: (a: Operand, b: Operand) => Tensor = binary("add", {
  f: "a + b",
  dfa: "1.0",
  dfb: "1.0",
  reference: { f: (a, b) => a + b, dfa: () => 1, dfb: () => 1 },
  composed: (dy) => [dy, dy],
});

/** Computes a * b, with broadcasting. */
export const mul: (a: Operand, b: Operand) => Tensor = binary("mul", {
  f: "a * b",
  dfa: "b",
  dfb: "a",
  reference: { f: (a, b) => a * b, dfa: (_, b) => b, dfb: (a) => a },
  integerReference: Math.imul,
  composed: (dy, a, b) => [mul(dy, b), mul(dy, a)],
});

/** Computes a > b, with broadcasting; false where either is NaN. */
export const greater: (a: Operand, b: Operand) => Tensor = binary("greater", {
  f: "select(0u, 1u, a > b)",
  reference: { f: (a, b) => Number(a > b) },
  result: "bool",
});
