/** Times dispatches with the GPU's own clock: each runs in a pass of its own while a profile is taken. */

/** A dispatch, with the clock's readings in nanoseconds. */
export interface TimedDispatch {
  /** `kernel.entry`. */
  readonly label: string;
  readonly groups: number;
  readonly start: number;
  readonly end: number;
}

// WebGPU's limit for a query set.
const QUERIES_PER_SET = 4096;

interface QueryBatch {
  readonly set: GPUQuerySet;
  readonly dispatches: { label: string; groups: number }[];
}

export class Profiler {
  readonly #gpu: GPUDevice;
  readonly #batches: QueryBatch[] = [];

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** Where the pass of the next dispatch writes the clock at its beginning and its end. */
  next(label: string, groups: number): GPUComputePassTimestampWrites {
    let batch = this.#batches.at(-1);
    if (!batch || batch.dispatches.length * 2 >= QUERIES_PER_SET) {
      batch = { set: this.#gpu.createQuerySet({ type: "timestamp", count: QUERIES_PER_SET }), dispatches: [] };
      this.#batches.push(batch);
    }
    const first = batch.dispatches.length * 2;
    batch.dispatches.push({ label, groups });
    return { querySet: batch.set, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Reads all times, once everything that was asked to be timed is submitted. */
  async read(): Promise<TimedDispatch[]> {
    const timed: TimedDispatch[] = [];
    for (const { set, dispatches } of this.#batches) {
      const size = dispatches.length * 16;
      const resolved = this.#gpu.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
      const staging = this.#gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      const encoder = this.#gpu.createCommandEncoder();
      encoder.resolveQuerySet(set, 0, dispatches.length * 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
      this.#gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const times = new BigUint64Array(staging.getMappedRange());
      for (const [i, dispatch] of dispatches.entries()) {
        timed.push({ ...dispatch, start: Number(times[2 * i]!), end: Number(times[2 * i + 1]!) });
      }
      for (const resource of [staging, resolved, set]) resource.destroy();
    }
    return timed;
  }
}
