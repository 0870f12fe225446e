import { expectSameDevice, record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import { ceilDiv, dispatch } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { broadcastShapes, normalizeAxis, type Shape, shapesEqual, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { add, div, greater, mul, sub } from "../elementwise/binary-ops.ts";
import { where } from "../elementwise/ternary.ts";
import { clamp, sqrt, square } from "../elementwise/unary-ops.ts";
import { MATH, REDUCE } from "../lib/lib.ts";
import { loadPacked } from "../lib/packed.ts";
import { norm } from "../reduce/norm.ts";
import { sum } from "../reduce/sum.ts";
import { expand } from "../view/expand.ts";
import { unsqueeze } from "../view/reshape.ts";
import { cosineSimilarityReference } from "./cosine-similarity.reference.ts";

const kernelFor = loadPacked(new URL("./cosine-similarity.wgsl", import.meta.url), {
  lib: [MATH, REDUCE],
  reference: cosineSimilarityReference,
});
const THREADS = 64;
// A shorter line is one thread's work.
const MIN_ROW = { gpu: 64, software: 128 };

/**
 * Computes the cosine of the angle between vectors along an axis:
 *
 *     x1 · x2 / (max(|x1|, eps) * max(|x2|, eps))
 *
 * @param x1 f32, any shape
 * @param x2 broadcasts with x1
 * @param options axis (default 1), eps (default 1e-8)
 * @returns the common shape without the axis
 * @throws ShapeError if the shapes do not broadcast, or the axis is out of range
 * @see https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html
 */
export function cosineSimilarity(x1: Tensor, x2: Tensor, options: { axis?: number; eps?: number } = {}): Tensor {
  const op = "cosineSimilarity";
  checkOptions(op, options, ["axis", "eps"]);
  const { axis = 1, eps = 1e-8 } = options;
  const shape = broadcastShapes(op, x1.shape, x2.shape);
  const along = normalizeAxis(op, axis, shape.length);
  return scope(() => cosine(op, broadcast(x1, shape), broadcast(x2, shape), along, { eps, added: false }));
}

function broadcast(x: Tensor, shape: Shape): Tensor {
  return shapesEqual(x.shape, shape) ? x : expand(x, shape);
}

/** What keeps a length from 0: it is at least `eps`, or `eps` is added to its square. */
export interface LengthBound {
  readonly eps: number;
  readonly added: boolean;
}

interface Saved {
  x1: Tensor;
  x2: Tensor;
  stats: Tensor; // [lines, 4]
}

/** The cosines of lines of two tensors of one shape along an axis, for `op`. */
export function cosine(op: string, x1: Tensor, x2: Tensor, axis: number, bound: LengthBound): Tensor {
  for (const [name, x] of Object.entries({ x1, x2 })) expectDType(op, name, x.dtype, ["f32"]);
  expectSameDevice(op, [x1, x2]);
  const { shape, device } = x1;
  const n = shape[axis]!;
  const inner = sizeOf(shape.slice(axis + 1));
  const y = empty(shape.toSpliced(axis, 1), { device });
  const lines = y.size;
  const packs = inner === 1 && n % 4 === 0;
  const kernel = kernelFor(packs ? 4 : 1);
  const inRows = inner === 1 && n >= MIN_ROW[device.family];
  const params = { lines, n, inner, eps: bound.eps };
  const constants = { ADDED: Number(bound.added) };
  const stats = empty([lines, 4], { device });
  dispatch(kernel, inRows ? "forwardRows" : "forwardColumns", {
    bind: { x1, x2, y, stats },
    params,
    constants,
    groups: inRows ? lines : ceilDiv(lines, THREADS),
  });
  record(y, {
    op,
    inputs: [x1, x2],
    saved: { x1, x2, stats },
    backward(dy: Tensor, { x1, x2, stats }: Saved, needs) {
      const gradient = (entry: "backwardFirst" | "backwardSecond", out: "dx1" | "dx2") => {
        const dx = empty(shape, dy);
        dispatch(kernel, entry, {
          bind: { x1, x2, dy, saved: stats, [out]: dx },
          params,
          constants,
          groups: ceilDiv(packs ? dx.size / 4 : dx.size, THREADS),
        });
        return dx;
      };
      return [needs[0] ? gradient("backwardFirst", "dx1") : null, needs[1] ? gradient("backwardSecond", "dx2") : null];
    },
    composed: (dy, { x1, x2 }) => gradientsByOps(unsqueeze(dy, axis), x1, x2, axis, bound),
  });
  stats.dispose();
  return y;
}

// The same gradients as ops: those of the product, and of the lengths where these are not bounded.
function gradientsByOps(dy: Tensor, x1: Tensor, x2: Tensor, axis: number, { eps, added }: LengthBound) {
  const lengthOf = (x: Tensor) =>
    added
      ? sqrt(add(sum(square(x), axis, { keepDim: true }), eps))
      : clamp(norm(x, axis, { keepDim: true }), { min: eps });
  const [l1, l2] = [lengthOf(x1), lengthOf(x2)];
  const both = mul(l1, l2);
  const y = div(sum(mul(x1, x2), axis, { keepDim: true }), both);
  const gradient = (x: Tensor, other: Tensor, length: Tensor) => {
    const pull = div(mul(x, y), square(length));
    const held = added ? pull : where(greater(length, eps), pull, 0);
    return mul(dy, sub(div(other, both), held));
  };
  return [gradient(x1, x2, l1), gradient(x2, x1, l2)];
}
