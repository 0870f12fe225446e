/** Activation functions that a product applies to its result before it stores it; the tables of unary ops define them. */
import { didYouMean, ValueError } from "../../gpu/errors.ts";
import type { KernelOptions } from "../../gpu/kernel.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import "../elementwise/activations.ts"; // fills the table
import "../elementwise/unary-ops.ts";
import { type UnaryOp, unaryGradient, unaryOps } from "../elementwise/unary.ts";
import { ACTIVATIONS, MATH } from "../lib/lib.ts";

/** `gelu_tanh` is gelu by PyTorch's `approximate="tanh"`. */
export type Activation = "none" | "relu" | "gelu" | "gelu_tanh" | "silu" | "tanh" | "sigmoid";

const OPS: Record<Exclude<Activation, "none">, string> = {
  relu: "relu",
  gelu: "gelu",
  gelu_tanh: "geluTanh",
  silu: "silu",
  tanh: "tanh",
  sigmoid: "sigmoid",
};

/** @throws ValueError unless it is one of the names */
export function checkActivation(op: string, activation: string): void {
  if (activation === "none" || activation in OPS) return;
  throw new ValueError(
    `${op}: unknown activation "${activation}"${didYouMean(activation, ["none", ...Object.keys(OPS)])}`,
  );
}

function tableEntry(activation: Exclude<Activation, "none">): UnaryOp {
  return unaryOps.get(OPS[activation])!;
}

/** Whether the derivative is computed from the activation's output; else it is from its input. */
export function savesOutput(activation: Activation): boolean {
  return activation !== "none" && tableEntry(activation).saves === "y";
}

/** The definition. */
export function activationReference(activation: Activation): (x: number) => number {
  if (activation === "none") return (x) => x;
  const { f } = tableEntry(activation).reference;
  return (x) => f(x, 0, 0);
}

/** WGSL of `fn activate(x: f32) -> f32`, and the libraries it needs. */
export function activationWgsl(activation: Activation): Required<Pick<KernelOptions, "lib" | "append">> {
  const f = activation === "none" ? "x" : tableEntry(activation).f;
  return {
    lib: activation === "none" ? [] : [MATH, ACTIVATIONS],
    append: `fn activate(x: f32) -> f32 { return ${f}; }\n`,
  };
}

/** Computes dy times the derivative at s, the activation's input or output. */
export function activationGradient(activation: Activation, dy: Tensor, s: Tensor): Tensor {
  return activation === "none" ? dy : unaryGradient(tableEntry(activation), dy, s);
}

/** As `activationGradient`, made of ops. */
export function composedActivationGradient(activation: Activation, dy: Tensor, s: Tensor): Tensor {
  return activation === "none" ? dy : tableEntry(activation).composed!(dy, s, 0, 0);
}
