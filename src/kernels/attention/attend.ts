/** What stands behind the attention ops: rows anywhere in memory, the fused kernels, and their gradient. */
import { grad } from "../../autograd/backward.ts";
import { expectSameDevice, isGradEnabled, record, requiresGrad } from "../../autograd/record.ts";
import { ALIGNMENT, Storage } from "../../gpu/device.ts";
import { type Bindable, ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { scope } from "../../tensor/scope.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { empty, Tensor } from "../../tensor/tensor.ts";
import { zeros } from "../creation/creation.ts";
import { checkProbability, dropThreshold } from "../dropout/dropout.ts";
import { MATH, RANDOM } from "../lib/lib.ts";
import { nextStream } from "../random/generator.ts";
import { reshape } from "../view/reshape.ts";
import { attentionReference, FLAGS } from "./attention.reference.ts";
import { type AttentionSettings, attendByOps } from "./by-ops.ts";
import { mergeMasks } from "./mask.ts";
import { type AttentionPlan, planAttention } from "./plan.ts";

export interface AttentionOptions {
  /**
   * Which keys each query sees: bool, true where a key takes part; or f32, added to the scores. It broadcasts to
   * [..., heads, tq, tk]. In f32, -1e30 and less, -Infinity among them, mean that the key takes no part.
   */
  mask?: Tensor | undefined;
  /** Which keys take part for all queries and heads: bool [b, tk], false for padding. */
  keyMask?: Tensor | undefined;
  /** Whether query i sees the keys 0 to i only; default false. */
  causal?: boolean | undefined;
  /** The probability with which each attention weight is dropped; the others are divided by 1 - dropout. Default 0. */
  dropout?: number | undefined;
  /** What the scores are multiplied with; default 1 / sqrt(d). */
  scale?: number | undefined;
}

/** The sizes of an attention, whatever the layout. */
export interface AttentionShape {
  readonly batch: Shape;
  readonly heads: number;
  /** Whether the scores have an axis of heads: [...batch, heads, tq, tk]. */
  readonly hasHeads: boolean;
  readonly tq: number;
  readonly tk: number;
  readonly d: number;
  readonly dv: number;
  readonly y: Shape;
}

/** How the rows of q, k and v lie in memory, as in attention.wgsl. */
export interface Rows {
  readonly packed: boolean;
  readonly qRow: number;
  readonly kRow: number;
  readonly vRow: number;
  readonly kOffset: number;
  readonly vOffset: number;
}

const ROW_THREADS = 64; // of rowSums

const FAMILIES = {
  gpu: new URL("./attention-gpu.wgsl", import.meta.url),
  software: new URL("./attention-software.wgsl", import.meta.url),
};
const ROWS = {
  vec4: new URL("./rows-vec4.wgsl", import.meta.url),
  scalar: new URL("./rows-scalar.wgsl", import.meta.url),
};
const kernels = new Map<string, Kernel>();

function kernelFor({ family, rows, blocks }: AttentionPlan): Kernel {
  const key = `${family} ${rows} ${blocks}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    const lib = [new URL("./attention.wgsl", import.meta.url), ROWS[rows], MATH, RANDOM];
    const append = `const BLOCKS = ${blocks}u;\n`;
    kernels.set(key, (kernel = loadKernel(FAMILIES[family], { lib, append, reference: attentionReference })));
  }
  return kernel;
}

/** What an attention is, beside its tensors. */
interface Call {
  readonly shape: AttentionShape;
  readonly rows: Rows;
  readonly settings: AttentionSettings;
  readonly plan: AttentionPlan;
  readonly params: Readonly<Record<"pairs" | "dvOffset", number>>;
}

interface Saved {
  q: Tensor; // or all of qkv, which k and v are then too
  k: Tensor;
  v: Tensor;
  y: Tensor;
  stats: Tensor; // [pairs * tq, 2]
  mask: Tensor | null; // rank 4
  randomState: Tensor | null;
  call: Call;
}

/**
 * Computes attention.
 *
 * @param op names the caller in errors
 * @param inputs q, k and v, or the one tensor that they are parts of; their shapes have been found to fit
 * @throws DTypeError, ShapeError for a mask that does not fit, ValueError unless 0 <= dropout <= 1
 */
export function attend(
  op: string,
  inputs: readonly [qkv: Tensor] | readonly [q: Tensor, k: Tensor, v: Tensor],
  shape: AttentionShape,
  rows: Rows,
  options: AttentionOptions,
): Tensor {
  const isPacked = inputs.length === 1;
  const [q, k = q, v = q] = inputs;
  const { d } = shape;
  const { causal = false, dropout = 0, scale = d === 0 ? 1 : 1 / Math.sqrt(d) } = options;
  for (const [i, x] of inputs.entries()) {
    expectDType(op, isPacked ? "qkv" : ["q", "k", "v"][i]!, x.dtype, ["f32"]);
  }
  checkProbability(op, dropout);
  const masks = [options.mask, options.keyMask].filter((mask) => mask !== undefined);
  expectSameDevice(op, [...inputs, ...masks]);

  return scope(() => {
    const mask = mergeMasks(op, shape, options);
    const { device } = q;
    if (sizeOf(shape.y) === 0 || shape.tk === 0 || dropout === 1) {
      const y = zeros(shape.y, { device });
      return record(y, { op, inputs, saved: {}, backward: () => inputs.map(() => null), composed: true });
    }
    const { randomState, stream } = dropout > 0 ? nextStream(device) : { randomState: null, stream: 0 };
    const settings = { causal, scale, dropout, stream };
    if (mask && isGradEnabled() && requiresGrad(mask)) {
      return attendByOps(inputs, shape, rows, settings, mask, randomState);
    }

    const call = planCall(shape, rows, settings, mask, planAttention(device, d, shape.dv), isPacked);
    const y = empty(shape.y, { device });
    const stats = empty([call.params.pairs * shape.tq, 2], { device });
    const operands = { q, k, v, ...standIns(q, mask, randomState) };
    run(call, "forward", { ...operands, y, stats }, groupsFor(call, shape.tq, shape.dv));
    return record(y, {
      op,
      inputs,
      saved: { q, k, v, y, stats, mask, randomState, call },
      backward: isPacked ? packedBackward : separateBackward,
      composed: isPacked ? packedComposed : separateComposed,
    });
  });
}

function planCall(
  shape: AttentionShape,
  rows: Rows,
  settings: AttentionSettings,
  mask: Tensor | null,
  plan: AttentionPlan,
  isPacked: boolean,
): Call {
  const { heads, tq, tk, d, dv } = shape;
  const { packed, ...strides } = rows;
  const { causal, scale, stream, dropout } = settings;
  const pairs = sizeOf(shape.batch) * heads;
  const params = {
    ...{ pairs, heads, tq, tk, d, dv, ...strides, scale, stream, dropThreshold: dropThreshold(dropout) },
    // The gradients of separate k and v lie in one buffer, one after the other.
    dvOffset: isPacked ? rows.vOffset : ceilDiv(pairs * tk * d, ALIGNMENT) * ALIGNMENT,
    flags: (packed ? FLAGS.packed : 0) | (causal ? FLAGS.causal : 0) | maskFlags(mask),
  };
  return { shape, rows, settings, plan, params };
}

function maskFlags(mask: Tensor | null): number {
  if (!mask) return 0;
  const axes = [FLAGS.maskBatch, FLAGS.maskHead, FLAGS.maskQuery, FLAGS.maskKey];
  return axes.reduce(
    (flags, flag, axis) => flags | (mask.shape[axis] === 1 ? 0 : flag),
    FLAGS.masked | (mask.dtype === "f32" ? FLAGS.added : 0),
  );
}

// q takes the place of a mask or of random numbers that are not read.
function standIns(q: Tensor, mask: Tensor | null, randomState: Tensor | null) {
  return { mask: mask ?? q, randomState: randomState ?? q };
}

type Entry = "forward" | "rowSums" | "backwardQuery" | "backwardKeyValue";

function run({ plan, params }: Call, entry: Entry, bind: Record<string, Bindable>, groups: number): void {
  dispatch(kernelFor(plan), entry, { bind, params, constants: plan.constants, groups });
}

// Workgroups for `t` rows of a result of `width` columns, for every pair of a batch entry and a head.
function groupsFor({ plan, params }: Call, t: number, width: number): number {
  return params.pairs * ceilDiv(t, plan.tile) * ceilDiv(width, 32 * plan.blocks);
}

// The gradient of q, k and v in one tensor is one tensor.
function packedBackward(dy: Tensor, saved: Saved) {
  const dqkv = empty(saved.q.shape, dy);
  const operands = gradientOperands(dy, saved);
  backwardQuery(saved.call, operands, dqkv);
  backwardKeyValue(saved.call, operands, dqkv);
  return [dqkv];
}

function separateBackward(dy: Tensor, saved: Saved, needs: readonly boolean[]) {
  const { q, k, v, call } = saved;
  const operands = gradientOperands(dy, saved);
  const dq = needs[0] ? empty(q.shape, dy) : null;
  if (dq) backwardQuery(call, operands, dq);
  if (!needs[1] && !needs[2]) return [dq, null, null];
  const dkv = Storage.allocate(dy.device, "f32", call.params.dvOffset + v.size);
  backwardKeyValue(call, operands, dkv);
  const dk = new Tensor(dkv.view(0, k.size), k.shape, "f32");
  const dv = new Tensor(dkv.view(call.params.dvOffset, v.size), v.shape, "f32");
  dkv.release();
  return [dq, dk, dv];
}

// What both halves of the backward pass read.
function gradientOperands(dy: Tensor, { q, k, v, y, stats, mask, randomState, call }: Saved) {
  const rows = call.params.pairs * call.shape.tq;
  const rowStats = empty([rows, 4], { device: dy.device });
  run(call, "rowSums", { dy, savedY: y, savedStats: stats, rowStats }, ceilDiv(rows, ROW_THREADS));
  return { q, k, v, dy, savedRowStats: rowStats, ...standIns(q, mask, randomState) };
}

function backwardQuery(call: Call, operands: Record<string, Bindable>, dq: Bindable): void {
  run(call, "backwardQuery", { ...operands, dq }, groupsFor(call, call.shape.tq, call.shape.d));
}

function backwardKeyValue(call: Call, operands: Record<string, Bindable>, dkv: Bindable): void {
  const { tk, d, dv } = call.shape;
  run(call, "backwardKeyValue", { ...operands, dkv }, groupsFor(call, tk, Math.max(d, dv)));
}

function packedComposed(dy: Tensor, saved: Saved) {
  return gradientsByOps(dy, [saved.q], [true], saved);
}

function separateComposed(dy: Tensor, saved: Saved, needs: readonly boolean[]) {
  return gradientsByOps(dy, [saved.q, saved.k, saved.v], needs, saved);
}

function gradientsByOps(dy: Tensor, inputs: readonly Tensor[], needs: readonly boolean[], saved: Saved) {
  // Other handles, so that hooks on the inputs see their gradients once only.
  const xs = inputs.map((x) => reshape(x, x.shape));
  const { shape, rows, settings } = saved.call;
  const gradients = grad(
    attendByOps(xs, shape, rows, settings, saved.mask, saved.randomState),
    xs.filter((_, i) => needs[i]),
    { gradOutputs: [dy], createGraph: true },
  );
  return needs.map((isNeeded) => (isNeeded ? gradients.shift()! : null));
}
