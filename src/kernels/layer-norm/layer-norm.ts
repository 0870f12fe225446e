import { record } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import { ceilDiv, dispatch } from "../../gpu/kernel.ts";
import type { Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { add, mul, sub } from "../elementwise/binary-ops.ts";
import { rsqrt, square } from "../elementwise/unary-ops.ts";
import { MATH, REDUCE } from "../lib/lib.ts";
import { loadPacked } from "../lib/packed.ts";
import { mean, sum } from "../reduce/sum.ts";
import { reshape } from "../view/reshape.ts";
import { layerNormReference } from "./layer-norm.reference.ts";
import { type NormalizedRows, normalizedRows } from "./normalized-rows.ts";

const kernelFor = loadPacked(new URL("./layer-norm.wgsl", import.meta.url), {
  lib: [MATH, REDUCE],
  reference: layerNormReference,
});
const THREADS = 64;

/**
 * Normalises x over its last axes to zero mean and unit variance, then scales and shifts.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias
 *
 * @param x f32, [..., ...normalizedShape]
 * @param normalizedShape the sizes of the axes to normalise over, or of the last one
 * @param weight normalizedShape; null for 1
 * @param bias normalizedShape; null for 0
 * @param options eps (default 1e-5)
 * @returns x's shape
 * @throws ShapeError if x does not end in normalizedShape, or weight or bias has another shape
 * @see Ba, Kiros, Hinton 2016, https://arxiv.org/abs/1607.06450
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: number | Shape,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options: { eps?: number } = {},
): Tensor {
  checkOptions("layerNorm", options, ["eps"]);
  const { eps = 1e-5 } = options;
  const params = { ...normalizedRows("layerNorm", x, normalizedShape, { weight, bias }), eps };
  const { rows, cols } = params;
  const y = empty(x.shape, { device: x.device });
  const stats = empty([rows, 4], { device: x.device });
  dispatch(kernelFor(cols), "forward", {
    bind: { x, weight: weight ?? x, bias: bias ?? x, y, stats }, // x stands in for what is not read
    params,
    constants: { HAS_WEIGHT: Number(weight !== null), HAS_BIAS: Number(bias !== null) },
    groups: cols === 0 ? 0 : rows,
  });
  record(y, {
    op: "layerNorm",
    inputs: [x, weight, bias].filter((input) => input !== null),
    saved: { x, weight, stats, affineShape: (weight ?? bias)?.shape ?? null, hasBias: bias !== null, params },
    backward: layerNormBackward,
    composed: layerNormComposed,
  });
  stats.dispose();
  return y;
}

interface Saved {
  x: Tensor; // [rows, cols]
  weight: Tensor | null; // [cols]
  stats: Tensor; // [rows, 4]
  affineShape: Shape | null;
  hasBias: boolean;
  params: NormalizedRows & { eps: number };
}

function layerNormBackward(dy: Tensor, saved: Saved, [needsInput, ...needsAffine]: readonly boolean[]) {
  const dx = needsInput ? backwardInput(dy, saved) : null;
  return [dx, ...(needsAffine.includes(true) ? backwardAffine(dy, saved) : [])];
}

function backwardInput(dy: Tensor, { x, weight, stats, params }: Saved): Tensor {
  const { rows, cols } = params;
  const dx = empty(x.shape, x);
  dispatch(kernelFor(cols), "backwardInput", {
    bind: { x, weight: weight ?? x, dy, saved: stats, dx },
    params,
    constants: { HAS_WEIGHT: Number(weight !== null) },
    groups: cols === 0 ? 0 : rows,
  });
  return dx;
}

function backwardAffine(dy: Tensor, { x, weight, hasBias, stats, affineShape, params }: Saved): Tensor[] {
  const { cols, parts } = params;
  const weightParts = empty([parts, cols], x);
  const biasParts = empty([parts, cols], x);
  dispatch(kernelFor(cols), "backwardAffine", {
    bind: { x, dy, saved: stats, weightParts, biasParts },
    params,
    groups: ceilDiv(parts * cols, THREADS),
  });
  return [...(weight ? [weightParts] : []), ...(hasBias ? [biasParts] : [])].map((part) =>
    reshape(sum(part, 0), affineShape!),
  );
}

// The same gradients as ops.
function layerNormComposed(dy: Tensor, { x, weight, affineShape, hasBias, params }: Saved) {
  const { rows, cols, eps } = params;
  const flat = (t: Tensor) => reshape(t, [rows, cols]);
  const avg = (t: Tensor) => mean(t, 1, { keepDim: true });
  const d = sub(flat(x), avg(flat(x)));
  const rstd = rsqrt(add(avg(square(d)), eps));
  const n = mul(d, rstd);
  const g = weight ? mul(flat(dy), reshape(weight, [cols])) : flat(dy);
  const dx = mul(rstd, sub(sub(g, avg(g)), mul(n, avg(mul(g, n)))));
  const overRows = (t: Tensor) => reshape(sum(t, 0), affineShape!);
  return [
    reshape(dx, x.shape),
    ...(weight ? [overRows(mul(flat(dy), n))] : []),
    ...(hasBias ? [overRows(flat(dy))] : []),
  ];
}
