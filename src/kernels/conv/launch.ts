/** The three maps of a convolution without gradients: packs the operands, has the kernels chosen, and dispatches them. */
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { countTiles } from "../matmul/plan.ts";
import { directReference } from "./direct.reference.ts";
import { type Axis, backwardAxes, extentOf, forwardAxis, type Geometry } from "./geometry.ts";
import { foldOf, type ProductPlan, planParts, planSlide, planWeight } from "./plan.ts";

const THREADS = 64;

/**
 * Computes y = conv(x, weight) + bias.
 *
 * @param x [n, groups * ci, ...size]
 * @param weight [groups * co, ci, ...kernel]
 * @param bias [groups * co]
 * @returns [n, groups * co, ...outSize]
 */
export function forward(x: Tensor, weight: Tensor, bias: Tensor | null, geometry: Geometry): Tensor {
  const { n, groups, co, outSize } = geometry;
  const out = empty([n, groups * co, ...outSize], { device: x.device });
  const plan = planSlide(x.device, geometry, false);
  if (plan.kernel === "direct") {
    const threads = n * groups * co * ceilDiv(outSize[0] * outSize[1], 4);
    direct("forward", { x, weight, bias: bias ?? x, out }, geometry, { hasBias: Number(bias !== null) }, threads);
  } else {
    slideForward(plan, { source: x, weight, bias, out }, geometry);
  }
  return out;
}

/**
 * Computes x's gradient from y's, or the transposed convolution of y: every element of y adds its multiple of the kernel to x.
 *
 * @param y [n, groups * co, ...outSize]
 * @param weight [groups * co, ci, ...kernel]
 * @param bias [groups * ci], for transposed convolutions
 * @returns [n, groups * ci, ...size]
 */
export function backwardInput(y: Tensor, weight: Tensor, bias: Tensor | null, geometry: Geometry): Tensor {
  const { n, groups, ci, size } = geometry;
  const out = empty([n, groups * ci, ...size], { device: y.device });
  const plan = planSlide(y.device, geometry, true);
  if (plan.kernel === "direct") {
    const threads = n * groups * ci * ceilDiv(size[0] * size[1], 4);
    direct("backwardInput", { y, weight, bias: bias ?? y, out }, geometry, { hasBias: Number(bias !== null) }, threads);
  } else {
    slideBackward(plan, { source: y, weight, bias, out }, geometry);
  }
  return out;
}

/**
 * Computes weight's gradient.
 *
 * @param x [n, groups * ci, ...size]
 * @param y its gradient, [n, groups * co, ...outSize]
 * @returns [groups * co, ci, ...kernel]
 */
export function backwardWeight(x: Tensor, y: Tensor, geometry: Geometry): Tensor {
  const { groups, ci, co, kernel } = geometry;
  const out = empty([groups * co, ci, ...kernel], { device: x.device });
  const plan = planWeight(x.device, geometry);
  if (plan.kernel === "direct") directWeight(x, y, out, geometry);
  else productWeight(plan, x, y, out, geometry);
  return out;
}

// --- element by element

const directKernel = loadKernel(new URL("./direct.wgsl", import.meta.url), {
  reference: directReference,
  name: "conv",
});

function direct(
  entry: "forward" | "backwardInput" | "backwardWeight",
  bind: Readonly<Record<string, Tensor>>,
  { n, groups, ci, co, size, outSize, kernel, stride, pad, dilation }: Geometry,
  options: { readonly hasBias?: number; readonly splits?: number; readonly chunk?: number },
  threads: number,
): void {
  dispatch(directKernel, entry, {
    bind,
    params: {
      n,
      groups,
      ci,
      co,
      height: size[0],
      width: size[1],
      outHeight: outSize[0],
      outWidth: outSize[1],
      kernelHeight: kernel[0],
      kernelWidth: kernel[1],
      strideY: stride[0],
      strideX: stride[1],
      padY: pad[0],
      padX: pad[1],
      dilationY: dilation[0],
      dilationX: dilation[1],
      hasBias: 0,
      splits: 1,
      chunk: 0,
      ...options,
    },
    groups: ceilDiv(threads, THREADS),
  });
}

function directWeight(x: Tensor, y: Tensor, out: Tensor, geometry: Geometry): void {
  const { n, ci, outSize, kernel } = geometry;
  const { device } = x;
  const positions = n * outSize[0] * outSize[1];
  const { splits, chunk } =
    device.kind === "cpu" ? { splits: 1, chunk: positions } : planParts("direct", device.family, out.size, positions);
  if (splits === 1) {
    direct("backwardWeight", { x, y, out }, geometry, { splits, chunk }, out.size);
    return;
  }
  const parts = empty([splits, out.size], { device });
  direct("backwardWeight", { x, y, out: parts }, geometry, { splits, chunk }, parts.size);
  const taps = kernel[0] * kernel[1];
  addParts(parts, out, { splits, line: ci * taps, channel: taps, tapRow: kernel[1], tapCol: 1 });
  parts.dispose();
}

// --- packed operands

const packImageKernel = loadKernel(new URL("./pack-image.wgsl", import.meta.url), { reference: {} });
const packWeightKernel = loadKernel(new URL("./pack-weight.wgsl", import.meta.url), { reference: {} });
const packLinesKernel = loadKernel(new URL("../matmul/pack.wgsl", import.meta.url), { reference: {} });

/** A packed image, and how windows slide over it; steps are in vec4s. */
interface Image {
  readonly packed: Tensor;
  /** Source positions of its first row and column. */
  readonly origin: readonly [row: number, col: number];
  readonly fold: number;
  readonly cols: number;
  /** vec4s of a position, and of an image. */
  readonly quads: number;
  readonly imageQuads: number;
}

/** What is computed along the vertical and the horizontal axis: a sum, or one for each remainder by the stride. */
type Axes = readonly [readonly Axis[], readonly Axis[]];

/** Packs what the axes read of a source of `channels` channels in each of `groups` groups. */
function packImage(source: Tensor, groups: number, [vertical, horizontal]: Axes): Image {
  const [n, allChannels, height, width] = source.shape as [number, number, number, number];
  const channels = allChannels / groups;
  const rows = unionOf(vertical);
  // Sums over windows of several widths do not fold: each would need an image of its own.
  const axis = horizontal[0]!;
  const fold = horizontal.length === 1 ? foldOf(channels, axis.taps) : 1;
  const cols = fold > 1 ? { start: axis.start, end: axis.start + axis.count } : unionOf(horizontal);
  const quads = ceilDiv(channels * fold, 4);
  const [down, across] = [rows.end - rows.start, cols.end - cols.start];
  const packed = empty([groups, n, down, across, 4 * quads], { device: source.device });
  dispatch(packImageKernel, "pack", {
    bind: { x: source, image: packed },
    params: {
      n,
      groups,
      channels,
      height,
      width,
      rows: down,
      cols: across,
      quads,
      originY: rows.start,
      originX: cols.start,
      colStep: fold > 1 ? axis.stride : 1,
      fold,
      foldStep: axis.dilation,
    },
    groups: packed.size === 0 ? 0 : groups * n * down,
  });
  return {
    packed,
    origin: [rows.start, cols.start],
    fold,
    cols: across,
    quads,
    imageQuads: down * across * quads,
  };
}

function unionOf(axes: readonly Axis[]): { start: number; end: number } {
  const extents = axes.map(extentOf).filter(({ start, end }) => end > start);
  if (extents.length === 0) return { start: 0, end: 0 };
  return { start: Math.min(...extents.map(({ start }) => start)), end: Math.max(...extents.map(({ end }) => end)) };
}

/** Where the windows of two axes lie in an image, in vec4s: params of slide.wgsl and weight.wgsl. */
function stepsIn({ origin, fold, cols, quads, imageQuads }: Image, vertical: Axis, horizontal: Axis) {
  const pitch = cols * quads;
  const isFolded = fold > 1;
  return {
    rows: vertical.count,
    cols: horizontal.count,
    quads,
    imageQuads,
    first: (vertical.start - origin[0]) * pitch + (isFolded ? 0 : (horizontal.start - origin[1]) * quads),
    rowStep: vertical.stride * pitch,
    colStep: (isFolded ? 1 : horizontal.stride) * quads,
    tapRowStep: vertical.dilation * pitch,
    tapColStep: horizontal.dilation * quads,
    tapRows: vertical.taps,
    tapCols: isFolded ? 1 : horizontal.taps,
  };
}

// --- sums over a sliding window

interface Slide {
  readonly source: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly out: Tensor;
}

/** Elements of the weight between neighbouring groups, between channels that are summed over, and between outputs. */
interface WeightStrides {
  readonly group: number;
  readonly channel: number;
  readonly column: number;
}

function slideForward(plan: ProductPlan, operands: Slide, geometry: Geometry): void {
  const { ci, co, kernel } = geometry;
  const taps = kernel[0] * kernel[1];
  const strides = { group: co * ci * taps, channel: taps, column: ci * taps };
  slideAlong([[forwardAxis(geometry, 0)], [forwardAxis(geometry, 1)]], plan, operands, geometry, strides);
}

function slideBackward(plan: ProductPlan, operands: Slide, geometry: Geometry): void {
  const { ci, co, kernel } = geometry;
  const taps = kernel[0] * kernel[1];
  const strides = { group: co * ci * taps, channel: ci * taps, column: taps };
  slideAlong([backwardAxes(geometry, 0), backwardAxes(geometry, 1)], plan, operands, geometry, strides);
}

function slideAlong(axes: Axes, plan: ProductPlan, operands: Slide, geometry: Geometry, strides: WeightStrides): void {
  const image = packImage(operands.source, geometry.groups, axes);
  for (const vertical of axes[0]) {
    for (const horizontal of axes[1]) slide(plan, operands, geometry, image, strides, vertical, horizontal);
  }
  image.packed.dispose();
}

function slide(
  plan: ProductPlan,
  { source, weight, bias, out }: Slide,
  { n, groups, kernel }: Geometry,
  image: Image,
  strides: WeightStrides,
  vertical: Axis,
  horizontal: Axis,
): void {
  const { device } = out;
  const steps = stepsIn(image, vertical, horizontal);
  const [m, height, width] = [out.shape[1]! / groups, out.shape[2]!, out.shape[3]!] as const;
  const columnQuads = ceilDiv(m, 4);
  const depth = steps.tapRows * steps.tapCols * image.quads * 4;
  const packed = empty([groups, depth, 4 * columnQuads], { device });
  dispatch(packWeightKernel, "pack", {
    bind: { weight, packed },
    params: {
      groups,
      tapRows: steps.tapRows,
      tapCols: steps.tapCols,
      quads: image.quads,
      columnQuads,
      channels: source.shape[1]! / groups,
      columns: m,
      fold: image.fold,
      ...strides,
      first: vertical.tap * kernel[1] + horizontal.tap,
      tapRow: vertical.tapStep * kernel[1],
      tapCol: horizontal.tapStep,
    },
    groups: ceilDiv(packed.size / 4, THREADS),
  });

  const positions = n * vertical.count * horizontal.count;
  const isWhole = vertical.step === 1 && horizontal.step === 1 && (height * width) % 4 === 0;
  dispatch(slideKernelOf[plan.kernel][isWhole ? "vec4" : "scalar"], "forward", {
    bind: { image: image.packed, weight: packed, bias: bias ?? source, out },
    params: {
      ...steps,
      m,
      n: positions,
      groups,
      columnQuads,
      outPlane: height * width,
      outFirst: vertical.first * width + horizontal.first,
      outRowStep: vertical.step * width,
      outColStep: horizontal.step,
      hasBias: Number(bias !== null),
    },
    constants: plan.constants,
    groups: countTiles(m, positions, plan.tile) * groups,
  });
  packed.dispose();
}

// --- a weight's gradient as a product

function productWeight(plan: ProductPlan, x: Tensor, y: Tensor, out: Tensor, geometry: Geometry): void {
  const { n, groups, co, outSize } = geometry;
  const { device } = x;
  const axes = [forwardAxis(geometry, 0), forwardAxis(geometry, 1)] as const;
  const image = packImage(x, groups, [[axes[0]], [axes[1]]]);
  const { first: _, tapRows, ...steps } = stepsIn(image, ...axes);
  const plane = outSize[0] * outSize[1];
  const planeQuads = ceilDiv(plane, 4);
  const lines = plane % 4 === 0 ? y : packLines(y, plane);
  const columns = tapRows * steps.tapCols * image.quads * 4;
  const tiles = countTiles(co, columns, plan.tile) * groups;
  const { splits, chunk } = planParts(plan.kernel, device.family, tiles, n * planeQuads);
  const parts = empty([splits, groups * co, columns], { device });
  dispatch(weightKernelOf[plan.kernel], "forward", {
    bind: { image: image.packed, y: lines, parts },
    params: { ...steps, m: co, n: columns, groups, images: n, splits, chunk, planeQuads },
    constants: plan.constants,
    groups: tiles * splits,
  });
  const position = 4 * image.quads;
  addParts(parts, out, {
    splits,
    line: columns,
    channel: 1,
    tapRow: steps.tapCols * position,
    tapCol: image.fold > 1 ? x.shape[1]! / groups : position,
  });
  for (const tensor of [image.packed, parts]) tensor.dispose();
  if (lines !== y) lines.dispose();
}

function packLines(x: Tensor, length: number): Tensor {
  const [lines, quads] = [x.size / length, ceilDiv(length, 4)];
  const y = empty([lines, 4 * quads], { device: x.device });
  dispatch(packLinesKernel, "forward", { bind: { x, y }, params: { lines, length, quads }, groups: lines });
  return y;
}

const addKernel = loadKernel(new URL("./add-parts.wgsl", import.meta.url), { reference: {} });

function addParts(
  parts: Tensor,
  weight: Tensor,
  layout: Readonly<Record<"splits" | "line" | "channel" | "tapRow" | "tapCol", number>>,
): void {
  const [, channels, kernelHeight, kernelWidth] = weight.shape as [number, number, number, number];
  dispatch(addKernel, "add", {
    bind: { parts, weight },
    params: {
      ...layout,
      size: weight.size,
      partSize: parts.size / layout.splits,
      channels,
      kernelHeight,
      kernelWidth,
    },
    groups: ceilDiv(weight.size, THREADS),
  });
}

// --- kernels

const SLIDE = new URL("./slide.wgsl", import.meta.url);
const WEIGHT = new URL("./weight.wgsl", import.meta.url);
const WRITE = {
  vec4: new URL("./write-vec4.wgsl", import.meta.url),
  scalar: new URL("./write-scalar.wgsl", import.meta.url),
};
const SOURCES = {
  lanes: {
    slide: { source: new URL("./slide-lanes.wgsl", import.meta.url), lib: [] },
    weight: { source: new URL("./weight-lanes.wgsl", import.meta.url), lib: [] },
  },
  tiles: {
    slide: {
      source: new URL("../matmul/tiles.wgsl", import.meta.url),
      lib: [new URL("./slide-tiles.wgsl", import.meta.url)],
    },
    weight: {
      source: new URL("../matmul/tiles.wgsl", import.meta.url),
      lib: [new URL("./weight-tiles.wgsl", import.meta.url)],
    },
  },
};

function slideKernels({ source, lib }: { source: URL; lib: readonly URL[] }) {
  const load = (write: URL) => loadKernel(source, { reference: {}, name: "conv-slide", lib: [SLIDE, write, ...lib] });
  return { vec4: load(WRITE.vec4), scalar: load(WRITE.scalar) };
}

function weightKernel({ source, lib }: { source: URL; lib: readonly URL[] }): Kernel {
  return loadKernel(source, { reference: {}, name: "conv-weight", lib: [WEIGHT, ...lib] });
}

const slideKernelOf = { lanes: slideKernels(SOURCES.lanes.slide), tiles: slideKernels(SOURCES.tiles.slide) };
const weightKernelOf = { lanes: weightKernel(SOURCES.lanes.weight), tiles: weightKernel(SOURCES.tiles.weight) };
