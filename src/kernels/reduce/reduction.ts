/**
 * The machinery under every reduction. A reduction is an entry: how its result combines out of elements, in WGSL, and the
 * plain loop that defines it. Tensors are seen as [outer, n, inner] and reduced over the middle axis.
 *
 * Invariant: the order in which elements combine depends on the shape and the device's family only, so that
 * results are the same in every run.
 */
import { ceilDiv, dispatch, type Kernel, loadKernel, type ReferenceEntry } from "../../gpu/kernel.ts";
import { type DType, elementType } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { COMBINE, MATH, POWER, SORT_KEY } from "../lib/lib.ts";

/** What a thread knows of its line before it looks at the elements: a WGSL type, and an expression of the line's number `at`. */
export interface Line {
  readonly type: string;
  readonly value: string;
}

export interface Reduction {
  readonly name: string;
  readonly x: DType;
  readonly y: DType;
  /** The WGSL type of what is combined; that of y's elements where it is left out. */
  readonly state?: "vec2f" | "vec2u";
  /** WGSL of the state that changes no other. */
  readonly initial: string;
  /** WGSL of an element `x` at place `c` of `line`; `x` where it is left out. */
  readonly map?: string;
  /** WGSL of two states `a` and `b`; commutative. */
  readonly combine: string;
  /** WGSL of a state `s` of line `at`; `s` where it is left out. */
  readonly finish?: string;
  readonly line?: Line;
  /** The definition: the result over x(0) to x(n - 1); `pivot` is the line's. */
  readonly reference: (x: (c: number) => number, n: number, scalars: { p: number; pivot: number }) => number;
}

/** A family of reductions, one per dtype of x, each made when it is first asked for. */
export function perDType(make: (dtype: DType) => Omit<Reduction, "x">): (dtype: DType) => Reduction {
  const made = new Map<DType, Reduction>();
  return (dtype) => {
    let reduction = made.get(dtype);
    if (!reduction) made.set(dtype, (reduction = { ...make(dtype), x: dtype }));
    return reduction;
  };
}

/** A definition that goes through the elements once: combine(...combine(combine(initial, x(0)), x(1))..., x(n - 1)). */
export function foldOf(initial: number, combine: (s: number, x: number) => number): Reduction["reference"] {
  return (x, n) => {
    let s = initial;
    for (let c = 0; c < n; c++) s = combine(s, x(c));
    return s;
  };
}

interface Inputs {
  /** f32 [outer, 1, inner], where the entry's `line` reads it. */
  pivot?: Tensor;
  /** The scalar that the entry's WGSL calls params.p. */
  p?: number;
}

const THREADS = 64;
// A shorter row is read by one thread: a workgroup, of 64 lanes or on a software adapter 8, would cost more than it saves.
const MIN_ROW = { gpu: 64, software: 128 };
const MAX_GROUPS = { gpu: Number.POSITIVE_INFINITY, software: 512 }; // each costs half a microsecond there
const ROW_PART = 4096;
const LINE_PART = 512; // reading so few one after the other costs no more than another dispatch
const MIN_LINE_PART = 32;
const THREADS_WANTED = 8192;

/**
 * Reduces x over its middle axis.
 *
 * @param x [outer, n, inner] of the reduction's dtype
 * @returns [outer, 1, inner]
 */
export function reduceMiddle(reduction: Reduction, x: Tensor, { pivot, p = 0 }: Inputs = {}): Tensor {
  const y = empty([x.shape[0]!, 1, x.shape[2]!], { dtype: reduction.y, device: x.device });
  const { kind, family } = x.device;
  const run = (from: Tensor, n: number, first: boolean): void => {
    const [outer, , inner] = y.shape as [number, number, number];
    const lines = outer * inner;
    const byRows = inner === 1 && n >= MIN_ROW[family];
    // The reference is the whole reduction; a GPU makes several dispatches of one that has few lines or long ones.
    const wanted = byRows ? ceilDiv(n, ROW_PART) : partsOfLines(n, lines);
    const chunk = kind === "cpu" ? n : ceilDiv(n, wanted);
    const splits = n === 0 ? 1 : ceilDiv(n, chunk);
    const to = splits === 1 ? y : statesOf(reduction, y, splits);
    dispatch(kernelOf(reduction, first, splits === 1), byRows ? "rows" : "lines", {
      bind: { x: from, y: to, ...(pivot && { pivot }) },
      params: { outer, n, inner, splits, chunk, p },
      groups: byRows ? Math.min(outer * splits, MAX_GROUPS[family]) : ceilDiv(lines * splits, THREADS),
    });
    if (splits > 1) {
      run(to, splits, false);
      to.dispose();
    }
  };
  run(x, x.shape[1]!, true);
  return y;
}

// Enough threads, but none with a handful of elements; and no sum over too many.
function partsOfLines(n: number, lines: number): number {
  if (n <= LINE_PART) return 1;
  return Math.max(Math.min(ceilDiv(n, MIN_LINE_PART), ceilDiv(THREADS_WANTED, lines)), ceilDiv(n, LINE_PART));
}

function statesOf({ state, y: dtype }: Reduction, y: Tensor, splits: number): Tensor {
  const words = state ? 2 : 1;
  const type = state === "vec2f" ? "f32" : state === "vec2u" ? "u32" : elementType(dtype);
  return empty([y.size * splits * words], { dtype: type, device: y.device });
}

const kernels = new Map<Reduction, Kernel[]>();
const kernelsByText = new Map<string, Kernel>();

// Of a reduction in several dispatches, the first reads elements, the others states; the last writes results.
function kernelOf(reduction: Reduction, first: boolean, last: boolean): Kernel {
  let variants = kernels.get(reduction);
  if (!variants) kernels.set(reduction, (variants = []));
  return (variants[2 * Number(first) + Number(last)] ??= declareKernel(reduction, first, last));
}

function declareKernel(reduction: Reduction, first: boolean, last: boolean): Kernel {
  const { name, initial, map = "x", combine, finish = "s", reference } = reduction;
  const line = (first && reduction.line) || { type: "u32", value: "at" };
  const result = elementType(reduction.y);
  const state = reduction.state ?? result;
  const append = `alias T = ${first ? elementType(reduction.x) : state};
alias S = ${state};
alias R = ${last ? result : state};
alias L = ${line.type};
fn initial() -> S { return ${initial}; }
fn lineOf(at: u32) -> L { return ${line.value}; }
fn mapped(x: T, line: L, c: u32) -> S { return ${first ? map : "x"}; }
fn combine(a: S, b: S) -> S { return ${combine}; }
fn finished(s: S, at: u32) -> R { return ${last ? finish : "s"}; }
`;
  // Different reductions are one where they combine states: a sum's parts and a mean's.
  let kernel = kernelsByText.get(append);
  if (kernel) return kernel;
  const entry: ReferenceEntry = ({ x, y, pivot }, { outer, n, inner, p }) => {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const at = o * inner + i;
        y[at] = reference((c) => x[(o * n + c) * inner + i], n, { p, pivot: pivot?.[at] });
      }
    }
  };
  kernel = loadKernel(new URL("./reduce.wgsl", import.meta.url), {
    name,
    lib: [MATH, POWER, SORT_KEY, COMBINE],
    append,
    reference: { rows: entry, lines: entry },
  });
  kernelsByText.set(append, kernel);
  return kernel;
}
