/** Layer normalisation: alone, and of the sums that sub-layers of a Transformer make. */
import { expectSameDevice, record, recordMany } from "../../autograd/record.ts";
import { checkOptions } from "../../gpu/errors.ts";
import { type Bindable, ceilDiv, dispatch } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectShape, type Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { checkProbability, type DropoutOptions, dropout, dropThreshold, dropWith } from "../dropout/dropout.ts";
import { add, mul, sub } from "../elementwise/binary-ops.ts";
import { rsqrt, square } from "../elementwise/unary-ops.ts";
import { MATH, RANDOM, REDUCE } from "../lib/lib.ts";
import { loadPacked, type PackedKernel } from "../lib/packed.ts";
import { nextStream } from "../random/generator.ts";
import { mean, sum } from "../reduce/sum.ts";
import { reshape } from "../view/reshape.ts";
import { layerNormReference, sumReference } from "./layer-norm.reference.ts";
import { type NormalizedRows, normalizedRows } from "./normalized-rows.ts";

const givenKernel = loadPacked(new URL("./layer-norm.wgsl", import.meta.url), {
  lib: [MATH, REDUCE, new URL("./given.wgsl", import.meta.url)],
  reference: layerNormReference,
});
const sumKernel = loadPacked(new URL("./layer-norm.wgsl", import.meta.url), {
  lib: [MATH, REDUCE, RANDOM, new URL("./sum.wgsl", import.meta.url)],
  reference: sumReference,
  name: "dropout-add-layer-norm",
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
  const rows = normalizedRows("layerNorm", x, normalizedShape, { weight, bias });
  const params = { ...rows, eps, ...NOTHING_DROPPED };
  const { y, stats } = forward(givenKernel, { x }, x, weight, bias, params);
  record(y, {
    op: "layerNorm",
    inputs: [x, weight, bias].filter((input) => input !== null),
    saved: savedOf(x, stats, weight, bias, params),
    backward: (dy, saved, [needsInput, ...needsAffine]) => [
      needsInput ? backwardInput(dy, null, saved) : null,
      ...(needsAffine.includes(true) ? backwardAffine(dy, saved) : []),
    ],
    composed: composedBackward,
  });
  stats.dispose();
  return y;
}

/**
 * Adds x, after dropout, to a residual stream and normalises the sum as `layerNorm` does: what stands between the sub-layers
 * of a Transformer, in one kernel.
 *
 *     h = residual + dropout(x)
 *     y = (h - mean) / sqrt(variance + eps) * weight + bias
 *
 * @param x f32, [..., ...normalizedShape]: what a sub-layer returns
 * @param residual x's shape
 * @param normalizedShape the sizes of the axes to normalise over, or of the last one
 * @param weight normalizedShape; null for 1
 * @param bias normalizedShape; null for 0
 * @param options p: the probability that an element of x is dropped (default 0); training: whether any is (default true); eps
 *   (default 1e-5)
 * @returns y, and h for the sub-layers that come after it where each normalises its input; both of x's shape
 * @throws ShapeError as `layerNorm` does, and for a residual of another shape; ValueError unless 0 <= p <= 1
 * @example const [y] = dropoutAddLayerNorm(attended, x, 128, norm.weight, norm.bias, { p: 0.1 });
 */
export function dropoutAddLayerNorm(
  x: Tensor,
  residual: Tensor,
  normalizedShape: number | Shape,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options: DropoutOptions & { eps?: number } = {},
): [y: Tensor, h: Tensor] {
  const op = "dropoutAddLayerNorm";
  checkOptions(op, options, ["p", "training", "eps"]);
  const { p = 0, training = true, eps = 1e-5 } = options;
  const rows = normalizedRows(op, x, normalizedShape, { weight, bias });
  expectShape(op, "residual", residual.shape, x.shape);
  expectDType(op, "residual", residual.dtype, ["f32"]);
  expectSameDevice(op, [x, residual]);
  checkProbability(op, p);
  if (training && p === 1) {
    return dropoutAddLayerNorm(dropout(x, { p }), residual, normalizedShape, weight, bias, { eps });
  }

  const drops = training && p > 0;
  const { randomState, stream } = drops ? nextStream(x.device) : { randomState: null, stream: 0 };
  const threshold = dropThreshold(p);
  const dropping = drops ? { stream, threshold, scale: 1 / (1 - threshold * 2 ** -32) } : NOTHING_DROPPED;
  const params = { ...rows, eps, ...dropping };
  const h = empty(x.shape, x);
  const inputs = { branch: x, residual, randomState: randomState ?? x }; // x stands in for what is not read
  const { y, stats } = forward(sumKernel, { ...inputs, h }, x, weight, bias, params);
  recordMany([y, h], {
    op,
    inputs: [x, residual, weight, bias].filter((input) => input !== null),
    saved: { ...savedOf(h, stats, weight, bias, params), p, randomState },
    backward: sumBackward,
    composed: sumComposed,
  });
  stats.dispose();
  return [y, h];
}

const NOTHING_DROPPED = { stream: 0, threshold: 0, scale: 1 };

type Params = NormalizedRows & typeof NOTHING_DROPPED & { eps: number };

interface Saved {
  x: Tensor; // [rows, cols], what is normalised
  weight: Tensor | null; // [cols]
  stats: Tensor; // [rows, 4]
  affineShape: Shape | null;
  hasBias: boolean;
  params: Params;
}

interface SumSaved extends Saved {
  p: number;
  randomState: Tensor | null; // null where nothing is dropped
}

function savedOf(x: Tensor, stats: Tensor, weight: Tensor | null, bias: Tensor | null, params: Params): Saved {
  return { x, weight, stats, affineShape: (weight ?? bias)?.shape ?? null, hasBias: bias !== null, params };
}

function forward(
  kernel: PackedKernel,
  bind: Readonly<Record<string, Bindable>>,
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  params: Params,
): { y: Tensor; stats: Tensor } {
  const { rows, cols } = params;
  const y = empty(x.shape, { device: x.device });
  const stats = empty([rows, 4], { device: x.device });
  dispatch(kernel(cols), "forward", {
    bind: { ...bind, weight: weight ?? x, bias: bias ?? x, y, stats }, // x stands in for what is not read
    params,
    constants: { HAS_WEIGHT: Number(weight !== null), HAS_BIAS: Number(bias !== null) },
    groups: cols === 0 ? 0 : rows,
  });
  return { y, stats };
}

function sumBackward(
  [dy = null, dh = null]: readonly (Tensor | null)[],
  saved: SumSaved,
  [needsX, needsResidual, ...needsAffine]: readonly boolean[],
) {
  if (!dy) return sumComposed([dy, dh], saved); // h alone is used
  const affine = needsAffine.includes(true) ? backwardAffine(dy, saved) : [];
  if (needsX && saved.randomState) return [...backwardDropped(dy, dh, saved.randomState, saved), ...affine];
  const dresidual = needsX || needsResidual ? backwardInput(dy, dh, saved) : null;
  return [dresidual, dresidual, ...affine];
}

function backwardInput(dy: Tensor, dh: Tensor | null, saved: Saved): Tensor {
  const dx = empty(saved.x.shape, saved.x);
  writeGradients(givenKernel, { dx }, dy, dh, saved);
  return dx;
}

function backwardDropped(dy: Tensor, dh: Tensor | null, randomState: Tensor, saved: Saved): [Tensor, Tensor] {
  const dbranch = empty(saved.x.shape, saved.x);
  const dx = empty(saved.x.shape, saved.x);
  writeGradients(sumKernel, { dx, dbranch, randomState }, dy, dh, saved);
  return [dbranch, dx];
}

function writeGradients(
  kernel: PackedKernel,
  gradients: Readonly<Record<string, Bindable>>,
  dy: Tensor,
  dh: Tensor | null,
  { x, weight, stats, params }: Saved,
): void {
  const { rows, cols } = params;
  dispatch(kernel(cols), "backwardInput", {
    bind: { x, weight: weight ?? x, dy, dh: dh ?? dy, saved: stats, ...gradients },
    params,
    constants: { HAS_WEIGHT: Number(weight !== null), HAS_DH: Number(dh !== null) },
    groups: cols === 0 ? 0 : rows,
  });
}

function backwardAffine(dy: Tensor, { x, weight, hasBias, stats, affineShape, params }: Saved): Tensor[] {
  const { cols, parts } = params;
  const weightParts = empty([parts, cols], x);
  const biasParts = empty([parts, cols], x);
  dispatch(givenKernel(cols), "backwardAffine", {
    bind: { x, dy, saved: stats, weightParts, biasParts },
    params,
    groups: ceilDiv(parts * cols, THREADS),
  });
  return [...(weight ? [weightParts] : []), ...(hasBias ? [biasParts] : [])].map((part) =>
    reshape(sum(part, 0), affineShape!),
  );
}

// The same gradients as ops.
function composedBackward(dy: Tensor, { x, weight, affineShape, hasBias, params }: Saved): Tensor[] {
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

function sumComposed([dy = null, dh = null]: readonly (Tensor | null)[], saved: SumSaved): Tensor[] {
  const { p, randomState, params } = saved;
  const [fromY, ...affine] = dy ? composedBackward(dy, saved) : [];
  const dresidual = fromY && dh ? add(fromY, dh) : (fromY ?? dh)!;
  const dx = randomState ? dropWith(dresidual, p, { randomState, stream: params.stream }) : dresidual;
  return [dx, dresidual, ...affine];
}
