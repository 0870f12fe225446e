/**
 * What a device was asked to do while a step ran, to be done again without the code that asked for it.
 *
 * Invariant: the buffers that were allocated meanwhile belong to the recording until it is released, so that what its
 * bind groups name stays as it was. Within the step they were reused as ever, which is the plan of its memory.
 */
import { BufferPool, type GpuBuffer } from "./buffer-pool.ts";
import type { Storage } from "./device.ts";
import { CaptureError } from "./errors.ts";
import type { Params, Pointwise } from "./kernel.ts";
import type { Pipeline } from "./pipelines.ts";

/** A range of a buffer, in bytes. */
export interface Range {
  readonly buffer: GpuBuffer;
  readonly offset: number;
  readonly size: number;
}

export interface RecordedDispatch {
  readonly pipeline: Pipeline;
  readonly bindGroup: GPUBindGroup;
  readonly ranges: readonly Range[];
  /** Packed. */
  readonly params: Uint32Array<ArrayBuffer> | null;
  readonly groups: number;
}

/** What the caller asked for, which a dispatch no longer shows. */
export interface Request {
  /** By binding, in their order. */
  readonly storages: ReadonlyMap<string, Storage>;
  readonly params: Params | undefined;
  readonly pointwise: Pointwise | undefined;
}

export interface RecordedCopy {
  readonly from: Range;
  readonly to: Range;
}

export type Command = RecordedDispatch | RecordedCopy;

export class Recording {
  commands: Command[] = [];
  readonly requests = new Map<Command, Request>();
  /** Buffers that were allocated meanwhile. */
  readonly owned = new Set<GpuBuffer>();
  /** Those of them that no storage uses any more. */
  readonly pool = new BufferPool();
  /** Storages that were there before. */
  readonly outer = new Set<Storage>();
  /** Those of them that the step writes. */
  readonly written = new Set<Storage>();
  /** Every buffer that a command names. */
  readonly buffers = new Set<GpuBuffer>();
  /** To be called before each replay: they bring to the device what changes from step to step. */
  readonly preparations: (() => void)[] = [];
  mayHaveIndexError = false;
  /** What makes the step impossible to replay. */
  fault: CaptureError | null = null;

  own(buffer: GpuBuffer): void {
    buffer.owner = this;
    this.owned.add(buffer);
  }

  add(command: Command, request?: Request): void {
    this.commands.push(command);
    if (request) this.requests.set(command, request);
    this.pin(command);
  }

  /** Keeps what a command names from being destroyed. */
  pin(command: Command): void {
    for (const { buffer } of "pipeline" in command ? command.ranges : [command.from, command.to]) this.use(buffer);
  }

  use(buffer: GpuBuffer): void {
    if (this.buffers.has(buffer)) return;
    this.buffers.add(buffer);
    buffer.pins++;
  }

  /** Notes that a command binds a storage. */
  bind(storage: Storage, isWritten: boolean): void {
    if ((storage.memory as GpuBuffer).owner === this) return;
    this.outer.add(storage);
    if (isWritten) this.written.add(storage);
  }

  /** @throws CaptureError if a tensor that the step uses is gone or has other memory now */
  checkAlive(): void {
    for (const storage of this.outer) {
      if (!storage.alive) {
        throw new CaptureError(
          "capture: a tensor that the step uses was freed or replaced since; capture the step again after such a change",
        );
      }
    }
  }

  /**
   * Says where another recording of the same step, which may have been released, differs; what differs would be frozen
   * by a replay.
   *
   * @returns null if they do the same
   */
  differenceFrom(other: Recording): string | null {
    const twin = new Map<GpuBuffer, GpuBuffer>();
    const isSame = (a: Range, b: Range) => {
      if (a.offset !== b.offset || a.size !== b.size) return false;
      if (!this.owned.has(a.buffer) || !other.owned.has(b.buffer)) return a.buffer === b.buffer;
      if (!twin.has(a.buffer)) twin.set(a.buffer, b.buffer);
      return twin.get(a.buffer) === b.buffer;
    };
    for (const [i, a] of this.commands.entries()) {
      const b = other.commands[i];
      if (!b) return `it ran ${other.commands.length} commands, then ${this.commands.length}`;
      if (!("pipeline" in a) || !("pipeline" in b)) {
        if ("pipeline" in a || "pipeline" in b || !isSame(a.from, b.from) || !isSame(a.to, b.to)) {
          return `command ${i} copied other memory the second time`;
        }
        continue;
      }
      const { label, bindings, params } = a.pipeline;
      if (a.pipeline !== b.pipeline) {
        return a.pipeline.label === b.pipeline.label
          ? `${label} was compiled with other constants the second time`
          : `it ran ${b.pipeline.label}, the second time ${label}`;
      }
      if (a.groups !== b.groups) return `${label} ran ${b.groups} workgroups, the second time ${a.groups}`;
      const word = a.params?.findIndex((value, at) => value !== b.params![at]) ?? -1;
      if (word >= 0) {
        const field = params!.fields.findLast(({ wordOffset }) => wordOffset <= word);
        return `${label}: the param "${field!.name}" changed; what changes from step to step has to be a tensor`;
      }
      const range = bindings.findIndex((_, at) => !isSame(a.ranges[at]!, b.ranges[at]!)); // params are compared above
      if (range >= 0) return `${label}: "${bindings[range]!.name}" was another tensor the second time`;
    }
    return this.commands.length === other.commands.length
      ? null
      : `it ran ${other.commands.length} commands, then ${this.commands.length}`;
  }
}
