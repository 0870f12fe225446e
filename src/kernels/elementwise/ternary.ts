/** Elementwise functions of three tensors, with broadcasting: `where` and `lerp`. Their gradients are made of ops. */
import { expectSameDevice, record } from "../../autograd/record.ts";
import { dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { type DType, elementType, expectDType } from "../../tensor/dtype.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { BROADCAST } from "../lib/lib.ts";
import { sumTo } from "../reduce/sum-to.ts";
import { mul, sub } from "./binary-ops.ts";
import { type Iteration, lift, plan, vectorOf, walk } from "./iteration.ts";
import { commonDType, deviceOf, type Operand, operandAs } from "./operand.ts";

/**
 * Chooses between two tensors, element by element: a where the condition is true, else b.
 *
 * @param condition bool
 * @param a a tensor or a number
 * @param b a tensor or a number; all three broadcast
 * @returns the dtype that a and b promote to
 * @throws DTypeError unless condition is bool; ShapeError if the shapes do not broadcast
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  expectDType("where", "condition", condition.dtype, ["bool"]);
  const common = commonDType("where", a, b);
  const first = operandAs("where", a, common, condition.device);
  const second = operandAs("where", b, common, condition.device);
  const { operands, y } = ternary(WHERE, [condition, first, second]);
  const shapes = operands.map((x) => x.shape);
  return record(y, {
    op: "where",
    inputs: [...operands],
    saved: { condition: operands[0] },
    backward: (dy, { condition }, needs) => [
      null,
      needs[1] ? sumTo(where(condition, dy, 0), shapes[1]!) : null,
      needs[2] ? sumTo(where(condition, 0, dy), shapes[2]!) : null,
    ],
    composed: true,
  });
}

/**
 * Interpolates: a + weight * (b - a), exact at both ends.
 *
 * @param a a tensor or a number
 * @param b a tensor or a number
 * @param weight a tensor or a number; all three broadcast
 * @returns f32
 * @throws ShapeError if the shapes do not broadcast
 */
export function lerp(a: Operand, b: Operand, weight: Operand): Tensor {
  const device = deviceOf("lerp", [a, b, weight]);
  const converted = [a, b, weight].map((x) => operandAs("lerp", x, "f32", device));
  const { operands, y } = ternary(LERP, converted as [Tensor, Tensor, Tensor]);
  const shapes = operands.map((x) => x.shape);
  return record(y, {
    op: "lerp",
    inputs: [...operands],
    saved: { a: operands[0], b: operands[1], weight: operands[2] },
    backward: (dy, { a, b, weight }, needs) => [
      needs[0] ? sumTo(mul(dy, sub(1, weight)), shapes[0]!) : null,
      needs[1] ? sumTo(mul(dy, weight), shapes[1]!) : null,
      needs[2] ? sumTo(mul(dy, sub(b, a)), shapes[2]!) : null,
    ],
    composed: true,
  });
}

interface TernaryOp {
  readonly name: string;
  /** A WGSL expression of `a`, `b` and `c`. */
  readonly f: string;
  readonly reference: (a: number, b: number, c: number) => number;
  readonly kernels: Map<string, Kernel>;
}

const WHERE: TernaryOp = {
  name: "where",
  f: "select(c, b, a != 0u)",
  reference: (a, b, c) => (a ? b : c),
  kernels: new Map(),
};

const LERP: TernaryOp = {
  name: "lerp",
  f: "select(b - (b - a) * (1.0 - c), a + c * (b - a), c < 0.5)",
  reference: (a, b, c) => (c < 0.5 ? a + c * (b - a) : b - (b - a) * (1 - c)),
  kernels: new Map(),
};

type Operands = readonly [Tensor, Tensor, Tensor];

// The result has the dtype of the last operand.
function ternary(op: TernaryOp, given: Operands): { operands: Operands; y: Tensor } {
  expectSameDevice(op.name, given);
  const shape = broadcastShapes(op.name, ...given.map((x) => x.shape));
  const { operands, iteration } = plan(given, shape);
  const [a, b, c] = operands;
  const y = empty(shape, { dtype: c.dtype, device: c.device });
  dispatch(kernelFor(op, a.dtype, c.dtype, iteration), "forward", { bind: { a, b, c, y }, ...iteration });
  return { operands, y };
}

function kernelFor(op: TernaryOp, first: DType, others: DType, { width, packed }: Iteration): Kernel {
  const key = `${others} ${width} ${packed}`;
  let kernel = op.kernels.get(key);
  if (kernel) return kernel;
  const T = elementType(others);
  const types = [elementType(first), T, T].map((type, k) => vectorOf(type, packed[k] ? width : 1));
  kernel = loadKernel(new URL("./ternary.wgsl", import.meta.url), {
    name: op.name,
    lib: [BROADCAST],
    append: `alias A = ${types[0]};
alias B = ${types[1]};
alias C = ${types[2]};
alias U = ${vectorOf(elementType(first), width)};
alias V = ${vectorOf(T, width)};
fn f(a: ${elementType(first)}, b: ${T}, c: ${T}) -> ${T} { return ${op.f}; }
${lift(width, "map", "f", { a: "U", b: "V", c: "V" }, "V")}`,
    reference: {
      forward({ a, b, c, y }, params) {
        walk(params, 3, (i, [ia, ib, ic]) => (y[i] = op.reference(a[ia!], b[ib!], c[ic!])));
      },
    },
  });
  op.kernels.set(key, kernel);
  return kernel;
}
