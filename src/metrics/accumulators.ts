/**
 * What metrics are made of: values on the device that batches are added to, without reading anything back. Each of them
 * is made at its first use, on the device of what comes, and a copy of its tensors is enough to go on from there.
 */
import { accumulateInto } from "../autograd/accumulate.ts";
import type { ReferenceArray } from "../gpu/kernel.ts";
import { copyFrom, zero } from "../kernels/assign/assign.ts";
import { concat } from "../kernels/concat/concat.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { add } from "../kernels/elementwise/binary-ops.ts";
import { clone } from "../kernels/view/clone.ts";
import { flatten } from "../kernels/view/reshape.ts";
import type { DType, TypedArrayOf } from "../tensor/dtype.ts";
import { keep, scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor, TensorOptions } from "../tensor/tensor.ts";

/** Values on the host with their shape, as a file gives them. */
export interface HostValue {
  readonly shape: Shape;
  readonly data: ReferenceArray;
}

export interface Accumulator {
  /** Forgets everything. */
  reset(): void;
  /** Copies, which are the caller's. */
  stateDict(): Map<string, Tensor>;
  /** @param device where to go on */
  loadStateDict(state: ReadonlyMap<string, HostValue>, device: TensorOptions["device"]): void;
}

/** Whole numbers that are added up exactly, up to 2^31 - 1 each. */
export class Counts implements Accumulator {
  #counts: Tensor | null = null;

  /** @param counts i32, of one shape each time */
  add(counts: Tensor): void {
    if (this.#counts) copyFrom(this.#counts, add(this.#counts, counts));
    else this.#counts = keep(clone(counts));
  }

  /** The sums so far, in rows; null where nothing was added. */
  async read(): Promise<TypedArrayOf<DType> | null> {
    return this.#counts ? this.#counts.data() : null;
  }

  reset(): void {
    this.#counts?.dispose();
    this.#counts = null;
  }

  stateDict(): Map<string, Tensor> {
    return new Map(this.#counts ? [["counts", clone(this.#counts)]] : []);
  }

  loadStateDict(state: ReadonlyMap<string, HostValue>, device: TensorOptions["device"]): void {
    this.reset();
    this.#counts = fromHost(state.get("counts"), device, "i32");
  }
}

/** Batches whose sum is carried over at once, so that a long sum keeps its precision. */
const CARRY_EVERY = 64;

/**
 * Sums of floats: those of the latest batches apart from those of all before, so that rounding grows with their
 * numbers, and not with the product.
 */
export class Sums implements Accumulator {
  #recent: Tensor | null = null;
  #carried: Tensor | null = null;
  #updates = 0;

  /** @param values f32 [n], one n each time */
  add(values: Tensor): void {
    const { device } = values;
    this.#recent ??= keep(zeros(values.shape, { device }));
    this.#carried ??= keep(zeros(values.shape, { device }));
    accumulateInto(this.#recent, values);
    if (++this.#updates % CARRY_EVERY !== 0) return;
    accumulateInto(this.#carried, this.#recent);
    zero(this.#recent);
  }

  /** The sums as they are at the time of the call, in double precision; null where nothing was added. */
  async read(): Promise<Float64Array | null> {
    const [recent, carried] = [this.#recent, this.#carried];
    if (!recent || !carried) return null;
    using both = scope(() => concat([flatten(carried), flatten(recent)]));
    const parts = await both.data();
    const n = parts.length / 2;
    return Float64Array.from({ length: n }, (_, i) => parts[i]! + parts[n + i]!);
  }

  reset(): void {
    this.#recent?.dispose();
    this.#carried?.dispose();
    this.#recent = null;
    this.#carried = null;
    this.#updates = 0;
  }

  stateDict(): Map<string, Tensor> {
    const [recent, carried] = [this.#recent, this.#carried];
    if (!recent || !carried) return new Map();
    const updates = tensor([this.#updates], { dtype: "i32", device: recent.device });
    return new Map([
      ["recent", clone(recent)],
      ["carried", clone(carried)],
      ["updates", updates as Tensor],
    ]);
  }

  loadStateDict(state: ReadonlyMap<string, HostValue>, device: TensorOptions["device"]): void {
    this.reset();
    this.#recent = fromHost(state.get("recent"), device, "f32");
    this.#carried = fromHost(state.get("carried"), device, "f32");
    this.#updates = state.get("updates")?.data[0] ?? 0;
  }
}

/** Rows that are all kept, for what no sum tells. Its memory grows with them. */
export class Rows implements Accumulator {
  #batches: Tensor[] = [];

  /** @param batch f32 [rows, columns], one number of columns each time */
  add(batch: Tensor): void {
    this.#batches.push(keep(clone(batch)));
  }

  /** All rows so far; null where there are none. */
  async read(): Promise<TypedArrayOf<DType> | null> {
    return this.#join()?.data() ?? null;
  }

  reset(): void {
    for (const batch of this.#batches) batch.dispose();
    this.#batches = [];
  }

  stateDict(): Map<string, Tensor> {
    const rows = this.#join();
    return new Map(rows ? [["rows", clone(rows)]] : []);
  }

  loadStateDict(state: ReadonlyMap<string, HostValue>, device: TensorOptions["device"]): void {
    this.reset();
    const rows = fromHost(state.get("rows"), device, "f32");
    if (rows) this.#batches = [rows];
  }

  // One tensor in the place of many.
  #join(): Tensor | undefined {
    if (this.#batches.length > 1) {
      const rows = keep(concat(this.#batches));
      this.reset();
      this.#batches = [rows];
    }
    return this.#batches[0];
  }
}

/** A tensor that the first batch settles. */
export class First implements Accumulator {
  #value: Tensor | null = null;

  /** The value; `make` is called where there is none yet. */
  get(make: () => Tensor): Tensor {
    this.#value ??= keep(clone(make()));
    return this.#value;
  }

  reset(): void {
    this.#value?.dispose();
    this.#value = null;
  }

  stateDict(): Map<string, Tensor> {
    return new Map(this.#value ? [["value", clone(this.#value)]] : []);
  }

  loadStateDict(state: ReadonlyMap<string, HostValue>, device: TensorOptions["device"]): void {
    this.reset();
    this.#value = fromHost(state.get("value"), device, "f32");
  }
}

function fromHost(value: HostValue | undefined, device: TensorOptions["device"], dtype: "f32" | "i32"): Tensor | null {
  if (!value) return null;
  return keep(tensor(value.data, { shape: value.shape, dtype, device }) as Tensor);
}
