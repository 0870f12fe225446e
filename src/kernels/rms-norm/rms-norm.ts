import { record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import { ceilDiv, dispatch } from "../../gpu/kernel.ts";
import type { Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { add, mul, sub } from "../elementwise/binary-ops.ts";
import { rsqrt, square } from "../elementwise/unary-ops.ts";
import { type NormalizedRows, normalizedRows } from "../layer-norm/normalized-rows.ts";
import { MATH, REDUCE } from "../lib/lib.ts";
import { loadPacked } from "../lib/packed.ts";
import { mean, sum } from "../reduce/sum.ts";
import { reshape } from "../view/reshape.ts";
import { rmsNormReference } from "./rms-norm.reference.ts";

const kernelFor = loadPacked(new URL("./rms-norm.wgsl", import.meta.url), {
  lib: [MATH, REDUCE],
  reference: rmsNormReference,
});
const THREADS = 64;

/**
 * Divides x by its root mean square over its last axes, then scales.
 *
 *     y = x / sqrt(mean(x²) + eps) * weight
 *
 * @param x f32, [..., ...normalizedShape]
 * @param normalizedShape the sizes of the axes to normalise over, or of the last one
 * @param weight normalizedShape; null for 1
 * @param options eps (default 2^-23, float32's epsilon)
 * @returns x's shape
 * @throws ShapeError if x does not end in normalizedShape, or the weight has another shape
 * @see Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467
 */
export function rmsNorm(
  x: Tensor,
  normalizedShape: number | Shape,
  weight: Tensor | null = null,
  options: { eps?: number } = {},
): Tensor {
  checkOptions("rmsNorm", options, ["eps"]);
  const { eps = 2 ** -23 } = options;
  const params = { ...normalizedRows("rmsNorm", x, normalizedShape, { weight }), eps };
  const { rows, cols } = params;
  const y = empty(x.shape, { device: x.device });
  const rrms = empty([rows], { device: x.device });
  dispatch(kernelFor(cols), "forward", {
    bind: { x, weight: weight ?? x, y, rrms }, // x stands in for a weight that is not read
    params,
    constants: { HAS_WEIGHT: Number(weight !== null) },
    groups: cols === 0 ? 0 : rows,
  });
  record(y, {
    op: "rmsNorm",
    inputs: weight ? [x, weight] : [x],
    saved: { x, weight, rrms, params },
    backward: rmsNormBackward,
    composed: rmsNormComposed,
  });
  rrms.dispose();
  return y;
}

interface Saved {
  x: Tensor; // [rows, cols]
  weight: Tensor | null; // [cols]
  rrms: Tensor; // [rows]
  params: NormalizedRows & { eps: number };
}

function rmsNormBackward(dy: Tensor, saved: Saved, needs: readonly boolean[]) {
  return [needs[0] ? backwardInput(dy, saved) : null, needs[1] ? backwardWeight(dy, saved) : null];
}

function backwardInput(dy: Tensor, { x, weight, rrms, params }: Saved): Tensor {
  const { rows, cols } = params;
  const dx = empty(x.shape, x);
  dispatch(kernelFor(cols), "backwardInput", {
    bind: { x, weight: weight ?? x, dy, saved: rrms, dx },
    params,
    constants: { HAS_WEIGHT: Number(weight !== null) },
    groups: cols === 0 ? 0 : rows,
  });
  return dx;
}

function backwardWeight(dy: Tensor, { x, weight, rrms, params }: Saved): Tensor {
  const { cols, parts } = params;
  const weightParts = empty([parts, cols], x);
  dispatch(kernelFor(cols), "backwardWeight", {
    bind: { x, dy, saved: rrms, weightParts },
    params,
    groups: ceilDiv(parts * cols, THREADS),
  });
  return reshape(sum(weightParts, 0), weight!.shape);
}

// The same gradients as ops.
function rmsNormComposed(dy: Tensor, { x, weight, params }: Saved) {
  const { rows, cols, eps } = params;
  const flat = (t: Tensor) => reshape(t, [rows, cols]);
  const avg = (t: Tensor) => mean(t, 1, { keepDim: true });
  const rrms = rsqrt(add(avg(square(flat(x))), eps));
  const n = mul(flat(x), rrms);
  const g = weight ? mul(flat(dy), reshape(weight, [cols])) : flat(dy);
  const dx = mul(rrms, sub(g, mul(n, avg(mul(g, n)))));
  return [reshape(dx, x.shape), ...(weight ? [reshape(sum(mul(flat(dy), n), 0), weight.shape)] : [])];
}
