/** What stands behind the attention ops: rows anywhere in memory, the fused kernels, and their gradient. */
import { scopeInFloat32 } from "../../autograd/autocast.ts";
import { grad } from "../../autograd/backward.ts";
import { expectSameDevice, isGradEnabled, record, requiresGrad } from "../../autograd/record.ts";
import { ALIGNMENT, Storage } from "../../gpu/device.ts";
import { type Bindable, ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { empty, Tensor } from "../../tensor/tensor.ts";
import { zeros } from "../creation/creation.ts";
import { checkProbability, dropThreshold } from "../dropout/dropout.ts";
import { MATH, RANDOM } from "../lib/lib.ts";
import { nextStream } from "../random/generator.ts";
import { reshape } from "../view/reshape.ts";
import { type AttentionParams, attentionReference, FLAGS } from "./attention.reference.ts";
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

function kernelFor({ family, rows, blocks }: AttentionPlan, groups: number): Kernel {
  const key = `${family} ${rows} ${blocks} ${groups}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    const lib = [new URL("./attention.wgsl", import.meta.url), ROWS[rows], MATH, RANDOM];
    const append = `const BLOCKS = ${blocks}u;\nconst GROUPS = ${groups}u;\n`;
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
  readonly params: AttentionParams;
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

  return scopeInFloat32(() => {
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
    run(call, "forward", { ...operands, y, stats });
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
  // The gradients of separate q, k and v lie in one buffer, one after the other.
  const dkOffset = isPacked ? heads * d : aligned(pairs * tq * d);
  const dvOffset = isPacked ? 2 * heads * d : dkOffset + aligned(pairs * tk * d);
  const params = {
    ...{ pairs, heads, tq, tk, d, dv, ...strides, dkOffset, dvOffset, scale, stream },
    dropThreshold: dropThreshold(dropout),
    flags: (packed ? FLAGS.packed : 0) | (isPacked ? FLAGS.one : 0) | (causal ? FLAGS.causal : 0) | maskFlags(mask),
  };
  return { shape, rows, settings, plan, params };
}

function aligned(length: number): number {
  return ceilDiv(length, ALIGNMENT) * ALIGNMENT;
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

type Entry = "forward" | "rowSums" | "backward" | "backwardQuery" | "backwardKeyValue";

function run({ plan, params, shape }: Call, entry: Entry, bind: Record<string, Bindable>): void {
  const { pairs, tq, tk, d, dv } = { ...params, ...shape };
  const groups = plan.groups[entry === "forward" ? 0 : 1];
  // Workgroups for t rows of a result of `width` columns.
  const tiles = (t: number, width: number) => pairs * ceilDiv(t, 8 * groups) * ceilDiv(width, 32 * plan.blocks);
  const workgroups = {
    forward: () => tiles(tq, dv),
    rowSums: () => ceilDiv(pairs * tq, ROW_THREADS),
    backward: () => pairs,
    backwardQuery: () => tiles(tq, d),
    backwardKeyValue: () => tiles(tk, Math.max(d, dv)),
  };
  dispatch(kernelFor(plan, groups), entry, { bind, params, constants: plan.constants, groups: workgroups[entry]() });
}

// The gradient of q, k and v in one tensor is one tensor.
function packedBackward(dy: Tensor, saved: Saved) {
  const dqkv = empty(saved.q.shape, dy);
  writeGradients(dqkv, dy, saved);
  return [dqkv];
}

function separateBackward(dy: Tensor, saved: Saved) {
  const { q, k, v, call } = saved;
  const { dkOffset, dvOffset } = call.params;
  const gradients = Storage.allocate(dy.device, "f32", dvOffset + v.size);
  writeGradients(gradients, dy, saved);
  const part = (offset: number, x: Tensor) => new Tensor(gradients.view(offset, x.size), x.shape, "f32");
  const parts = [part(0, q), part(dkOffset, k), part(dvOffset, v)];
  gradients.release();
  return parts;
}

function writeGradients(gradients: Bindable, dy: Tensor, { q, k, v, y, stats, mask, randomState, call }: Saved): void {
  const rowStats = empty([call.params.pairs * call.shape.tq, 4], { device: dy.device });
  run(call, "rowSums", { dy, savedY: y, savedStats: stats, rowStats });
  const operands = { q, k, v, dy, savedRowStats: rowStats, ...standIns(q, mask, randomState), gradients };
  if (call.plan.family === "software") {
    run(call, "backward", operands);
  } else {
    run(call, "backwardQuery", operands);
    run(call, "backwardKeyValue", operands);
  }
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
