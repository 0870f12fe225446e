/**
 * The `cpu` device: runs the reference of each kernel entry over typed arrays, in float32 or in float64. It needs no
 * driver, and it is the definition that every kernel is tested against.
 */
import type { Device, ElementType, Memory, MemoryUse, Storage } from "./device.ts";
import { TilegradError } from "./errors.ts";
import { INDEX_ERROR_WORDS, indexError } from "./index-error.ts";
import type { Dispatch, Kernel, ReferenceArray } from "./kernel.ts";
import { UNTUNED } from "./tuning.ts";
import type { WgslEntry } from "./wgsl.ts";

class CpuMemory implements Memory {
  readonly array: ReferenceArray;

  constructor(array: ReferenceArray) {
    this.array = array;
  }

  get bytes(): number {
    return this.array.byteLength;
  }
}

export class CpuDevice implements Device {
  readonly kind = "cpu";
  readonly family = "gpu";
  readonly subgroupSize = 0;
  readonly tuning = UNTUNED;
  readonly name: string;
  readonly wordBytes: number;
  readonly maxStorageBytes = 2 ** 32;
  readonly memory: MemoryUse = { storages: 0, liveBytes: 0, pooledBytes: 0, peakBytes: 0 };
  #float: Float32ArrayConstructor | Float64ArrayConstructor;
  #indexErrors = new Uint32Array(INDEX_ERROR_WORDS);

  constructor(precision: "f32" | "f64") {
    this.name = precision === "f32" ? "cpu" : "cpu:f64";
    this.wordBytes = precision === "f32" ? 4 : 8;
    this.#float = precision === "f32" ? Float32Array : Float64Array;
  }

  allocate(type: ElementType, length: number): Memory {
    this.memory.storages++;
    this.memory.liveBytes += length * this.wordBytes;
    this.memory.peakBytes = Math.max(this.memory.peakBytes, this.memory.liveBytes);
    return new CpuMemory(
      type === "f32" ? new this.#float(length) : new { i32: Int32Array, u32: Uint32Array }[type](length),
    );
  }

  free(_memory: Memory, bytes: number): void {
    this.memory.storages--;
    this.memory.liveBytes -= bytes;
  }

  resetPeak(): void {
    this.memory.peakBytes = this.memory.liveBytes;
  }

  write(storage: Storage, data: ReferenceArray): void {
    this.#view(storage).set(data);
    storage.markWritten();
  }

  async read(storage: Storage): Promise<ReferenceArray> {
    const copy = this.#view(storage).slice();
    this.#throwIndexError();
    return copy;
  }

  copy(from: Storage, to: Storage): void {
    this.write(to, this.#view(from));
  }

  eachStep(write: () => void): void {
    write();
  }

  run(kernel: Kernel, entryName: string, { bind, params, constants }: Dispatch): void {
    const reference = kernel.reference[entryName];
    if (!reference)
      throw new TilegradError(
        `kernel ${kernel.name} has no reference for "${entryName}"; it cannot run on the cpu device`,
      );
    const entry = kernel.entry(entryName, this.family);
    const arrays: Record<string, ReferenceArray> = {};
    for (const { name } of entry.bindings) {
      if (name === "indexErrors") arrays[name] = this.#indexErrors;
      else if (bind[name]) arrays[name] = this.#view(bind[name].storage);
      else throw new TilegradError(`kernel ${kernel.name}.${entryName}: "${name}" is not bound`);
    }
    separateReadsFromWrites(entry, arrays);
    reference(arrays, { ...constants, ...params });
    for (const { name, access } of entry.bindings) if (access === "read_write") bind[name]?.storage.markWritten();
  }

  async fence(): Promise<void> {}

  async sync(): Promise<void> {
    this.#throwIndexError();
  }

  #view(storage: Storage): ReferenceArray {
    const { array } = storage.memory as CpuMemory;
    return storage.length === array.length ? array : array.subarray(storage.offset, storage.offset + storage.length);
  }

  #throwIndexError(): void {
    const error = indexError(this.#indexErrors);
    this.#indexErrors.fill(0);
    if (error) throw error;
  }
}

// As on the GPU, an entry that reads and writes one memory through two bindings reads what was there before.
function separateReadsFromWrites(entry: WgslEntry, arrays: Record<string, ReferenceArray>): void {
  const written = new Set(entry.bindings.filter((b) => b.access === "read_write").map((b) => arrays[b.name]!.buffer));
  for (const { name, access } of entry.bindings) {
    if (access !== "read_write" && written.has(arrays[name]!.buffer)) arrays[name] = arrays[name]!.slice();
  }
}
