/**
 * Elementwise functions of one tensor. An op is one entry: `f` and its derivative `df` in WGSL, and the same two in
 * TypeScript, which define them. `unary-ops.ts` is the table.
 */
import { record, requiresGrad } from "../../autograd/record.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { type DType, elementType, isFloat } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { MATH } from "../lib/lib.ts";

export interface UnaryOp {
  readonly name: string;
  /** A WGSL expression of `x` (and `params.p`, `params.q`). */
  readonly f: string;
  /** A WGSL expression of `s`; left out for a function that is constant almost everywhere. */
  readonly df?: string;
  /** What `s` is: the input or the output. */
  readonly saves?: "x" | "y";
  /** The definitions. */
  readonly reference: {
    f: (x: number, p: number, q: number) => number;
    df?: (s: number, p: number, q: number) => number;
  };
  /** dx as ops, for second derivatives. */
  readonly composed?: (dy: Tensor, s: Tensor, p: number, q: number) => Tensor;
  /** Integer dtypes it is also defined on; others are converted to f32. */
  readonly integers?: readonly DType[];
  /** The result's dtype, where it is not the input's. */
  readonly result?: DType;
}

const THREADS = 64;

/** Every unary op by name, for tests and documentation. */
export const unaryOps = new Map<string, UnaryOp>();

interface Saved {
  s: Tensor; // x or y
}

/** Makes the op of a table entry: `apply(x, p, q)` with its two scalars. */
export function unaryWith(op: UnaryOp): (x: Tensor, p?: number, q?: number) => Tensor {
  unaryOps.set(op.name, op);
  const kernels = new Map<DType, Kernel>();
  const kernelFor = (dtype: DType) => {
    let kernel = kernels.get(dtype);
    if (!kernel) kernels.set(dtype, (kernel = declareKernel(op, dtype)));
    return kernel;
  };

  return (x, p = 0, q = 0) => {
    const input = isFloat(x.dtype) || op.integers?.includes(x.dtype) ? x : cast(x, "f32");
    const kernel = kernelFor(input.dtype);
    const dtype = op.result ?? input.dtype;
    const y = empty(input.shape, { dtype, device: x.device });
    const params = { size: y.size, p, q };
    const groups = ceilDiv(y.size, THREADS);
    dispatch(kernel, "forward", { bind: { x: input, y }, params, groups });
    if (!isFloat(dtype) || !requiresGrad(input)) return y;

    const backward = (dy: Tensor, { s }: Saved) => {
      if (!op.df) return [null];
      const dx = empty(s.shape, s);
      dispatch(kernel, "backward", { bind: { s, dy, dx }, params, groups });
      return [dx];
    };
    const { composed } = op;
    return record(y, {
      op: op.name,
      inputs: [input],
      saved: { s: op.saves === "y" ? y : input },
      backward,
      composed: composed ? (dy, { s }) => [composed(dy, s, p, q)] : op.df ? undefined : true,
    });
  };
}

/** Makes the op of a table entry that has no scalars. */
export function unary(name: string, op: Omit<UnaryOp, "name">): (x: Tensor) => Tensor {
  const apply = unaryWith({ name, ...op });
  return (x) => apply(x);
}

function declareKernel({ name, f, df = "0.0", reference, result }: UnaryOp, dtype: DType): Kernel {
  return loadKernel(new URL("./unary.wgsl", import.meta.url), {
    name,
    lib: [MATH],
    append: `alias T = ${elementType(dtype)};
alias R = ${elementType(result ?? dtype)};
fn f(x: T) -> R { return ${f}; }
fn df(s: f32) -> f32 { return ${df}; }
`,
    reference: {
      forward({ x, y }, { size, p, q }) {
        for (let i = 0; i < size; i++) y[i] = reference.f(x[i], p, q);
      },
      backward({ s, dy, dx }, { size, p, q }) {
        for (let i = 0; i < size; i++) dx[i] = dy[i] * reference.df!(s[i], p, q);
      },
    },
  });
}
