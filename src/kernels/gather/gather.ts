import { expectSameDevice, record } from "../../autograd/record.ts";
import { ShapeError } from "../../gpu/errors.ts";
import { indexSite } from "../../gpu/index-error.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { elementType, expectDType } from "../../tensor/dtype.ts";
import {
  expectRank,
  formatShape,
  normalizeAxis,
  type Shape,
  shapesEqual,
  sizeOf,
  stridesOf,
} from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { fillStorage } from "../assign/fill.ts";
import { add } from "../elementwise/binary-ops.ts";
import { addSlicesInto, expectIndex } from "../index-select/slices.ts";
import { INDEX_ERROR } from "../lib/lib.ts";
import { stridedCopy } from "../strided-copy/strided-copy.ts";
import { placeView, takeView } from "../view/strided-view.ts";
import { reference } from "./gather.reference.ts";

const THREADS = 64;
// With fewer lines than this, adding along each is slower than grouping all elements by where they go.
const MIN_LINES = 32;

const kernels = { f32: declareKernel("f32"), i32: declareKernel("i32"), u32: declareKernel("u32") };

function declareKernel(type: string): Kernel {
  return loadKernel(new URL("./gather.wgsl", import.meta.url), {
    lib: [INDEX_ERROR],
    append: `alias T = ${type};\n`,
    reference,
  });
}

/**
 * Takes elements along an axis by an index: y[i, j] = x[index[i, j], j] for axis 0, x[i, index[i, j]] for axis 1.
 *
 * @param index i32 or u32, with x's number of axes and no axis longer than x's, but for `axis`; negative numbers are errors
 * @returns index's shape
 * @throws DTypeError, ShapeError, DeviceError for an index that does not fit
 * @throws ValueError at the next await, if an index is out of range
 */
export function gather(x: Tensor, axis: number, index: Tensor): Tensor {
  const along = expectIndexed("gather", x, axis, index);
  return takeElements(firstPart("gather", x, along.shape), index, along);
}

/**
 * Adds elements along an axis where an index says: a copy of x with y[index[i, j], j] += src[i, j] for axis 0. The order
 * of the additions is fixed, whatever the index repeats.
 *
 * @param index i32 or u32, with x's number of axes; no axis is longer than src's, nor than x's but for `axis`
 * @param src of x's dtype; only the part as large as the index is added
 * @returns x's shape
 * @throws DTypeError, ShapeError, DeviceError for arguments that do not fit
 * @throws ValueError at the next await, if an index is out of range
 */
export function scatterAdd(x: Tensor, axis: number, index: Tensor, src: Tensor): Tensor {
  const op = "scatterAdd";
  const along = expectIndexed(op, x, axis, index);
  expectDType(op, "x", x.dtype, ["f32", "i32", "u32"]);
  expectDType(op, "src", src.dtype, [x.dtype]);
  expectSameDevice(op, [x, src]);
  if (src.rank !== index.rank || index.shape.some((n, i) => n > src.shape[i]!)) {
    throw new ShapeError(
      `${op}: src has shape ${formatShape(src.shape)}, expected sizes of at least ${formatShape(index.shape)} as index has`,
    );
  }
  const { shape } = along;
  const added = firstPart(op, src, index.shape);
  if (!shapesEqual(shape, x.shape)) {
    const view = { shape, strides: stridesOf(x.shape), offset: 0 };
    return add(x, placeView(op, addElements(added, index, along), x.shape, view));
  }
  const y = stridedCopy(x, shape, stridesOf(shape));
  addElementsInto(y, added, index, along);
  return record(y, {
    op,
    inputs: [x, added],
    saved: { index },
    backward: (dy, { index }) => [dy, takeElements(dy, index, along)],
    composed: true,
  });
}

/** What an index means: elements along `axis` of a tensor of `shape`. */
interface Along {
  readonly op: string;
  readonly axis: number;
  readonly shape: Shape;
}

// x's part that the index can reach: no longer than the index but for the axis.
function expectIndexed(op: string, x: Tensor, axis: number, index: Tensor): Along {
  const along = normalizeAxis(op, axis, x.rank);
  expectIndex(op, "index", index, x);
  expectRank(op, "index", index.shape, x.rank);
  if (index.shape.some((n, i) => i !== along && n > x.shape[i]!)) {
    throw new ShapeError(
      `${op}: index has shape ${formatShape(index.shape)}, expected sizes of at most ${formatShape(x.shape)} but for axis ${along}`,
    );
  }
  return { op, axis: along, shape: index.shape.with(along, x.shape[along]!) };
}

function firstPart(op: string, x: Tensor, shape: Shape): Tensor {
  return takeView(op, x, { shape, strides: stridesOf(x.shape), offset: 0 });
}

function linesOf(index: Tensor, { op, axis, shape }: Along) {
  const n = shape[axis]!;
  const inner = sizeOf(shape.slice(axis + 1));
  return { n, m: index.shape[axis]!, inner, site: indexSite(op, "index", n) };
}

// The gradients of these two are each other.

function takeElements(x: Tensor, index: Tensor, along: Along): Tensor {
  const y = empty(index.shape, { dtype: x.dtype, device: x.device });
  const { size } = y;
  dispatch(kernels[elementType(x.dtype)], "forward", {
    bind: { index, x, y },
    params: { size, ...linesOf(index, along) },
    groups: ceilDiv(size, THREADS),
  });
  return record(y, {
    op: along.op,
    inputs: [x],
    saved: { index },
    backward: (dy, { index }) => [addElements(dy, index, along)],
    composed: true,
  });
}

function addElements(src: Tensor, index: Tensor, along: Along): Tensor {
  const y = empty(along.shape, { dtype: src.dtype, device: src.device });
  fillStorage(y, 0);
  addElementsInto(y, src, index, along);
  return record(y, {
    op: along.op,
    inputs: [src],
    saved: { index },
    backward: (dy, { index }) => [takeElements(dy, index, along)],
    composed: true,
  });
}

function addElementsInto(sum: Tensor, src: Tensor, index: Tensor, along: Along): void {
  if (src.size === 0) return;
  const kernel = kernels[elementType(sum.dtype)];
  const params = linesOf(index, along);
  const lines = src.size / params.m;
  if (lines >= MIN_LINES || params.m <= MIN_LINES) {
    dispatch(kernel, "addLines", {
      bind: { index, src, sum },
      params: { size: lines, ...params },
      groups: ceilDiv(lines, THREADS),
    });
    return;
  }
  const keys = empty([src.size], { dtype: "i32", device: sum.device });
  dispatch(kernel, "findKeys", {
    bind: { index, keys },
    params: { size: src.size, ...params },
    groups: ceilDiv(src.size, THREADS),
  });
  const everywhere = { op: along.op, argument: null, axis: sum.rank - 1, n: sum.size, skip: null };
  addSlicesInto(sum, src, keys, everywhere);
  keys.dispose();
}

/**
 * Marks each number's place among `classes`: y[..., c] is 1 for c = x[...] and else 0. It is i32; convert it with
 * `.to("f32")` to compute with it.
 *
 * @param x any shape, i32 or u32
 * @param classes how many there are; it cannot be found without reading x back
 * @returns [...x.shape, classes], i32
 * @throws DTypeError unless x is of integers
 * @throws ValueError at the next await, if a number is not below `classes`
 */
export function oneHot(x: Tensor, classes: number): Tensor<"i32"> {
  expectIndex("oneHot", "x", x, x);
  const hot = empty([...x.shape, classes], { dtype: "i32", device: x.device });
  const { size } = hot;
  dispatch(kernels.i32, "oneHot", {
    bind: { index: x, hot },
    params: { size, n: classes, m: 1, inner: 1, site: indexSite("oneHot", "x", classes) },
    groups: ceilDiv(size, THREADS),
  });
  return hot;
}
