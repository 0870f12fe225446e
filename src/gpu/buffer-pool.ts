/**
 * GPU buffers by size class, kept for reuse when their storage is freed. A class is a power of two or one of three
 * steps between two powers, so at most a fifth of a buffer is unused.
 */
import type { Memory } from "./device.ts";
import type { Recording } from "./recording.ts";

export class GpuBuffer implements Memory {
  static #next = 0;
  readonly id = GpuBuffer.#next++;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** The serial number of the last command encoder that used it. */
  lastUse = -1;
  /** The recording that it belongs to, if one does. */
  owner: Recording | null = null;
  /** How many recordings name it. */
  pins = 0;

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
  readonly #free = new Map<number, GpuBuffer[]>();
  pooledBytes = 0;

  /**
   * Takes a buffer of at least `bytes` out, or returns null if there is none.
   *
   * @param busy the number of an encoder that must not have used it
   */
  take(bytes: number, busy?: number): GpuBuffer | null {
    const size = sizeClass(bytes);
    const free = this.#free.get(size) ?? [];
    const index = busy === undefined ? free.length - 1 : free.findLastIndex((buffer) => buffer.lastUse !== busy);
    if (index < 0) return null;
    this.pooledBytes -= size;
    return free.splice(index, 1)[0]!;
  }

  give(buffer: GpuBuffer): void {
    const free = this.#free.get(buffer.bytes);
    if (free) free.push(buffer);
    else this.#free.set(buffer.bytes, [buffer]);
    this.pooledBytes += buffer.bytes;
  }

  /** Takes all buffers out. */
  drain(): GpuBuffer[] {
    const all = [...this.#free.values()].flat();
    this.#free.clear();
    this.pooledBytes = 0;
    return all;
  }

  /** Destroys every pooled buffer. The caller has submitted what used them. */
  clear(): void {
    for (const { buffer } of this.drain()) buffer.destroy();
  }
}
