/**
 * Elementwise functions of two tensors, with broadcasting and dtype promotion. An op is one entry: `f` and its two
 * derivatives in WGSL, and the same in TypeScript, which define them. `binary-ops.ts` is the table.
 */
import { expectSameDevice, record, requiresGrad } from "../../autograd/record.ts";
import { dispatch, type Kernel, type Library, loadKernel, type Pointwise } from "../../gpu/kernel.ts";
import { type DType, elementType, isFloat } from "../../tensor/dtype.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import { empty, isTensor, type Tensor } from "../../tensor/tensor.ts";
import { zeros } from "../creation/creation.ts";
import { BROADCAST, MATH } from "../lib/lib.ts";
import { sumTo } from "../reduce/sum-to.ts";
import { type Iteration, isInOrder, lift, plan, vectorOf, walk } from "./iteration.ts";
import { commonDType, deviceOf, type Operand, operandAs } from "./operand.ts";

export interface BinaryOp {
  readonly name: string;
  /** A WGSL expression of `a` and `b`. */
  readonly f: string;
  /** WGSL expressions of `a` and `b`; left out where that gradient is made of ops, or zero. */
  readonly dfa?: string;
  readonly dfb?: string;
  /** The definitions. */
  readonly reference: {
    f: (a: number, b: number) => number;
    dfa?: (a: number, b: number) => number;
    dfb?: (a: number, b: number) => number;
  };
  /**
   * The gradients of a and b as ops, before they are summed to the operands' shapes: for second derivatives, and for the
   * first where there is no `dfa` or `dfb`. Left out for a function that is constant almost everywhere.
   */
  readonly composed?: readonly [OperandGradient, OperandGradient];
  /** Which operands the gradient of a needs, and which that of b; both need both by default. */
  readonly uses?: readonly [string, string];
  /** WGSL of `f` for the integer type T; left out where integers are converted to f32. */
  readonly integers?: string;
  /** The definition for integers, where it is another. */
  readonly integerReference?: (a: number, b: number) => number;
  /** `bool` for comparisons and logic; logic has its operands as bool too. */
  readonly result?: "bool";
  readonly operands?: "bool";
  /** What its WGSL calls beside MATH. */
  readonly lib?: Library;
}

type OperandGradient = (dy: Tensor, a: Tensor, b: Tensor) => Tensor;

/** The gradient of one operand, summed to its shape. */
type Backward = (dy: Tensor, saved: Saved, side: 0 | 1) => Tensor;

/** Every binary op by name, for tests and documentation. */
export const binaryOps = new Map<string, BinaryOp>();

interface Saved {
  a: Tensor | null; // broadcasts to y's shape; null where no gradient needs it
  b: Tensor | null; // broadcasts to y's shape; null where no gradient needs it
}

/** Makes the op of a table entry. Either operand may be a number, but not both. */
export function binary(name: string, entry: Omit<BinaryOp, "name">): (a: Operand, b: Operand) => Tensor {
  const op: BinaryOp = { name, ...entry };
  binaryOps.set(name, op);
  const kernels = new Map<string, Kernel>();
  const pointwise = pointwiseOf(op);
  const kernelFor = (dtype: DType, { width, packed }: Iteration) => {
    const key = `${dtype} ${width} ${packed}`;
    let kernel = kernels.get(key);
    if (!kernel) kernels.set(key, (kernel = declareKernel(op, dtype, width, packed)));
    return kernel;
  };

  return (left, right) => {
    const converted = convert(op, left, right);
    const shape = broadcastShapes(name, converted[0].shape, converted[1].shape);
    const { operands, iteration } = plan(converted, shape);
    const [a, b] = operands;
    const kernel = kernelFor(a.dtype, iteration);
    const dtype = op.result ?? a.dtype;
    const y = empty(shape, { dtype, device: a.device });
    const fusible = isFloat(a.dtype) && isFloat(dtype) && isInOrder(iteration);
    dispatch(kernel, "forward", {
      bind: { a, b, y },
      ...iteration,
      pointwise: fusible ? pointwise.forward : undefined,
    });
    if (!isFloat(dtype)) return y;

    const shapes = [a.shape, b.shape] as const;
    const composed: Backward = (dy, { a, b }, side) => {
      if (!op.composed) return zeros(shapes[side], { device: dy.device });
      return sumTo(op.composed[side](dy, a!, b!), shapes[side]);
    };
    const fused: Backward = (dy, { a, b }, side) => {
      const d = empty(shape, dy);
      const bind = { a: a!, b: b!, dy, [side === 0 ? "da" : "db"]: d };
      const entry = side === 0 ? "backwardA" : "backwardB";
      dispatch(kernel, entry, { bind, ...iteration, pointwise: fusible ? pointwise[entry] : undefined });
      return sumTo(d, shapes[side]);
    };
    const sides = [op.dfa ? fused : composed, op.dfb ? fused : composed] as const;
    return record(y, {
      op: name,
      inputs: [a, b],
      saved: savedOperands(op, a, b),
      backward: (dy, saved: Saved, needs) => [
        needs[0] ? sides[0](dy, saved, 0) : null,
        needs[1] ? sides[1](dy, saved, 1) : null,
      ],
      composed: (dy, saved, needs) => [
        needs[0] ? composed(dy, saved, 0) : null,
        needs[1] ? composed(dy, saved, 1) : null,
      ],
    });
  };
}

/** Makes the op of an entry whose result is bool. */
export function comparison(
  name: string,
  entry: Omit<BinaryOp, "name" | "result">,
): (a: Operand, b: Operand) => Tensor<"bool"> {
  return binary(name, { ...entry, result: "bool" }) as (a: Operand, b: Operand) => Tensor<"bool">;
}

const libOf = ({ lib }: BinaryOp): Library[] => (lib ? [MATH, lib] : [MATH]);

function pointwiseOf(op: BinaryOp): Record<"forward" | "backwardA" | "backwardB", Pointwise> {
  const lib = libOf(op);
  const slope = (side: "a" | "b", expression: string | undefined) => ({
    reads: ["a", "b", "dy"],
    writes: `d${side}`,
    expression: `dy * (${expression})`,
    lib,
  });
  return {
    forward: { reads: ["a", "b"], writes: "y", expression: op.f, lib },
    backwardA: slope("a", op.dfa),
    backwardB: slope("b", op.dfb),
  };
}

function savedOperands({ uses = ["ab", "ab"] }: BinaryOp, a: Tensor, b: Tensor): Saved {
  const used = (requiresGrad(a) ? uses[0] : "") + (requiresGrad(b) ? uses[1] : "");
  return { a: used.includes("a") ? a : null, b: used.includes("b") ? b : null };
}

// Both operands as tensors of the dtype that the op computes in.
function convert(op: BinaryOp, left: Operand, right: Operand): [Tensor, Tensor] {
  const device = deviceOf(op.name, [left, right]);
  if (isTensor(left) && isTensor(right)) expectSameDevice(op.name, [left, right]);
  const common = op.operands ?? commonDType(op.name, left, right);
  const dtype = !op.integers ? "f32" : common === "bool" && !op.result ? "i32" : common;
  return [operandAs(op.name, left, dtype, device), operandAs(op.name, right, dtype, device)];
}

function declareKernel(op: BinaryOp, dtype: DType, width: 1 | 4, packed: readonly boolean[]): Kernel {
  const { name, dfa, dfb, reference, result } = op;
  const integer = !isFloat(dtype);
  const f = integer ? op.integers! : op.f;
  const define = integer ? (op.integerReference ?? reference.f) : reference.f;
  const T = elementType(dtype);
  const R = elementType(result ?? dtype);
  const slope = (expression: string | undefined) => (integer ? "0.0" : (expression ?? "0.0"));
  return loadKernel(new URL("./binary.wgsl", import.meta.url), {
    name,
    lib: [BROADCAST, ...libOf(op)],
    append: `alias T = ${T};
alias R = ${R};
alias A = ${vectorOf(T, packed[0] ? width : 1)};
alias B = ${vectorOf(T, packed[1] ? width : 1)};
alias V = ${vectorOf(T, width)};
alias Y = ${vectorOf(R, width)};
alias D = ${vectorOf("f32", width)};
fn f(a: T, b: T) -> R { return ${f}; }
fn dfa(a: T, b: T) -> f32 { return ${slope(dfa)}; }
fn dfb(a: T, b: T) -> f32 { return ${slope(dfb)}; }
${lift(width, "map", "f", { a: "V", b: "V" }, "Y")}${lift(width, "slopeA", "dfa", { a: "V", b: "V" }, "D")}${lift(width, "slopeB", "dfb", { a: "V", b: "V" }, "D")}`,
    reference: {
      forward({ a, b, y }, params) {
        walk(params, 2, (i, [ia, ib]) => (y[i] = define(a[ia!], b[ib!])));
      },
      backwardA({ a, b, dy, da }, params) {
        walk(params, 2, (i, [ia, ib]) => (da[i] = dy[i] * reference.dfa!(a[ia!], b[ib!])));
      },
      backwardB({ a, b, dy, db }, params) {
        walk(params, 2, (i, [ia, ib]) => (db[i] = dy[i] * reference.dfb!(a[ia!], b[ib!])));
      },
    },
  });
}
