/**
 * Elementwise functions of one tensor. An op is one entry: `f` and its derivative `df` in WGSL, and the same two in
 * TypeScript, which define them. `unary-ops.ts` and `activations.ts` are the tables.
 */
import { record } from "../../autograd/record.ts";
import { dispatch, type Kernel, type Library, loadKernel, type Pointwise } from "../../gpu/kernel.ts";
import { type DType, elementType, isFloat } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { zerosLike } from "../creation/creation.ts";
import { MATH } from "../lib/lib.ts";
import { groupsFor, lift, paceFor, vectorOf, type Width } from "./iteration.ts";

export interface UnaryOp {
  readonly name: string;
  /** A WGSL expression of `x` (and `params.p`, `params.q`). */
  readonly f: string;
  /** A WGSL expression of `s`; left out where the function is linear, or constant almost everywhere. */
  readonly df?: string;
  /** What `s` is: the input (by default) or the output. */
  readonly saves?: "x" | "y";
  /** The definitions. */
  readonly reference: {
    f: (x: number, p: number, q: number) => number;
    df?: (s: number, p: number, q: number) => number;
  };
  /** dx as ops, for second derivatives. */
  readonly composed?: (dy: Tensor, s: Tensor, p: number, q: number) => Tensor;
  /** dx as an op of dy alone, where the function is linear. */
  readonly linear?: (dy: Tensor) => Tensor;
  /** WGSL of `f` for the integer type T; left out where integers are converted to f32. */
  readonly integers?: string;
  /** The definition for integers, where it is another. */
  readonly integerReference?: (x: number) => number;
  /** `bool` for tests. */
  readonly result?: "bool";
  /** What its WGSL calls beside MATH. */
  readonly lib?: Library;
}

/** Every unary op by name, for tests and documentation. */
export const unaryOps = new Map<string, UnaryOp>();

interface Saved {
  s: Tensor; // x or y
}

/** Makes the op of a table entry: `apply(x, p, q)` with its two scalars. */
export function unaryWith(name: string, entry: Omit<UnaryOp, "name">): (x: Tensor, p?: number, q?: number) => Tensor {
  const op: UnaryOp = { name, ...entry };
  unaryOps.set(name, op);

  return (given, p = 0, q = 0) => {
    const x = convert(op, given);
    const dtype = op.result ?? x.dtype;
    const y = empty(x.shape, { dtype, device: x.device });
    run(op, "forward", x, { x, y }, p, q);
    if (!isFloat(dtype)) return y;

    const { composed } = op;
    if (!op.df) {
      const backward = (dy: Tensor) => [op.linear ? op.linear(dy) : zerosLike(dy)];
      return record(y, { op: name, inputs: [x], saved: {}, backward, composed: true });
    }
    return record(y, {
      op: name,
      inputs: [x],
      saved: { s: op.saves === "y" ? y : x },
      backward: (dy, { s }: Saved) => [unaryGradient(op, dy, s, p, q)],
      composed: composed && ((dy, { s }) => [composed(dy, s, p, q)]),
    });
  };
}

/** Computes dy times the derivative of an op that has one, at what the op saves; for ops with this one fused into them. */
export function unaryGradient(op: UnaryOp, dy: Tensor, s: Tensor, p = 0, q = 0): Tensor {
  const dx = empty(s.shape, s);
  run(op, "backward", s, { s, dy, dx }, p, q);
  return dx;
}

const kernels = new Map<string, Kernel>();

function run(
  op: UnaryOp,
  entry: "forward" | "backward",
  { dtype, size, device }: Tensor,
  bind: Readonly<Record<string, Tensor>>,
  p: number,
  q: number,
): void {
  const pace = paceFor(device, size);
  const { width, step } = pace;
  const key = `${op.name} ${dtype} ${width}`;
  let kernel = kernels.get(key);
  if (!kernel) kernels.set(key, (kernel = declareKernel(op, dtype, width)));
  const pointwise = isFloat(dtype) && !op.result ? pointwiseOf(op)[entry] : undefined;
  dispatch(kernel, entry, {
    bind,
    params: { size: size / width, p, q },
    constants: { STEP: step },
    groups: groupsFor(size, pace),
    pointwise,
  });
}

const pointwise = new Map<UnaryOp, Record<"forward" | "backward", Pointwise>>();

function pointwiseOf(op: UnaryOp): Record<"forward" | "backward", Pointwise> {
  let both = pointwise.get(op);
  if (!both) {
    const lib = libOf(op);
    both = {
      forward: { reads: ["x"], writes: "y", expression: op.f, lib },
      backward: { reads: ["s", "dy"], writes: "dx", expression: `dy * (${op.df})`, lib },
    };
    pointwise.set(op, both);
  }
  return both;
}

const libOf = ({ lib }: UnaryOp): Library[] => (lib ? [MATH, lib] : [MATH]);

/** Makes the op of a table entry that has no scalars. */
export function unary(name: string, entry: Omit<UnaryOp, "name">): (x: Tensor) => Tensor {
  const apply = unaryWith(name, entry);
  return (x) => apply(x);
}

/** Makes the op of an entry that tests each element. */
export function predicate(name: string, entry: Omit<UnaryOp, "name" | "result">): (x: Tensor) => Tensor<"bool"> {
  return unary(name, { ...entry, result: "bool" }) as (x: Tensor) => Tensor<"bool">;
}

function convert({ integers, result }: UnaryOp, x: Tensor): Tensor {
  if (isFloat(x.dtype)) return x;
  if (!integers) return cast(x, "f32");
  return x.dtype === "bool" && !result ? cast(x, "i32") : x;
}

function declareKernel(op: UnaryOp, dtype: DType, width: Width): Kernel {
  const { name, df = "0.0", reference, result } = op;
  const T = elementType(dtype);
  const R = elementType(result ?? dtype);
  const define = isFloat(dtype) ? reference.f : (op.integerReference ?? reference.f);
  return loadKernel(new URL("./unary.wgsl", import.meta.url), {
    name,
    lib: libOf(op),
    append: `alias T = ${T};
alias R = ${R};
alias X = ${vectorOf(T, width)};
alias Y = ${vectorOf(R, width)};
alias S = ${vectorOf("f32", width)};
fn f(x: T) -> R { return ${isFloat(dtype) ? op.f : op.integers}; }
fn df(s: f32) -> f32 { return ${df}; }
${lift(width, "map", "f", { x: "X" }, "Y")}${lift(width, "slope", "df", { s: "S" }, "S")}`,
    reference: {
      forward({ x, y }, { size, p, q }) {
        for (let i = 0; i < size; i++) y[i] = define(x[i], p, q);
      },
      backward({ s, dy, dx }, { size, p, q }) {
        for (let i = 0; i < size; i++) dx[i] = dy[i] * reference.df!(s[i], p, q);
      },
    },
  });
}
