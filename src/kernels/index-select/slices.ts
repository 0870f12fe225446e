/**
 * The two ops under `indexSelect`, `indexAdd` and `embedding`, each the other's gradient: `takeSlices` copies slices of a
 * tensor in the order of an index, `addSlices` adds slices up where an index says. Sums have a fixed order, whatever the
 * index repeats.
 */
import { expectSameDevice, record } from "../../autograd/record.ts";
import { indexSite } from "../../gpu/index-error.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { elementType, expectDType } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { fillStorage } from "../assign/fill.ts";
import { INDEX_ERROR } from "../lib/lib.ts";
import { loadWords } from "../lib/words.ts";
import { addReference, groupReference, selectReference } from "./index-select.reference.ts";

/** What an index means. */
export interface Along {
  /** Op and argument, for errors; no argument where the index has been checked. */
  readonly op: string;
  readonly argument: string | null;
  /** The axis whose slices the index numbers, and its size in the tensor that they are slices of. */
  readonly axis: number;
  readonly n: number;
  /** A slice that has no gradient. */
  readonly skip: number | null;
}

const THREADS = 64;
const CHUNK = 64;
const COLUMNS_PER_GROUP = 512;
const MAX_GROUPS = 1024;
const NONE = 0xffffffff;

function siteOf({ op, argument, n }: Along): number {
  return argument === null ? NONE : indexSite(op, argument, n);
}

const selectKernel = loadWords(new URL("./index-select.wgsl", import.meta.url), {
  lib: [INDEX_ERROR],
  reference: selectReference,
});

const groupKernel = loadKernel(new URL("./group-index.wgsl", import.meta.url), {
  lib: [INDEX_ERROR],
  reference: groupReference,
});

function addKernel(type: string, width: 1 | 4): Kernel {
  return loadKernel(new URL("./index-add.wgsl", import.meta.url), {
    append: `alias T = ${width === 4 ? `vec4<${type}>` : type};\nconst WIDTH = ${width}u;\n`,
    reference: addReference,
  });
}
const single = { f32: addKernel("f32", 1), i32: addKernel("i32", 1), u32: addKernel("u32", 1) };
const fours = { f32: addKernel("f32", 4), i32: addKernel("i32", 4), u32: addKernel("u32", 4) };

/** @throws DTypeError unless `index` is of integers, DeviceError unless it is on x's device */
export function expectIndex(op: string, argument: string, index: Tensor, x: Tensor): void {
  expectDType(op, argument, index.dtype, ["i32", "u32"]);
  expectSameDevice(op, [x, index]);
}

/**
 * The slices of `x` that `index` numbers.
 *
 * @param index [count], checked when the kernel runs
 * @param masked whether `skip` gives zeros
 * @returns x's shape with `count` along the axis
 */
export function takeSlices(x: Tensor, index: Tensor, along: Along, masked = false): Tensor {
  const { op, axis, n, skip } = along;
  const count = index.size;
  const y = empty(x.shape.with(axis, count), { dtype: x.dtype, device: x.device });
  const inner = sizeOf(x.shape.slice(axis + 1));
  const inFours = inner % 4 === 0;
  const size = y.size;
  dispatch(selectKernel(inFours), "forward", {
    bind: { x, index, y },
    params: { size, n, count, inner, skip: masked && skip !== null ? skip : NONE, site: siteOf(along) },
    groups: ceilDiv(inFours ? size / 4 : size, THREADS),
  });
  return record(y, {
    op,
    inputs: [x],
    saved: { index },
    backward: (dy, { index }) => [addSlices(dy, index, along)],
    composed: true,
  });
}

/**
 * Zeros, with each slice of `src` added where `index` says.
 *
 * @param src `count` slices along the axis
 * @param index [count]
 * @returns src's shape with n along the axis
 */
export function addSlices(src: Tensor, index: Tensor, along: Along): Tensor {
  const y = empty(src.shape.with(along.axis, along.n), { dtype: src.dtype, device: src.device });
  fillStorage(y, 0);
  addSlicesInto(y, src, index, along);
  return record(y, {
    op: along.op,
    inputs: [src],
    saved: { index },
    backward: (dy, { index }) => [takeSlices(dy, index, along, true)],
    composed: true,
  });
}

/** Adds each slice of `src` to the slice of `y` that `index` says, in place. Records no gradient. */
export function addSlicesInto(y: Tensor, src: Tensor, index: Tensor, along: Along): void {
  const { axis, n, skip } = along;
  const count = index.size;
  if (src.size === 0) return;
  const device = y.device;
  const words = (length: number) => empty([length], { dtype: "u32", device });
  const ranks = words(count);
  const counts = words(n);
  const starts = words(n);
  const order = words(2 * count);
  const chunks = count > CHUNK ? ceilDiv(2 * count, CHUNK) : 0;
  const owners = words(chunks);
  const used = words(1);
  const constants = { CHUNK };
  const group = (entry: string, groups: number) =>
    dispatch(groupKernel, entry, {
      bind: { index, ranks, counts, starts, order, owners, used },
      params: { n, count, skip: skip ?? NONE, site: siteOf(along), chunks },
      constants,
      groups,
    });
  const threads = ceilDiv(count, THREADS);
  group("reset", threads);
  group("rank", 1);
  group("allocate", threads);
  group("place", threads);

  const inner = sizeOf(y.shape.slice(axis + 1));
  const columns = src.size / count;
  const type = elementType(y.dtype);
  const kernel = (inner % 4 === 0 ? fours : single)[type];
  const blocks = ceilDiv(columns, COLUMNS_PER_GROUP);
  const partials = empty([chunks * columns], { dtype: y.dtype, device });
  const sum = (entry: string, slices: number) =>
    dispatch(kernel, entry, {
      bind: { index, ranks, counts, starts, order, owners, src, y, partials },
      params: { n, count, inner, columns, blocks, chunks },
      constants,
      groups: Math.min(slices * blocks, MAX_GROUPS),
    });
  sum("chunks", count);
  sum("totals", chunks);
  for (const tensor of [ranks, counts, starts, order, owners, used, partials]) tensor.dispose();
}
