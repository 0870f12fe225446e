/** Sorting along an axis: all of it, its order alone, or its first k elements. */
import { record } from "../../autograd/record.ts";
import { checkOptions, ValueError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { type DType, elementType } from "../../tensor/dtype.ts";
import { normalizeAxis, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { zeros } from "../creation/creation.ts";
import { MATH, SORT_KEY } from "../lib/lib.ts";
import { reshape } from "../view/reshape.ts";
import { sortReference } from "./sort.reference.ts";

export interface SortOptions {
  /** Along which axis; the last one by default. */
  axis?: number;
  /** From the largest to the smallest; false by default. */
  descending?: boolean;
}

export interface TopkOptions {
  /** Along which axis; the last one by default. */
  axis?: number;
  /** The k largest, by default, or the k smallest. */
  largest?: boolean;
  /** false allows the k elements to come in any order; they come in order all the same. */
  sorted?: boolean;
}

export interface Sorted {
  /** x's dtype; f32 has a gradient. */
  values: Tensor;
  /** Where along the axis of x the values were. */
  indices: Tensor<"i32">;
}

/**
 * Sorts along an axis. Equal elements keep their order; NaN counts as larger than any number.
 *
 * @param x any shape with an axis, any dtype
 * @param options axis, descending
 * @returns values and indices, each of x's shape; the gradient of a value goes to the element that it was
 * @throws ShapeError if the axis is out of range
 * @throws OutOfMemoryError for more elements than two buffers of 8 bytes each can hold
 */
export function sort(x: Tensor, options: SortOptions = {}): Sorted {
  checkOptions("sort", options, ["axis", "descending"]);
  const { axis = -1, descending = false } = options;
  return sorted("sort", x, axis, undefined, descending);
}

/**
 * Finds the order that sorts along an axis. Equal elements keep their order; NaN counts as larger than any number.
 *
 * @param x any shape with an axis, any dtype
 * @param options axis, descending
 * @returns i32 of x's shape: where along the axis the first element of the order is, the second, ...
 * @throws ShapeError if the axis is out of range
 */
export function argsort(x: Tensor, options: SortOptions = {}): Tensor<"i32"> {
  checkOptions("argsort", options, ["axis", "descending"]);
  const { axis: along = -1, descending = false } = options;
  const axis = normalizeAxis("argsort", along, x.rank);
  return asLines(x, axis, (lines) => [orderOf(lines, x.shape[axis]!, descending)])[0] as Tensor<"i32">;
}

/**
 * Finds the k largest or smallest elements along an axis, in order. Of equal ones the first come first; NaN counts as larger
 * than any number.
 *
 * @param x any shape with an axis, any dtype
 * @param k how many, from 0 to the axis's size
 * @param options axis, largest, sorted
 * @returns values and indices, each of x's shape with k along the axis
 * @throws ShapeError if the axis is out of range
 * @throws ValueError if k is
 */
export function topk(x: Tensor, k: number, options: TopkOptions = {}): Sorted {
  checkOptions("topk", options, ["axis", "largest", "sorted"]);
  const { axis = -1, largest = true } = options;
  return sorted("topk", x, axis, k, largest);
}

function sorted(op: string, x: Tensor, along: number, count: number | undefined, descending: boolean): Sorted {
  const axis = normalizeAxis(op, along, x.rank);
  const n = x.shape[axis]!;
  const k = count ?? n;
  if (!Number.isInteger(k) || k < 0 || k > n) {
    throw new ValueError(`${op}: k is ${k}, expected a whole number from 0 to ${n}, the size of axis ${axis}`);
  }
  const [values, indices] = asLines(x, axis, (lines) => {
    const indices = orderOf(lines, k, descending);
    return [take(lines, indices), indices];
  });
  return { values: values!, indices: indices as Tensor<"i32"> };
}

// Gives `fn` x as [outer, n, inner], and its results [outer, k, inner] x's other axes.
function asLines(x: Tensor, axis: number, fn: (lines: Tensor) => Tensor[]): Tensor[] {
  const lines = reshape(x, [sizeOf(x.shape.slice(0, axis)), x.shape[axis]!, sizeOf(x.shape.slice(axis + 1))]);
  const results = fn(lines);
  const shaped = results.map((y) => reshape(y, x.shape.with(axis, y.shape[1]!)));
  for (const tensor of [lines, ...results]) tensor.dispose();
  return shaped;
}

const THREADS = 64;
const MAX_RANKED = 64; // up to which every element is compared with all others
const BLOCK = 8; // as in sort.wgsl
const STRETCH = 16;

/** For the entries that look at no runs. */
const NO_RUNS = { length: 0, run: 0, mergedLength: 0, mergedRun: 0, mergedRuns: 0 };

const KEYS = { f32: "keyOfF32", i32: "keyOfI32", u32: "keyOfU32" };
const kernels = { f32: declareKernel("f32"), i32: declareKernel("i32"), u32: declareKernel("u32") };

function declareKernel(type: keyof typeof KEYS): Kernel {
  return loadKernel(new URL("./sort.wgsl", import.meta.url), {
    lib: [MATH, SORT_KEY],
    append: `alias T = ${type};\nfn keyOf(x: T) -> u32 { return ${KEYS[type]}(x); }\n`,
    reference: sortReference,
  });
}

function kernelFor(dtype: DType): Kernel {
  return kernels[elementType(dtype)];
}

/** The places of the first k elements in order: [outer, n, inner] to [outer, k, inner]. */
function orderOf(x: Tensor, k: number, descending: boolean): Tensor<"i32"> {
  const [outer, n, inner] = x.shape as [number, number, number];
  const { device } = x;
  const kernel = kernelFor(x.dtype);
  const constants = { DESCENDING: Number(descending) };
  const places = empty([outer, k, inner], { dtype: "i32", device });
  const lines = outer * inner;
  const shape = { outer, n, inner, k };
  if (lines * k === 0) return places;
  // The reference is the whole order.
  if (n <= MAX_RANKED || device.kind === "cpu") {
    const params = { ...shape, ...NO_RUNS };
    dispatch(kernel, "ranks", { bind: { x, places }, params, constants, groups: ceilDiv(lines * n, THREADS) });
    return places;
  }

  let length = n;
  let run = BLOCK;
  let runs = ceilDiv(n, BLOCK);
  let pairs: Tensor | undefined;
  do {
    // The first round makes runs of BLOCK elements, each further one makes one run of two; none keeps more than k.
    const mergedRuns = pairs ? ceilDiv(runs, 2) : runs;
    const made = pairs ? 2 * run : BLOCK;
    const mergedRun = Math.min(made, k);
    const mergedLength = (mergedRuns - 1) * mergedRun + Math.min(length - (mergedRuns - 1) * made, mergedRun);
    const merged = empty([lines * mergedLength * 2], { dtype: "u32", device });
    const params = { ...shape, length, run, mergedLength, mergedRun, mergedRuns };
    const threads = lines * mergedRuns * (pairs ? ceilDiv(mergedRun, STRETCH) : 1);
    dispatch(kernel, pairs ? "merge" : "blocks", {
      bind: pairs ? { pairs, merged } : { x, merged },
      params,
      constants,
      groups: ceilDiv(threads, THREADS),
    });
    pairs?.dispose();
    pairs = merged;
    length = mergedLength;
    run = mergedRun;
    runs = mergedRuns;
  } while (runs > 1);
  const params = { ...shape, ...NO_RUNS };
  dispatch(kernel, "unpack", { bind: { pairs, places }, params, groups: ceilDiv(lines * k, THREADS) });
  pairs.dispose();
  return places;
}

/** x at places along the middle axis: [outer, n, inner] and [outer, k, inner] to [outer, k, inner]. */
function take(x: Tensor, indices: Tensor): Tensor {
  const y = empty(indices.shape, x);
  moveAlong("take", x.shape, kernelFor(x.dtype), { x, indices, y }, indices);
  return record(y, {
    op: "sort",
    inputs: [x],
    saved: { indices, shape: x.shape },
    backward: (dy, { indices, shape }) => [put(dy, indices, shape)],
    composed: true,
  });
}

/** dy put where `take` found it, among zeros. */
function put(dy: Tensor, indices: Tensor, shape: readonly number[]): Tensor {
  const dx = sizeOf(shape) === dy.size ? empty(shape, dy) : zeros(shape, { device: dy.device });
  moveAlong("put", shape, kernels.f32, { indices, dy, dx }, indices);
  return record(dx, {
    op: "sort",
    inputs: [dy],
    saved: { indices },
    backward: (ddx, { indices }) => [take(ddx, indices)],
    composed: true,
  });
}

function moveAlong(
  entry: "take" | "put",
  [outer, n, inner]: readonly number[],
  kernel: Kernel,
  bind: Record<string, Tensor>,
  indices: Tensor,
): void {
  const params = { outer: outer!, n: n!, inner: inner!, k: indices.shape[1]!, ...NO_RUNS };
  dispatch(kernel, entry, { bind, params, groups: ceilDiv(indices.size, THREADS) });
}
