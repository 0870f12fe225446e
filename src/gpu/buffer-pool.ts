/**
 * GPU buffers by size class, kept for reuse when their storage is freed. A class is a power of two or one of three
 * steps between two powers, so at most a fifth of a buffer is unused.
 */
import type { Memory } from "./device.ts";

export class GpuBuffer implements Memory {
  static #next = 0;
  readonly id = GpuBuffer.#next++;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** The serial number of the last command encoder that used it. */
  lastUse = -1;

  constructor(buffer: GPUBuffer, bytes: number) {
    this.buffer = buffer;
    this.bytes = bytes;
  }
}

/** The smallest size class that holds `bytes`. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const power = 2 ** Math.floor(Math.log2(bytes));
  const step = power / 4;
  return Math.ceil(bytes / step) * step;
}

export class BufferPool {
  readonly #create: (bytes: number) => GPUBuffer;
  readonly #free = new Map<number, GpuBuffer[]>();
  pooledBytes = 0;

  constructor(create: (bytes: number) => GPUBuffer) {
    this.#create = create;
  }

  /** A buffer of at least `bytes`; not one that the encoder numbered `busy` has used, where that is given. */
  take(bytes: number, busy?: number): GpuBuffer {
    const size = sizeClass(bytes);
    const free = this.#free.get(size) ?? [];
    const index = busy === undefined ? free.length - 1 : free.findLastIndex((buffer) => buffer.lastUse !== busy);
    if (index < 0) return new GpuBuffer(this.#create(size), size);
    this.pooledBytes -= size;
    return free.splice(index, 1)[0]!;
  }

  give(buffer: GpuBuffer): void {
    const free = this.#free.get(buffer.bytes);
    if (free) free.push(buffer);
    else this.#free.set(buffer.bytes, [buffer]);
    this.pooledBytes += buffer.bytes;
  }

  /** Destroys every pooled buffer. The caller has submitted what used them. */
  clear(): void {
    for (const free of this.#free.values()) for (const { buffer } of free) buffer.destroy();
    this.#free.clear();
    this.pooledBytes = 0;
  }
}
