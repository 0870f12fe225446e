/**
 * Devices and the storage on them. A storage is a reference-counted range of device memory that knows bytes, not
 * shapes: every element takes four of them (bool is stored as u32; on a float64 device a word is eight).
 *
 * Invariant: memory returns to its device exactly when the last reference is released.
 */
import { DisposedError } from "./errors.ts";
import type { Dispatch, Family, Kernel, ReferenceArray } from "./kernel.ts";
import type { Tuning } from "./tuning.ts";

export type ElementType = "f32" | "i32" | "u32";

/** What a device allocates: a GPU buffer or a typed array. Only its device looks inside. */
export interface Memory {
  /** Elements there is room for; at least what was asked for. */
  readonly bytes: number;
}

export interface MemoryUse {
  /** Storages that are alive. */
  storages: number;
  /** Bytes of them. */
  liveBytes: number;
  /** Bytes kept for reuse. */
  pooledBytes: number;
  /** The largest `liveBytes` since the device was opened or `resetPeak`. */
  peakBytes: number;
}

export interface Device {
  /** `webgpu`, `cpu`, or `cpu:f64`. */
  readonly name: string;
  readonly kind: "webgpu" | "cpu";
  /** Which kernels suit it; the cpu device, which runs none, reads the interface of the `gpu` ones. */
  readonly family: Family;
  /** Lanes per subgroup; 0 where there are none, or their number varies. */
  readonly subgroupSize: number;
  /** Which kernels were measured best. */
  readonly tuning: Tuning;
  /** Bytes per element. */
  readonly wordBytes: number;
  /** The largest storage that can be allocated, in bytes. */
  readonly maxStorageBytes: number;
  /** @param upload whether the first thing to happen to it is a `write` */
  allocate(type: ElementType, length: number, upload: boolean): Memory;
  free(memory: Memory, bytes: number): void;
  /** Copies host data into a storage, after everything dispatched before; floats of either width fit either. */
  write(storage: Storage, data: ReferenceArray): void;
  /** A copy of the storage's elements, once everything dispatched before has run. Rejects with the first GPU error. */
  read(storage: Storage): Promise<ReferenceArray>;
  /** Copies one storage's elements into another of the same size, after everything dispatched before. */
  copy(from: Storage, to: Storage): void;
  /** Calls `write`, now and before each replay of the step that is being recorded, if one is: it may write host data. */
  eachStep(write: () => void): void;
  /** Executes a kernel entry. */
  run(kernel: Kernel, entry: string, call: Dispatch): void;
  /** Resolves when everything dispatched so far has run. */
  fence(): Promise<void>;
  /** As `fence`, and rejects with the first error that the device has met. */
  sync(): Promise<void>;
  readonly memory: MemoryUse;
  /** Starts `peakBytes` again from what is live now. */
  resetPeak(): void;
}

/** A reference-counted range of device memory. `version` counts the writes to it. */
export class Storage {
  readonly device: Device;
  readonly type: ElementType;
  /** Elements. */
  readonly length: number;
  /** Elements before this range in its memory. */
  readonly offset: number;
  readonly memory: Memory;
  readonly #parent: Storage | null;
  #references = 1;
  #version = 0;

  private constructor(
    device: Device,
    type: ElementType,
    length: number,
    memory: Memory,
    parent: Storage | null,
    offset: number,
  ) {
    this.device = device;
    this.type = type;
    this.length = length;
    this.offset = offset;
    this.#parent = parent;
    this.memory = memory;
  }

  /** Room for `length` elements, with whatever content was there. */
  static allocate(device: Device, type: ElementType, length: number): Storage {
    return new Storage(device, type, length, device.allocate(type, length, false), null, 0);
  }

  /** Room for `data`, filled with it. */
  static from(device: Device, type: ElementType, data: ReferenceArray): Storage {
    const storage = new Storage(device, type, data.length, device.allocate(type, data.length, true), null, 0);
    device.write(storage, data);
    return storage;
  }

  /** A range of this storage that shares its memory; the offset must keep the device's alignment (64 elements). */
  view(offset: number, length: number): Storage {
    this.retain();
    return new Storage(this.device, this.type, length, this.memory, this, this.offset + offset);
  }

  /** So that a storage can be bound without a tensor around it. */
  get storage(): Storage {
    return this;
  }

  get bytes(): number {
    return this.length * this.device.wordBytes;
  }

  /** The storage that this is a range of, or itself. */
  get root(): Storage {
    return this.#parent?.root ?? this;
  }

  get alive(): boolean {
    return this.#references > 0;
  }

  /** Whether nobody but the caller holds it: then it may be changed in place. */
  get unique(): boolean {
    return this.#references === 1 && this.#parent === null;
  }

  /** Counts the writes to this range. Who writes a whole that others hold parts of marks the parts. */
  get version(): number {
    return this.#version;
  }

  markWritten(): void {
    this.#version++;
  }

  retain(): this {
    if (this.#references === 0) throw new DisposedError("a storage was used after its memory was freed");
    this.#references++;
    return this;
  }

  release(): void {
    if (this.#references === 0) return;
    if (--this.#references > 0) return;
    if (this.#parent) this.#parent.release();
    else this.device.free(this.memory, this.bytes);
  }
}

/** Elements between the starts of packed ranges: 256 bytes, WebGPU's largest binding alignment. */
export const ALIGNMENT = 64;
