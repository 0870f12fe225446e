/** The three maps of a convolution without gradients: packs the operands, has the kernels chosen, and dispatches them. */
import type { Precision } from "../../autograd/autocast.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { onRounded } from "../half/half.ts";
import { emptyQuads, perPrecision } from "../half/quads.ts";
import { countTiles } from "../matmul/plan.ts";
import { packLines } from "../matmul/product.ts";
import { slideReference, weightReference } from "./conv.reference.ts";
import { type Axis, backwardAxes, extentOf, forwardAxis, type Geometry } from "./geometry.ts";
import { type ConvPlan, foldOf, type Parts, type ProductPlan, planSlide, planWeight } from "./plan.ts";

const THREADS = 64;

/**
 * Computes y = conv(x, weight) + bias.
 *
 * @param x [n, groups * ci, ...size]
 * @param weight [groups * co, ci, ...kernel]
 * @param bias [groups * co]
 * @param precision what x and weight are rounded to
 * @returns [n, groups * co, ...outSize]
 */
export function forward(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  geometry: Geometry,
  precision: Precision,
): Tensor {
  const { n, groups, ci, co, outSize, kernel } = geometry;
  const taps = kernel[0] * kernel[1];
  const out = empty([n, groups * co, ...outSize], { device: x.device });
  const strides = { group: co * ci * taps, channel: taps, column: ci * taps };
  const axes = [[forwardAxis(geometry, 0)], [forwardAxis(geometry, 1)]] as const;
  const plan = planSlide(x.device, geometry, false);
  slide({ source: x, weight, bias, out, groups, strides, pitch: kernel[1], precision }, axes, plan);
  return out;
}

/**
 * Computes x's gradient from y's, or the transposed convolution of y: every element of y adds its multiple of the kernel to x.
 *
 * @param y [n, groups * co, ...outSize]
 * @param weight [groups * co, ci, ...kernel]
 * @param bias [groups * ci], for transposed convolutions
 * @param precision what y and weight are rounded to
 * @returns [n, groups * ci, ...size]
 */
export function backwardInput(
  y: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  geometry: Geometry,
  precision: Precision,
): Tensor {
  const { n, groups, ci, co, size, kernel } = geometry;
  const taps = kernel[0] * kernel[1];
  const out = empty([n, groups * ci, ...size], { device: y.device });
  const strides = { group: co * ci * taps, channel: ci * taps, column: taps };
  const axes = [backwardAxes(geometry, 0), backwardAxes(geometry, 1)] as const;
  const plan = planSlide(y.device, geometry, true);
  slide({ source: y, weight, bias, out, groups, strides, pitch: kernel[1], precision }, axes, plan);
  return out;
}

/**
 * Computes weight's gradient.
 *
 * @param x [n, groups * ci, ...size]
 * @param y its gradient, [n, groups * co, ...outSize]
 * @param precision what x and y are rounded to
 * @returns [groups * co, ci, ...kernel]
 */
export function backwardWeight(x: Tensor, y: Tensor, geometry: Geometry, precision: Precision): Tensor {
  const { groups, ci, co, kernel } = geometry;
  const out = empty([groups * co, ci, ...kernel], { device: x.device });
  const plan = planWeight(x.device, geometry);
  if (plan.kernel === "direct") rounded(precision, x, y, (x, y) => weightDirect(plan, x, y, out, geometry));
  else weightProduct(plan, x, y, out, geometry, precision);
  return out;
}

/** Runs `fn`, which packs nothing, on operands of the given precision. */
function rounded(precision: Precision, x: Tensor, y: Tensor, fn: (x: Tensor, y: Tensor) => void): void {
  if (precision === "f32") fn(x, y);
  else onRounded(x, y, fn);
}

// --- sums over a sliding window

interface Slide {
  readonly source: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly out: Tensor;
  readonly groups: number;
  /** Elements of the weight between neighbouring groups, between channels that are summed over, and between outputs. */
  readonly strides: { readonly group: number; readonly channel: number; readonly column: number };
  /** Elements of the weight between rows of taps. */
  readonly pitch: number;
  /** What the source and the weight are rounded to. */
  readonly precision: Precision;
}

/** What is computed along the vertical and the horizontal axis: one sum, or one for each remainder by the stride. */
type Axes = readonly [readonly Axis[], readonly Axis[]];

function slide(given: Slide, axes: Axes, plan: ConvPlan): void {
  if (given.out.size === 0) return;
  const pairs = axes[0].flatMap((vertical) => axes[1].map((horizontal) => [vertical, horizontal] as const));
  if (plan.kernel === "direct") {
    rounded(given.precision, given.source, given.weight, (source, weight) => {
      for (const pair of pairs) slideDirect({ ...given, source, weight }, ...pair);
    });
    return;
  }
  const image = packImage(given.source, given.groups, axes, given.precision);
  for (const pair of pairs) slideProduct(plan, given, image, ...pair);
  image.packed.dispose();
}

/** Where the positions and taps of two axes lie in the output and the weight. */
function placesOf({ out, pitch }: Slide, vertical: Axis, horizontal: Axis) {
  const [height, width] = out.shape.slice(2) as [number, number];
  return {
    taps: {
      firstTap: vertical.tap * pitch + horizontal.tap,
      tapRow: vertical.tapStep * pitch,
      tapCol: horizontal.tapStep,
    },
    outputs: {
      outPlane: height * width,
      outFirst: vertical.first * width + horizontal.first,
      outRowStep: vertical.step * width,
      outColStep: horizontal.step,
    },
  };
}

const slideDirectKernel = loadKernel(new URL("./slide-direct.wgsl", import.meta.url), { reference: slideReference });

function slideDirect(given: Slide, vertical: Axis, horizontal: Axis): void {
  const { source, weight, bias, out, groups, strides } = given;
  const [n, channels, height, width] = source.shape as [number, number, number, number];
  const { taps, outputs } = placesOf(given, vertical, horizontal);
  dispatch(slideDirectKernel, "forward", {
    bind: { source, weight, bias: bias ?? source, out },
    params: {
      ...strides,
      ...taps,
      ...outputs,
      n,
      groups,
      channels: channels / groups,
      columns: out.shape[1]! / groups,
      height,
      width,
      rows: vertical.count,
      cols: horizontal.count,
      tapRows: vertical.taps,
      tapCols: horizontal.taps,
      startY: vertical.start,
      startX: horizontal.start,
      strideY: vertical.stride,
      strideX: horizontal.stride,
      dilationY: vertical.dilation,
      dilationX: horizontal.dilation,
      hasBias: Number(bias !== null),
    },
    groups: ceilDiv(n * out.shape[1]! * ceilDiv(vertical.count * horizontal.count, 4), THREADS),
  });
}

const PACK_WEIGHT = new URL("./pack-weight.wgsl", import.meta.url);
const packWeightKernels = perPrecision((quads) => loadKernel(PACK_WEIGHT, { lib: [quads], reference: {} }));

function slideProduct(plan: ProductPlan, given: Slide, image: Image, vertical: Axis, horizontal: Axis): void {
  const { source, weight, bias, out, groups, strides, precision } = given;
  const { tapRows, tapCols, ...steps } = stepsIn(image, vertical, horizontal);
  const { taps, outputs } = placesOf(given, vertical, horizontal);
  const [n, channels] = source.shape as [number, number];
  const m = out.shape[1]! / groups;
  const columnQuads = ceilDiv(m, 4);
  const depth = tapRows * tapCols * image.quads * 4;
  const packed = emptyQuads([groups, depth, columnQuads], precision, out.device);
  dispatch(packWeightKernels[precision], "pack", {
    bind: { weight, packed },
    params: {
      ...strides,
      ...taps,
      groups,
      tapRows,
      tapCols,
      quads: image.quads,
      columnQuads,
      channels: channels / groups,
      columns: m,
      fold: image.fold,
    },
    groups: ceilDiv(groups * depth * columnQuads, THREADS),
  });

  const positions = n * vertical.count * horizontal.count;
  const isWhole = vertical.step === 1 && horizontal.step === 1 && outputs.outPlane % 4 === 0;
  dispatch(slideKernels[precision][plan.kernel][isWhole ? "vec4" : "scalar"], "forward", {
    bind: { image: image.packed, weight: packed, bias: bias ?? source, out },
    params: {
      ...steps,
      ...outputs,
      tapRows,
      tapCols,
      m,
      n: positions,
      groups,
      columnQuads,
      hasBias: Number(bias !== null),
    },
    constants: plan.constants,
    groups: countTiles(m, positions, plan.tile) * groups,
  });
  packed.dispose();
}

// --- a weight's gradient

const weightDirectKernel = loadKernel(new URL("./weight-direct.wgsl", import.meta.url), { reference: weightReference });

function weightDirect({ splits, chunk }: Parts, x: Tensor, y: Tensor, out: Tensor, geometry: Geometry): void {
  const { n, groups, ci, co, size, outSize, kernel, stride, pad, dilation } = geometry;
  const parts = splits === 1 ? out : empty([splits, out.size], { device: x.device });
  dispatch(weightDirectKernel, "forward", {
    bind: { source: x, y, parts },
    params: {
      n,
      groups,
      ci,
      co,
      height: size[0],
      width: size[1],
      rows: outSize[0],
      cols: outSize[1],
      kernelHeight: kernel[0],
      kernelWidth: kernel[1],
      strideY: stride[0],
      strideX: stride[1],
      padY: pad[0],
      padX: pad[1],
      dilationY: dilation[0],
      dilationX: dilation[1],
      splits,
      chunk,
    },
    groups: ceilDiv(parts.size, THREADS),
  });
  if (splits === 1) return;
  const taps = kernel[0] * kernel[1];
  addParts(parts, out, { splits, line: ci * taps, channel: taps, tapRow: kernel[1], tapCol: 1 });
  parts.dispose();
}

function weightProduct(
  plan: ProductPlan & Parts,
  x: Tensor,
  y: Tensor,
  out: Tensor,
  geometry: Geometry,
  precision: Precision,
): void {
  const { n, groups, ci, co, outSize } = geometry;
  const { device } = x;
  const axes = [forwardAxis(geometry, 0), forwardAxis(geometry, 1)] as const;
  const image = packImage(x, groups, [[axes[0]], [axes[1]]], precision);
  const { tapRows, ...steps } = stepsIn(image, ...axes);
  const plane = outSize[0] * outSize[1];
  const planeQuads = ceilDiv(plane, 4);
  const lines = plane % 4 === 0 && precision === "f32" ? y : packLines(y, plane, precision);
  const position = 4 * image.quads;
  const columns = tapRows * steps.tapCols * position;
  const tiles = countTiles(co, columns, plan.tile) * groups;
  const { splits, chunk } = plan;
  const parts = empty([splits, groups * co, columns], { device });
  dispatch(weightKernels[precision][plan.kernel], "forward", {
    bind: { image: image.packed, y: lines, parts },
    params: { ...steps, m: co, n: columns, groups, images: n, splits, chunk, planeQuads },
    constants: plan.constants,
    groups: tiles * splits,
  });
  addParts(parts, out, {
    splits,
    line: columns,
    channel: 1,
    tapRow: steps.tapCols * position,
    tapCol: image.fold > 1 ? ci : position,
  });
  for (const tensor of [image.packed, parts]) tensor.dispose();
  if (lines !== y) lines.dispose();
}

const addPartsKernel = loadKernel(new URL("./add-parts.wgsl", import.meta.url), { reference: {} });

function addParts(
  parts: Tensor,
  weight: Tensor,
  layout: Readonly<Record<"splits" | "line" | "channel" | "tapRow" | "tapCol", number>>,
): void {
  const [, channels, kernelHeight, kernelWidth] = weight.shape as [number, number, number, number];
  dispatch(addPartsKernel, "add", {
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

// --- packed images

/** A packed image; sizes in quads. */
interface Image {
  readonly packed: Tensor;
  /** The source's row and column that its first are. */
  readonly origin: readonly [row: number, col: number];
  readonly fold: number;
  readonly cols: number;
  /** Of a place, and of an image. */
  readonly quads: number;
  readonly imageQuads: number;
}

const PACK_IMAGE = new URL("./pack-image.wgsl", import.meta.url);
const packImageKernels = perPrecision((quads) => loadKernel(PACK_IMAGE, { lib: [quads], reference: {} }));

function packImage(source: Tensor, groups: number, [vertical, horizontal]: Axes, precision: Precision): Image {
  const [n, allChannels, height, width] = source.shape as [number, number, number, number];
  const channels = allChannels / groups;
  // Sums with different taps cannot share a folded image.
  const axis = horizontal[0]!;
  const fold = horizontal.length === 1 ? foldOf(channels, axis.taps) : 1;
  const [top, rows] = union(vertical);
  const [left, cols] = fold > 1 ? [axis.start, axis.count] : union(horizontal);
  const quads = ceilDiv(channels * fold, 4);
  const packed = emptyQuads([groups, n, rows, cols, quads], precision, source.device);
  dispatch(packImageKernels[precision], "pack", {
    bind: { x: source, image: packed },
    params: {
      n,
      groups,
      channels,
      height,
      width,
      rows,
      cols,
      quads,
      originY: top,
      originX: left,
      colStep: fold > 1 ? axis.stride : 1,
      fold,
      foldStep: axis.dilation,
    },
    groups: groups * n * rows,
  });
  return { packed, origin: [top, left], fold, cols, quads, imageQuads: rows * cols * quads };
}

/** What sums along an axis read together. */
function union(axes: readonly Axis[]): [start: number, length: number] {
  const extents = axes.map(extentOf).filter(({ length }) => length > 0);
  if (extents.length === 0) return [0, 0];
  const start = Math.min(...extents.map((extent) => extent.start));
  return [start, Math.max(...extents.map((extent) => extent.start + extent.length)) - start];
}

/** Where the windows of two axes lie in an image, in quads: params of slide.wgsl and weight.wgsl. */
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

// --- kernels of products

const SLIDE = new URL("./slide.wgsl", import.meta.url);
const WEIGHT = new URL("./weight.wgsl", import.meta.url);
const WRITE = {
  vec4: new URL("./write-vec4.wgsl", import.meta.url),
  scalar: new URL("./write-scalar.wgsl", import.meta.url),
};
const SOURCES = {
  lanes: {
    slide: [new URL("./slide-lanes.wgsl", import.meta.url)],
    weight: [new URL("./weight-lanes.wgsl", import.meta.url)],
  },
  tiles: {
    slide: [new URL("../matmul/tiles.wgsl", import.meta.url), new URL("./slide-tiles.wgsl", import.meta.url)],
    weight: [new URL("../matmul/tiles.wgsl", import.meta.url), new URL("./weight-tiles.wgsl", import.meta.url)],
  },
};

function slideKernel([source, ...operands]: readonly URL[], quads: URL): Readonly<Record<keyof typeof WRITE, Kernel>> {
  const load = (write: URL) =>
    loadKernel(source!, { reference: {}, name: "conv-slide", lib: [SLIDE, quads, ...operands, write] });
  return { vec4: load(WRITE.vec4), scalar: load(WRITE.scalar) };
}

function weightKernel([source, ...operands]: readonly URL[], quads: URL): Kernel {
  return loadKernel(source!, { reference: {}, name: "conv-weight", lib: [WEIGHT, quads, ...operands] });
}

const slideKernels = perPrecision((quads) => ({
  lanes: slideKernel(SOURCES.lanes.slide, quads),
  tiles: slideKernel(SOURCES.tiles.slide, quads),
}));
const weightKernels = perPrecision((quads) => ({
  lanes: weightKernel(SOURCES.lanes.weight, quads),
  tiles: weightKernel(SOURCES.tiles.weight, quads),
}));
