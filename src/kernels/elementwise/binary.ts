/**
 * Elementwise functions of two tensors, with broadcasting and dtype promotion. An op is one entry: `f` and its two
 * derivatives in WGSL, and the same in TypeScript, which define them. `binary-ops.ts` is the table.
 */
import { expectSameDevice, record } from "../../autograd/record.ts";
import { DTypeError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { type DType, elementType, isFloat, promote } from "../../tensor/dtype.ts";
import { broadcastShapes, broadcastStrides, collapse, type Shape, sizeOf } from "../../tensor/shape.ts";
import { empty, isTensor, type Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { MATH } from "../lib/lib.ts";
import { sumTo } from "../reduce/sum-to.ts";
import { expand } from "../view/expand.ts";
import { constant } from "./operand.ts";

export interface BinaryOp {
  readonly name: string;
  /** A WGSL expression of `a` and `b`. */
  readonly f: string;
  /** WGSL expressions of `a` and `b`; left out for a function that is constant almost everywhere. */
  readonly dfa?: string;
  readonly dfb?: string;
  /** The definitions. */
  readonly reference: {
    f: (a: number, b: number) => number;
    dfa?: (a: number, b: number) => number;
    dfb?: (a: number, b: number) => number;
  };
  /** The gradients as ops, for second derivatives, before they are summed to the operands' shapes. */
  readonly composed?: (dy: Tensor, a: Tensor, b: Tensor) => readonly [Tensor, Tensor];
  /** WGSL of `f` for integers, where it is another; null where integers are converted to f32. */
  readonly integers?: string | null;
  /** The definition for integers, where it is another. */
  readonly integerReference?: (a: number, b: number) => number;
  /** The result's dtype, where it is not the operands'. */
  readonly result?: DType;
}

const THREADS = 64;
const MAX_DIMENSIONS = 4;

/** Every binary op by name, for tests and documentation. */
export const binaryOps = new Map<string, BinaryOp>();

interface Saved {
  a: Tensor; // broadcasts to y's shape
  b: Tensor; // broadcasts to y's shape
}

/** Makes the op of a table entry. Either operand may be a number, but not both. */
export function binary(
  name: string,
  entry: Omit<BinaryOp, "name">,
): (a: Tensor | number, b: Tensor | number) => Tensor {
  const op = { name, ...entry };
  binaryOps.set(name, op);
  const kernels = new Map<DType, Kernel>();
  const kernelFor = (dtype: DType) => {
    let kernel = kernels.get(dtype);
    if (!kernel) kernels.set(dtype, (kernel = declareKernel(op, dtype)));
    return kernel;
  };

  const apply = (left: Tensor | number, right: Tensor | number): Tensor => {
    const operands = convert(op, left, right);
    const shape = broadcastShapes(name, operands[0].shape, operands[1].shape);
    const [a, b, plan] = iteration(operands, shape);
    const kernel = kernelFor(a.dtype);
    const dtype = op.result ?? a.dtype;
    const y = empty(shape, { dtype, device: a.device });
    const groups = ceilDiv(y.size, THREADS);
    dispatch(kernel, "forward", { bind: { a, b, y }, ...plan, groups });
    if (!isFloat(dtype)) return y;

    const backward = (dy: Tensor, { a, b }: Saved, needs: readonly boolean[]) => {
      const gradient = (entry: "backwardA" | "backwardB", out: "da" | "db", operand: Tensor) => {
        const d = empty(shape, dy);
        dispatch(kernel, entry, { bind: { a, b, dy, [out]: d }, ...plan, groups });
        return sumTo(d, operand.shape);
      };
      return [
        needs[0] && op.dfa ? gradient("backwardA", "da", a) : null,
        needs[1] && op.dfb ? gradient("backwardB", "db", b) : null,
      ];
    };
    const { composed } = op;
    return record(y, {
      op: name,
      inputs: [a, b],
      saved: { a, b },
      backward,
      composed: composed
        ? (dy, { a, b }) => {
            const [da, db] = composed(dy, a, b);
            return [sumTo(da, a.shape), sumTo(db, b.shape)];
          }
        : op.dfa || op.dfb
          ? undefined
          : true,
    });
  };
  return apply;
}

// Both operands as tensors of the dtype that the op computes in.
function convert(op: BinaryOp, left: Tensor | number, right: Tensor | number): [Tensor, Tensor] {
  const tensor = isTensor(left) ? left : isTensor(right) ? right : undefined;
  if (!tensor) throw new DTypeError(`${op.name}: both operands are numbers, expected a tensor among them`);
  if (isTensor(left) && isTensor(right)) expectSameDevice(op.name, [left, right]);
  const common = promote(op.name, isTensor(left) ? left.dtype : left, isTensor(right) ? right.dtype : right);
  const dtype = isFloat(common) || op.integers === null ? "f32" : common === "bool" && !op.result ? "i32" : common;
  const operand = (value: Tensor | number) =>
    isTensor(value) ? cast(value, dtype) : constant(value, dtype, tensor.device);
  return [operand(left), operand(right)];
}

// How the kernel walks the operands. More dimensions than the kernel has are removed by expanding the operands first.
function iteration([a, b]: [Tensor, Tensor], shape: Shape) {
  const plain = sizeOf(a.shape) === sizeOf(shape) && sizeOf(b.shape) === sizeOf(shape);
  const strides = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)];
  const merged = collapse(shape, strides);
  const rank = plain ? 0 : merged.shape.length;
  if (rank > MAX_DIMENSIONS) {
    const params = { size: sizeOf(shape), shape: [], aStrides: [], bStrides: [] };
    return [expand(a, shape), expand(b, shape), { params, constants: { RANK: 0 } }] as const;
  }
  const [aStrides, bStrides] = merged.strides.map(outermostFirst);
  const params = { size: sizeOf(shape), shape: outermostFirst(merged.shape), aStrides: aStrides!, bStrides: bStrides! };
  return [a, b, { params, constants: { RANK: rank === 0 && !plain ? 1 : rank } }] as const;
}

// The outermost dimension in component x, the others aligned at w: [r] -> r___, [p, r] -> p__r, [p, q, r] -> p_qr.
function outermostFirst(values: readonly number[]): number[] {
  const [outermost = 0, ...inner] = values;
  return [outermost, ...new Array<number>(MAX_DIMENSIONS - 1 - inner.length).fill(0), ...inner];
}

function declareKernel(op: BinaryOp, dtype: DType): Kernel {
  const { name, reference, result } = op;
  const integer = !isFloat(dtype);
  const f = integer ? (op.integers ?? op.f) : op.f;
  const define = integer ? (op.integerReference ?? reference.f) : reference.f;
  const derivative = (expression: string | undefined) => (integer ? "0.0" : (expression ?? "0.0"));
  return loadKernel(new URL("./binary.wgsl", import.meta.url), {
    name,
    lib: [MATH],
    append: `alias T = ${elementType(dtype)};
alias R = ${elementType(result ?? dtype)};
fn f(a: T, b: T) -> R { return ${f}; }
fn dfa(a: T, b: T) -> f32 { return ${derivative(op.dfa)}; }
fn dfb(a: T, b: T) -> f32 { return ${derivative(op.dfb)}; }
`,
    reference: {
      forward({ a, b, y }, params) {
        walk(params, (i, ia, ib) => (y[i] = define(a[ia], b[ib])));
      },
      backwardA({ a, b, dy, da }, params) {
        walk(params, (i, ia, ib) => (da[i] = dy[i] * reference.dfa!(a[ia], b[ib])));
      },
      backwardB({ a, b, dy, db }, params) {
        walk(params, (i, ia, ib) => (db[i] = dy[i] * reference.dfb!(a[ia], b[ib])));
      },
    },
  });
}

// Calls visit(i, offset of a, offset of b) for every element of the result, as binary.wgsl lays the dimensions out.
function walk(params: Record<string, unknown>, visit: (i: number, ia: number, ib: number) => void): void {
  const { size, RANK, shape, aStrides, bStrides } = params as {
    size: number;
    RANK: number;
    shape: number[];
    aStrides: number[];
    bStrides: number[];
  };
  for (let i = 0; i < size; i++) {
    if (RANK === 0) {
      visit(i, i, i);
      continue;
    }
    let rest = i;
    let ia = 0;
    let ib = 0;
    for (let axis = MAX_DIMENSIONS - 1; axis > MAX_DIMENSIONS - RANK; axis--) {
      const c = rest % shape[axis]!;
      rest = (rest - c) / shape[axis]!;
      ia += c * aStrides[axis]!;
      ib += c * bStrides[axis]!;
    }
    visit(i, ia + rest * aStrides[0]!, ib + rest * bStrides[0]!);
  }
}
