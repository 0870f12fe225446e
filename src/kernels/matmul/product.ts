/** Matrix products without a gradient: lays operands out, has the kernels chosen, and dispatches them. */
import type { Precision } from "../../autograd/autocast.ts";
import type { Device } from "../../gpu/device.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { broadcastShapes, broadcastStrides, collapse, type Shape, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { onRounded } from "../half/half.ts";
import { emptyQuads, perPrecision, QUADS } from "../half/quads.ts";
import { stridedCopy } from "../strided-copy/strided-copy.ts";
import { type Activation, activationReference, activationWgsl } from "./activation.ts";
import { countTiles, DEPTHS, type ProductPlan, type ProductShape, planProduct } from "./plan.ts";
import { productReference } from "./product.reference.ts";

/** y = activation(op(a) op(b) + bias), where op transposes the last two axes or not. */
export interface Product {
  /** [..., m, k] or, transposed, [..., k, m]; [k] where it is not transposed */
  readonly a: Tensor;
  /** [..., k, n] or, transposed, [..., n, k] */
  readonly b: Tensor;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** [n] */
  readonly bias: Tensor | null;
  readonly activation: Activation;
  /** What a and b are rounded to first. */
  readonly precision: Precision;
  /** Whether to sum the rows of op(a), one matrix, on the way; not done where the transpose of the result is computed. */
  readonly sumRows?: boolean;
}

export interface ProductResult {
  /** [..., m, n]; [..., n] for a vector a */
  readonly y: Tensor;
  /** What the activation was applied to, where that was asked for. */
  readonly z: Tensor | null;
  /** [m], the sums of the rows of op(a), where they were asked for and computed */
  readonly rowSums: Tensor | null;
}

const THREADS = 64;

/**
 * Computes a product. Its inner sizes have been found equal.
 *
 * @param op names the caller in errors
 * @param keepInput whether to return what the activation is applied to as well
 * @throws ShapeError if the batch axes do not broadcast
 */
export function multiply(op: string, product: Product, keepInput = false): ProductResult {
  const { a, b, bias, activation, sumRows = false } = product;
  const { device } = a;
  const layout = layOut(op, product);
  if (layout.expandTo) return multiplyExpanded(op, product, keepInput, layout.expandTo);
  // The cpu device packs nothing: its reference takes the rounded operands as they are.
  if (product.precision === "f16" && device.kind === "cpu") {
    return onRounded(a, b, (a, b) => multiply(op, { ...product, a, b, precision: "f32" }, keepInput));
  }

  const { shape, batchInner } = layout;
  const y = empty(layout.yShape, { device });
  const z = keepInput ? empty(layout.yShape, { device }) : null;
  if (y.size === 0) return { y, z, rowSums: null };

  const plan = planFor(device, shape);
  const rowSums = sumRows && !plan.isTurned ? empty([shape.m], { device }) : null;
  const scratch: Tensor[] = [];
  const operands = plan.isTurned ? [turned(layout.b), turned(layout.a)] : [layout.a, layout.b];
  const left = plan.packA ? pack(operands[0]!, plan.precision, scratch) : operands[0]!;
  const right = plan.packB ? pack(operands[1]!, plan.precision, scratch) : operands[1]!;
  const [m, n] = plan.isTurned ? [shape.n, shape.m] : [shape.m, shape.n];

  // b stands in for a bias that is not read.
  const epilogue: Epilogue = {
    activation,
    bind: { bias: bias ?? b, y, ...(z ? { z } : {}) },
    hasBias: bias !== null,
  };
  const parts = plan.splits > 1 ? empty([plan.splits, y.size], { device }) : null;
  if (parts) scratch.push(parts);
  const first: Epilogue = parts ? { activation: "none", bind: { bias: b, y: parts }, hasBias: false } : epilogue;
  const sumParts = parts && rowSums ? empty([plan.splits, shape.m], { device }) : null;
  if (sumParts) scratch.push(sumParts);
  dispatch(kernelFor(plan.kernel, plan, first, rowSums !== null), "forward", {
    bind: { a: left.x, b: right.x, ...first.bind, ...(rowSums ? { rowSums: sumParts ?? rowSums } : {}) },
    params: {
      m,
      n,
      k: shape.k,
      splits: plan.splits,
      chunk: plan.chunk,
      lda: left.pitch,
      ldb: right.pitch,
      batches: shape.batches,
      batchInner,
      aOuter: left.outer * left.pitch,
      aInner: left.inner * left.pitch,
      bOuter: right.outer * right.pitch,
      bInner: right.inner * right.pitch,
      hasBias: Number(first.hasBias),
      isTurned: Number(plan.isTurned),
    },
    constants: {
      ...plan.constants,
      TRANSPOSE_A: Number(left.transpose),
      TRANSPOSE_B: Number(right.transpose),
      SUM_ROWS: Number(rowSums !== null),
      // Reads of single elements cost so much more than the test that they need no second pipeline without it.
      K_EDGE: Number(plan.read === "scalar" || shape.k % DEPTHS[plan.kernel] !== 0),
    },
    groups: countTiles(m, n, plan.tile) * shape.batches * plan.splits,
  });
  // Adds up parts of `to.bind.y`, which has lines of n.
  const combine = (from: Tensor, n: number, to: Epilogue, write: ProductPlan["write"]) => {
    const rows = to.bind.y.size / n;
    dispatch(kernelFor("combine", { read: write, write, precision: "f32" }, to), "forward", {
      bind: { a: from, ...to.bind },
      params: { m: rows, n, splits: plan.splits, hasBias: Number(to.hasBias), isTurned: 0 },
      groups: ceilDiv(rows * ceilDiv(n, 4), THREADS),
    });
  };
  if (parts) combine(parts, shape.n, epilogue, plan.write);
  if (sumParts) {
    const whole: Epilogue = { activation: "none", bind: { bias: b, y: rowSums! }, hasBias: false };
    combine(sumParts, shape.m, whole, shape.m % 4 === 0 ? "vec4" : "scalar");
  }
  // The pool gives this memory to later dispatches only.
  for (const tensor of scratch) tensor.dispose();
  return { y, z, rowSums };
}

// On the cpu device, the reference takes any product as it is.
function planFor(device: Device, shape: ProductShape): ProductPlan {
  if (device.kind === "webgpu") return planProduct(device, shape);
  return {
    kernel: "tiles",
    constants: {},
    tile: [shape.m, shape.n],
    isTurned: false,
    read: "scalar",
    write: "scalar",
    packA: false,
    packB: false,
    precision: "f32",
    splits: 1,
    chunk: shape.k,
  };
}

// --- operands

/** A batch of matrices as the kernel walks it. */
interface Operand {
  readonly x: Tensor;
  readonly transpose: boolean;
  /** Elements of a line, and from one line to the next. */
  readonly length: number;
  readonly pitch: number;
  /** Lines from one matrix to the next, along the outer and the inner batch axis. */
  readonly outer: number;
  readonly inner: number;
}

interface Layout {
  readonly shape: ProductShape;
  readonly yShape: Shape;
  readonly batchInner: number;
  readonly a: Operand;
  readonly b: Operand;
  /** The batch axes that both operands must be expanded to first, since the kernels walk two of them at most. */
  readonly expandTo: Shape | null;
}

function layOut(op: string, { a, b, transposeA, transposeB, precision }: Product): Layout {
  const [aRows, aCols] = a.rank === 1 ? [1, a.shape[0]!] : (a.shape.slice(-2) as [number, number]);
  const [bRows, bCols] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [aCols, aRows] : [aRows, aCols];
  const n = transposeB ? bRows : bCols;
  const aBatch = a.shape.slice(0, -2);
  const bBatch = b.shape.slice(0, -2);
  const batch = broadcastShapes(`${op}: batch axes`, aBatch, bBatch);
  const yShape = [...batch, ...(a.rank === 1 ? [] : [m]), n];

  // The rows of all matrices that meet one b are those of one matrix.
  const isOne = sizeOf(bBatch) === 1 && !transposeA;
  const strides = (own: Shape, lines: number) => broadcastStrides(own, batch).map((stride) => stride * lines);
  const merged = isOne
    ? { shape: [], strides: [[], []] }
    : collapse(batch, [strides(aBatch, aRows), strides(bBatch, bRows)]);
  const axes = merged.shape.length;
  const operand = (index: number, x: Tensor, transpose: boolean, length: number): Operand => {
    const own = merged.strides[index]!;
    return { x, transpose, length, pitch: length, outer: axes > 1 ? own[0]! : 0, inner: own[axes - 1] ?? 0 };
  };
  return {
    shape: {
      m: isOne ? m * sizeOf(batch) : m,
      n,
      k,
      batches: sizeOf(merged.shape),
      transposeA,
      transposeB,
      // A sequence must not depend on the others in its batch, nor on how far it is padded.
      rowsApart: isOne && aBatch.length > 0,
      precision,
    },
    yShape,
    batchInner: merged.shape[axes - 1] ?? 1,
    a: operand(0, a, transposeA, aCols),
    b: operand(1, b, transposeB, bCols),
    expandTo: axes > 2 ? batch : null,
  };
}

function multiplyExpanded(op: string, product: Product, keepInput: boolean, batch: Shape): ProductResult {
  const expanded = (x: Tensor) => {
    const shape = [...batch, ...x.shape.slice(-2)];
    return stridedCopy(x, shape, broadcastStrides(x.shape, shape));
  };
  const a = expanded(product.a);
  const b = expanded(product.b);
  const result = multiply(op, { ...product, a, b }, keepInput);
  a.dispose();
  b.dispose();
  return result;
}

function turned(operand: Operand): Operand {
  return { ...operand, transpose: !operand.transpose };
}

// Workgroups that keep every adapter busy; more cost a software adapter more than they do.
const MAX_PACKERS = 1024;
const PACK = new URL("./pack.wgsl", import.meta.url);
const packKernels = perPrecision((quads) => loadKernel(PACK, { lib: [quads], reference: {} }));

/**
 * Copies lines into scratch where each is a multiple of four long.
 *
 * @returns [lines, quads * QUAD_WORDS]
 */
export function packLines(x: Tensor, length: number, precision: Precision): Tensor {
  const { device } = x;
  const y = emptyQuads([length === 0 ? 0 : x.size / length, ceilDiv(length, 4)], precision, device);
  // Where nothing comes between lines, neighbouring threads take neighbouring fours.
  const line = length % 4 === 0 ? Math.min(length, 4) : length;
  const lines = line === 0 ? 0 : x.size / line;
  dispatch(packKernels[precision], "forward", {
    bind: { x, y },
    params: { lines, length: line, quads: ceilDiv(line, 4) },
    groups: Math.min(ceilDiv(lines, device.family === "software" ? device.subgroupSize : THREADS), MAX_PACKERS),
  });
  return y;
}

function pack(operand: Operand, precision: Precision, scratch: Tensor[]): Operand {
  const { x, length } = operand;
  const y = packLines(x, length, precision);
  scratch.push(y);
  return { ...operand, x: y, pitch: 4 * ceilDiv(length, 4) };
}

// --- kernels

/** What happens to a sum before it is stored, and where that goes. */
interface Epilogue {
  readonly activation: Activation;
  readonly bind: { readonly bias: Tensor; readonly y: Tensor; readonly z?: Tensor };
  readonly hasBias: boolean;
}

const SOURCES = {
  lanes: new URL("./lanes.wgsl", import.meta.url),
  tiles: new URL("./tiles.wgsl", import.meta.url),
  combine: new URL("./combine.wgsl", import.meta.url),
};
const PRODUCT = new URL("./product.wgsl", import.meta.url);
const READ = {
  vec4: new URL("./read-vec4.wgsl", import.meta.url),
  scalar: new URL("./read-scalar.wgsl", import.meta.url),
};
const WRITE = {
  vec4: new URL("./write-vec4.wgsl", import.meta.url),
  scalar: new URL("./write-scalar.wgsl", import.meta.url),
};
const KEEP = `@group(0) @binding(4) var<storage, read_write> z: array<Z>;
fn keep(i: u32, value: Z) { z[i] = value; }
`;
const DROP = "fn keep(i: u32, value: Z) {}\n";
const KEEP_ROW_SUMS = `@group(0) @binding(5) var<storage, read_write> rowSums: array<f32>;
fn keepRowSum(i: u32, value: f32) { rowSums[i] = value; }
`;
const DROP_ROW_SUMS = "fn keepRowSum(i: u32, value: f32) {}\n";

const kernels = new Map<string, Kernel>();

function kernelFor(
  source: keyof typeof SOURCES,
  { read, write, precision }: Pick<ProductPlan, "read" | "write" | "precision">,
  { activation, bind }: Epilogue,
  sumsRows = false,
): Kernel {
  const keeps = bind.z !== undefined;
  // The parts that combine.wgsl reads have the lines of the result.
  const reads = source === "combine" ? write : read;
  const stored = source === "combine" ? "f32" : precision;
  const key = `${source} ${reads} ${stored} ${write} ${activation} ${keeps} ${sumsRows}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    const { lib, append } = activationWgsl(activation);
    kernel = loadKernel(SOURCES[source], {
      lib: [...(source === "combine" ? [] : [PRODUCT]), READ[reads], QUADS[stored], WRITE[write], ...lib],
      append: append + (keeps ? KEEP : DROP) + (sumsRows ? KEEP_ROW_SUMS : DROP_ROW_SUMS),
      reference: source === "combine" ? {} : productReference(activationReference(activation)),
    });
    kernels.set(key, kernel);
  }
  return kernel;
}
