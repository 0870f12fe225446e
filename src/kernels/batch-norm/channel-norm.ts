/**
 * What batch, group and instance normalization share: the statistics of sets of elements, and the op that normalizes
 * with them, scales and shifts by channel. The three differ in what a set is.
 */
import { expectSameDevice, record, requiresGrad } from "../../autograd/record.ts";
import { GradientError, ShapeError, ValueError } from "../../gpu/errors.ts";
import { ceilDiv, dispatch, type Family, loadKernel, type Params } from "../../gpu/kernel.ts";
import { expectDType } from "../../tensor/dtype.ts";
import { expectShape, formatShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { zeros } from "../creation/creation.ts";
import { add, mul, sub } from "../elementwise/binary-ops.ts";
import { rsqrt, square } from "../elementwise/unary-ops.ts";
import { COMBINE, MOMENTS } from "../lib/lib.ts";
import { loadPacked } from "../lib/packed.ts";
import { mean, sum } from "../reduce/sum.ts";
import { reshape } from "../view/reshape.ts";
import { narrow } from "../view/slice.ts";
import { channelsReference, columnsReference, rowsReference } from "./batch-norm.reference.ts";

const rowsKernel = loadPacked(new URL("./rows.wgsl", import.meta.url), {
  name: "channel-norm-rows",
  lib: [COMBINE, MOMENTS],
  reference: rowsReference,
});
const columnsKernel = loadPacked(new URL("./columns.wgsl", import.meta.url), {
  name: "channel-norm-columns",
  reference: columnsReference,
});
const channelsKernel = loadKernel(new URL("./channels.wgsl", import.meta.url), {
  name: "channel-norm-channels",
  lib: [MOMENTS],
  reference: channelsReference,
});

/**
 * A tensor as [runs, samples, groups, perSet, inner]. One mean and one variance are taken of each set [:, sample, group],
 * which is made of lines of `inner` elements. A channel is a place in [groups, perSet].
 */
export interface Sets {
  readonly runs: number;
  readonly samples: number;
  readonly groups: number;
  readonly perSet: number;
  readonly inner: number;
}

/** A set per channel of x [n, channels, ...]. */
export function setPerChannel([n, channels, ...rest]: Shape): Sets {
  return { runs: n!, samples: 1, groups: channels!, perSet: 1, inner: sizeOf(rest) };
}

/** A set per sample and group of neighbouring channels of x [n, channels, ...]. */
export function setPerGroup([n, channels, ...rest]: Shape, groups: number): Sets {
  return { runs: 1, samples: n!, groups, perSet: channels! / groups, inner: sizeOf(rest) };
}

/** The number of elements in a set. */
export function setSize({ runs, perSet, inner }: Sets): number {
  return runs * perSet * inner;
}

const THREADS = 64;
const MAX_GROUPS = { gpu: Number.POSITIVE_INFINITY, software: 512 }; // each costs half a microsecond there
// Sums are cut where that occupies the device, and where one would have too many terms.
const GROUPS_WANTED = { gpu: 1024, software: 64 };
const MIN_PART = 2048;
const MAX_PART = 2 ** 16;
// Where so many sums have so few terms, each is one thread's.
const MANY_SUMS = { gpu: 1, software: 512 };
const FEW_TERMS = { gpu: 32, software: 1024 };
const COLUMN_THREADS_WANTED = { gpu: 8192, software: 1024 };
const MIN_COLUMN_PART = 16;
const MAX_COLUMN_PART = 512;
// The elements, or fours of them, for which a thread loads statistics once; on GPUs, neighbours should read neighbours.
const CHUNK = { gpu: 1, software: 16 };
const MIN_UNALIGNED_RUN = 8; // a shorter one is in as many fours as it has elements, or nearly so

/** Everything the kernels want to know of sets. */
function paramsOf({ runs, samples, groups, perSet, inner }: Sets) {
  const params = { runs, sets: samples * groups, perSet, inner, channels: groups * perSet };
  return { ...params, length: perSet * inner, count: runs * perSet * inner, splits: 0, chunk: 0, eps: 0, momentum: 0 };
}

// Whether neighbours are of different channels: rows of a batch.
function isByColumns({ samples, perSet, inner }: Sets): boolean {
  return samples === 1 && perSet === 1 && inner === 1;
}

// How many elements of x are read at once, of runs of `length`.
function widthOf(x: Tensor, length: number): 1 | 4 {
  return x.size % 4 === 0 && (length % 4 === 0 || length >= MIN_UNALIGNED_RUN) ? 4 : 1;
}

type Bind = Readonly<Record<string, Tensor>> & { readonly x: Tensor };

/** Sums that are cut into parts. */
interface Parts {
  readonly parts: Tensor; // [splits, 3, lines] of moments, [splits, 2, lines] of sums
  readonly splits: number;
}

/** Sums up per set (`moments`), or per line of the sets (`sums`). */
function sumUp(entry: "moments" | "sums", sets: Sets, bind: Bind): Parts {
  return (isByColumns(sets) ? sumColumns : sumRows)(entry, sets, bind);
}

function sumRows(entry: "moments" | "sums", sets: Sets, bind: Bind): Parts {
  const { x } = bind;
  const { family, kind } = x.device;
  const params = paramsOf(sets);
  const [lines, length] = entry === "moments" ? [params.sets, params.length] : [params.sets * sets.perSet, sets.inner];
  const terms = sets.runs * length;
  const width = widthOf(x, length);
  const slots = sets.runs * (length % width === 0 ? length / width : Math.floor((length + 2 * width - 2) / width));

  const isShort = lines >= MANY_SUMS[family] && terms <= FEW_TERMS[family];
  const wanted = isShort || kind === "cpu" ? 1 : partsOfRows(family, terms, lines); // the reference is the whole sum
  const chunk = ceilDiv(slots, wanted);
  const splits = ceilDiv(slots, chunk);
  const parts = empty([splits, entry === "moments" ? 3 : 2, lines], x);
  const short = { moments: "shortMoments", sums: "shortSums" };
  dispatch(rowsKernel(width), isShort ? short[entry] : entry, {
    bind: { ...bind, parts },
    params: { ...params, splits, chunk },
    constants: isShort ? {} : { SUMS: Number(entry === "sums") },
    groups: isShort ? ceilDiv(lines, THREADS) : Math.min(lines * splits, MAX_GROUPS[family]),
  });
  return { parts, splits };
}

function partsOfRows(family: Family, terms: number, lines: number): number {
  const wanted = Math.min(ceilDiv(GROUPS_WANTED[family], lines), ceilDiv(terms, MIN_PART));
  return Math.max(wanted, ceilDiv(terms, MAX_PART));
}

function sumColumns(entry: "moments" | "sums", sets: Sets, bind: Bind): Parts {
  const { x } = bind;
  const { family, kind } = x.device;
  const { runs, groups: columns } = sets;
  const width = columns % 4 === 0 ? 4 : 1;
  const chunk = kind === "cpu" ? runs : ceilDiv(runs, partsOfColumns(family, runs, columns));
  const splits = ceilDiv(runs, chunk);
  const parts = empty([splits, entry === "moments" ? 3 : 2, columns], x);
  dispatch(columnsKernel(width), entry, {
    bind: { ...bind, parts },
    params: { ...paramsOf(sets), splits, chunk },
    groups: ceilDiv((splits * columns) / width, THREADS),
  });
  return { parts, splits };
}

function partsOfColumns(family: Family, rows: number, columns: number): number {
  const wanted = Math.min(ceilDiv(COLUMN_THREADS_WANTED[family], columns), ceilDiv(rows, MIN_COLUMN_PART));
  return Math.max(wanted, ceilDiv(rows, MAX_COLUMN_PART));
}

/** Goes over all elements, a thread per chunk of a line or of a column. */
function overElements(
  entry: "normalize" | "backwardInput",
  sets: Sets,
  bind: Bind,
  constants: Readonly<Record<string, number>>,
): void {
  const { x } = bind;
  const { runs, groups: columns, inner } = sets;
  const byColumns = isByColumns(sets);
  const width = byColumns ? (columns % 4 === 0 ? 4 : 1) : widthOf(x, inner);
  const length = byColumns ? runs : Math.floor(inner / width);
  const chunk = ceilDiv(length, ceilDiv(length, CHUNK[x.device.family]));
  const threads = byColumns ? (columns / width) * ceilDiv(runs, chunk) : ceilDiv(x.size / width, chunk);
  dispatch((byColumns ? columnsKernel : rowsKernel)(width), entry, {
    bind,
    params: { ...paramsOf(sets), chunk },
    constants,
    groups: ceilDiv(threads, THREADS),
  });
}

/** Runs an entry that has a thread per set or per channel. */
function overChannels(
  entry: "statsOfMoments" | "statsOfRunning" | "updateRunning" | "backwardStats" | "backwardAffine",
  sets: Sets,
  bind: Readonly<Record<string, Tensor>>,
  scalars: Params,
  constants: Readonly<Record<string, number>> = {},
): void {
  const params = { ...paramsOf(sets), ...scalars };
  const perChannel = entry === "updateRunning" || entry === "backwardAffine";
  const groups = ceilDiv(perChannel ? params.channels : params.sets, THREADS);
  dispatch(channelsKernel, entry, { bind, params, constants, groups });
}

/** Runs `use` with a count of batches: the given one, or one that is thrown away. */
function withBatches(batches: Tensor | null, stats: Tensor, use: (batches: Tensor) => void): void {
  const counted = batches ?? empty([], { dtype: "i32", device: stats.device });
  use(counted);
  if (!batches) counted.dispose();
}

/**
 * Computes the statistics of x's sets.
 *
 * @param eps added to the variance in the reciprocal of its root
 * @param batches i32 [], a number that this batch is added to
 * @returns [4, sets]: pivot, mean - pivot, 1 / sqrt(variance + eps), variance; unset where x has no elements
 */
export function statsOfSets(x: Tensor, sets: Sets, eps: number, batches: Tensor | null = null): Tensor {
  const stats = empty([4, sets.samples * sets.groups], { device: x.device });
  if (x.size === 0) return stats;
  const { parts, splits } = sumUp("moments", sets, { x });
  withBatches(batches, stats, (batches) =>
    overChannels("statsOfMoments", sets, { x, parts, stats, batches }, { splits, eps }),
  );
  parts.dispose();
  return stats;
}

/** Running statistics as `statsOfSets` has them, for a set per channel. */
export function statsOfRunning(runningMean: Tensor, runningVar: Tensor, sets: Sets, eps: number): Tensor {
  const stats = empty([4, sets.groups], { device: runningMean.device });
  overChannels("statsOfRunning", sets, { savedMean: runningMean, savedVar: runningVar, stats }, { eps });
  return stats;
}

/**
 * Moves running statistics towards those of a channel's sets, in place.
 *
 * @param momentum how far; null for 1 / batches, which makes them the average over all batches
 * @param batches i32 [], where momentum is null
 */
export function updateRunning(
  running: { runningMean: Tensor; runningVar: Tensor },
  stats: Tensor,
  sets: Sets,
  momentum: number | null,
  batches: Tensor | null = null,
): void {
  withBatches(batches, stats, (batches) =>
    overChannels(
      "updateRunning",
      sets,
      { saved: stats, ...running, batches },
      { momentum: momentum ?? 0 },
      { CUMULATIVE: Number(momentum === null) },
    ),
  );
}

interface Normalization {
  readonly op: string;
  readonly sets: Sets;
  /** What to normalize with, which `normalize` takes over. */
  readonly stats: Tensor; // [4, sets]
  /** The eps of x's own statistics, through which gradients flow; null for others. */
  readonly ownEps: number | null;
  readonly weight: Tensor | null; // [channels]
  readonly bias: Tensor | null; // [channels]
}

/** Computes (x - mean) * rstd * weight + bias. */
export function normalize(x: Tensor, { op, sets, stats, ownEps, weight, bias }: Normalization): Tensor {
  const y = empty(x.shape, x);
  if (x.size > 0) {
    const constants = { HAS_WEIGHT: Number(weight !== null), HAS_BIAS: Number(bias !== null) };
    // stats stand in for what is not read
    overElements("normalize", sets, { x, weight: weight ?? stats, bias: bias ?? stats, stats, y }, constants);
  }
  record(y, {
    op,
    inputs: [x, weight, bias].filter((input) => input !== null),
    saved: { x, weight, stats, hasBias: bias !== null, sets, ownEps },
    backward: normalizeBackward,
    composed: normalizeComposed,
  });
  stats.dispose();
  return y;
}

interface Saved {
  x: Tensor; // [runs, sets, perSet, inner]
  weight: Tensor | null; // [channels]
  stats: Tensor; // [4, sets]
  hasBias: boolean;
  sets: Sets;
  ownEps: number | null;
}

function normalizeBackward(dy: Tensor, saved: Saved, [needsInput, ...needsAffine]: readonly boolean[]) {
  const { x, weight, stats, hasBias, sets, ownEps } = saved;
  const wantsAffine = needsAffine.includes(true);
  const wantsSums = x.size > 0 && (wantsAffine || (needsInput === true && ownEps !== null));
  const sums = wantsSums ? sumUp("sums", sets, { x, dy, stats }) : null;
  const [dweight, dbias] = wantsAffine ? backwardAffine(saved, sums) : [null, null];
  return [
    needsInput ? backwardInput(dy, saved, sums) : null,
    ...(weight ? [dweight] : []),
    ...(hasBias ? [dbias] : []),
  ];
}

function backwardInput(dy: Tensor, { x, weight, stats, sets, ownEps }: Saved, sums: Parts | null): Tensor {
  const dx = empty(x.shape, x);
  if (x.size === 0) return dx;
  const ownStats = ownEps !== null;
  const HAS_WEIGHT = Number(weight !== null);
  const coefficients = ownStats ? empty([2, sets.samples * sets.groups], x) : stats; // stats stand in for what is not read
  if (ownStats) {
    const { parts, splits } = sums!;
    const bind = { parts, saved: stats, weight: weight ?? stats, coefficients };
    overChannels("backwardStats", sets, bind, { splits }, { HAS_WEIGHT });
  }
  const bind = { x, weight: weight ?? stats, dy, stats, coefficients, dx };
  overElements("backwardInput", sets, bind, { HAS_WEIGHT, BATCH: Number(ownStats) });
  return dx;
}

function backwardAffine({ x, stats, sets }: Saved, sums: Parts | null): [dweight: Tensor, dbias: Tensor] {
  const shape = [sets.groups * sets.perSet];
  if (!sums) return [zeros(shape, { device: x.device }), zeros(shape, { device: x.device })];
  const [dweight, dbias] = [empty(shape, x), empty(shape, x)];
  overChannels("backwardAffine", sets, { parts: sums.parts, saved: stats, dweight, dbias }, { splits: sums.splits });
  return [dweight, dbias];
}

// The same gradients as ops.
function normalizeComposed(dy: Tensor, { x, weight, stats, hasBias, sets, ownEps }: Saved) {
  const { runs, samples, groups, perSet, inner } = sets;
  const view = (t: Tensor) => reshape(t, [runs, samples, groups, perSet, inner]);
  const avg = (t: Tensor) => mean(t, [0, 3, 4], { keepDim: true });
  const stat = (row: number) => reshape(narrow(stats, 0, row, 1), [1, samples, groups, 1, 1]);

  const d = ownEps === null ? sub(sub(view(x), stat(0)), stat(1)) : sub(view(x), avg(view(x)));
  const rstd = ownEps === null ? stat(2) : rsqrt(add(avg(square(d)), ownEps));
  const n = mul(d, rstd);
  const g = weight ? mul(view(dy), reshape(weight, [groups, perSet, 1])) : view(dy);
  const dn = ownEps === null ? g : sub(sub(g, avg(g)), mul(n, avg(mul(g, n))));
  const perChannel = (t: Tensor) => reshape(sum(t, [0, 1, 4]), [groups * perSet]);
  return [
    reshape(mul(dn, rstd), x.shape),
    ...(weight ? [perChannel(mul(view(dy), n))] : []),
    ...(hasBias ? [perChannel(view(dy))] : []),
  ];
}

/**
 * Checks what all three take.
 *
 * @param perChannel weight, bias and running statistics by name, null where there is none
 * @throws ShapeError unless x is [n, channels, ...] and the others are [channels]
 * @throws DTypeError unless all are f32
 */
export function expectChannels(op: string, x: Tensor, perChannel: Readonly<Record<string, Tensor | null>>): void {
  if (x.rank < 2) {
    throw new ShapeError(`${op}: x has shape ${formatShape(x.shape)}, expected [n, channels, ...]`);
  }
  expectDType(op, "x", x.dtype, ["f32"]);
  for (const [name, tensor] of Object.entries(perChannel)) {
    if (!tensor) continue;
    expectShape(op, name, tensor.shape, [x.shape[1]!]);
    expectDType(op, name, tensor.dtype, ["f32"]);
    expectSameDevice(op, [x, tensor]);
  }
}

/**
 * The running statistics, or null where there are none.
 *
 * @throws ValueError for one without the other, GradientError for one that requires a gradient, which it would not get
 */
export function bothOrNone(
  op: string,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
): { runningMean: Tensor; runningVar: Tensor } | null {
  for (const [name, tensor] of Object.entries({ runningMean, runningVar })) {
    if (!tensor || !requiresGrad(tensor)) continue;
    throw new GradientError(`${op}: ${name} requires a gradient, expected a tensor that is changed in place`);
  }
  if (runningMean && runningVar) return { runningMean, runningVar };
  if (!runningMean && !runningVar) return null;
  const [given, missing] = runningMean ? ["runningMean", "runningVar"] : ["runningVar", "runningMean"];
  throw new ValueError(`${op}: ${missing} is null, expected a tensor beside ${given}`);
}
