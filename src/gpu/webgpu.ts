/**
 * The `webgpu` device: encodes dispatches into one open compute pass, submits them in large pieces, pools buffers and
 * bind groups, reads back through staging buffers, and keeps the first error until somebody awaits.
 *
 * Invariant: commands run in the order of the calls. A host write to a buffer that the open encoder uses is preceded by
 * a submit, since the queue would otherwise write first.
 */
import { type Capabilities, capabilitiesOf, openDevice } from "./adapter.ts";
import { BufferPool, GpuBuffer, sizeClass } from "./buffer-pool.ts";
import type { Device, ElementType, Memory, MemoryUse, Storage } from "./device.ts";
import { CaptureError, DeviceError, DeviceLostError, GpuError, OutOfMemoryError, TilegradError } from "./errors.ts";
import { fused } from "./fusion.ts";
import { INDEX_ERROR_WORDS, indexError } from "./index-error.ts";
import type { Bindable, Dispatch, Family, Kernel, ReferenceArray } from "./kernel.ts";
import { type Pipeline, PipelineCache, packParams } from "./pipelines.ts";
import { platform } from "./platform.ts";
import { Profiler, type TimedDispatch } from "./profiler.ts";
import { type Range, type RecordedDispatch, Recording } from "./recording.ts";
import { type Tuning, UNTUNED } from "./tuning.ts";
import type { Access } from "./wgsl.ts";

export interface WebGpuOptions {
  /** Run this family of kernels instead of the one that suits the adapter. */
  family?: Family;
  /** Allocate at most this many bytes, live and pooled; the adapter's memory is not otherwise known. */
  memoryLimit?: number;
  /** Params in uniforms even where the device has immediates. */
  immediates?: boolean;
  /** At most this many workgroups per dispatch; lets small tests reach the code for large work. */
  maxGroups?: number;
  /**
   * Put a guard zone behind every buffer and bind it too, so that a kernel that writes past its output is seen by
   * `checkGuards`. For tests.
   */
  guards?: boolean;
}

// GPUBufferUsage.STORAGE | UNIFORM | COPY_SRC | COPY_DST; the constants themselves exist only where there is WebGPU.
const STORAGE_USAGE = 0x80 | 0x40 | 0x4 | 0x8;
const DISPATCHES_PER_SUBMIT = 256;
const LARGE_UPLOAD_BYTES = 2 ** 20;
const MAX_BIND_GROUPS = 8192;
const MAX_UNIFORMS = 2048;
const GUARD_BYTES = 64;
const NESTED = "a captured step is called inside of another; capture the outer one";

// As a float a NaN or larger than anything, so that a kernel that reads a guard zone shows it; another one for each buffer,
// so that one who writes there what was read behind other buffers, or adds it to what is there, is seen as well.
function guardWord({ id }: GpuBuffer): number {
  return (id % 2 === 0 ? 0x7fc0_0000 : 0x7e00_0000) | (id & 0xffff);
}

export class WebGpuDevice implements Device {
  readonly kind = "webgpu";
  readonly name = "webgpu";
  readonly wordBytes = 4;
  readonly maxStorageBytes: number;
  readonly capabilities: Capabilities;
  readonly limits: GPUSupportedLimits;
  /** Workgroups per dispatch at most. */
  maxGroups: number;
  family: Family;
  tuning: Tuning = UNTUNED;
  /** Dispatches and submits since the start, for benchmarks. */
  readonly counters = { dispatches: 0, submits: 0 };

  readonly #adapter: GPUAdapter; // referenced for as long as the device, or Dawn may free it
  readonly #gpu: GPUDevice;
  readonly #memoryLimit: number;
  readonly #guards: boolean;
  readonly #pool = new BufferPool();
  readonly #staging = new Map<number, GPUBuffer[]>();
  readonly #pipelines: PipelineCache;
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #uniforms = new Map<string, GpuBuffer>();
  readonly #indexErrors: GpuBuffer;
  #mayHaveIndexError = false;

  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #serial = 0;
  #encoded = 0;
  #currentPipeline: Pipeline | null = null;
  #currentBindGroup: GPUBindGroup | null = null;
  #labels = new Set<string>();

  #profiler: Profiler | null = null;
  #recording: Recording | null = null;
  #mayWrite = true; // host data, while a step is recorded
  readonly #recordings = new Set<Recording>();

  #storages = 0;
  #liveBytes = 0;
  #peakBytes = 0;

  #error: TilegradError | null = null;
  #errorWasThrown = false;
  #lost: DeviceLostError | null = null;
  #scopes: Promise<void>[] = [];
  readonly #retired: { buffer: GpuBuffer; bytes: number }[] = [];
  readonly #guarded = new Map<GpuBuffer, number>();

  private constructor(adapter: GPUAdapter, gpu: GPUDevice, capabilities: Capabilities, options: WebGpuOptions) {
    this.#adapter = adapter;
    this.#gpu = gpu;
    this.capabilities = capabilities;
    this.limits = gpu.limits;
    this.family = options.family ?? capabilities.family;
    if (this.family === "software" && capabilities.subgroupSize === 0) {
      throw new DeviceError("the software kernels need an adapter with subgroups of one fixed size");
    }
    this.#guards = options.guards ?? false;
    this.#memoryLimit = options.memoryLimit ?? Number.POSITIVE_INFINITY;
    this.maxGroups = Math.min(
      options.maxGroups ?? Number.POSITIVE_INFINITY,
      gpu.limits.maxComputeWorkgroupsPerDimension,
    );
    this.maxStorageBytes = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
    this.#pipelines = new PipelineCache(gpu, capabilities);
    const usage = STORAGE_USAGE;
    const record = INDEX_ERROR_WORDS * 4;
    this.#indexErrors = new GpuBuffer(gpu.createBuffer({ size: record, usage, label: "indexErrors" }), record);

    gpu.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // it is thrown, so it need not be printed too
      this.#keepError(event.error);
    });
    gpu.lost.then(({ reason, message }) => {
      this.#lost = new DeviceLostError(
        `the GPU device was lost (${reason}${message ? `: ${message.split("\n")[0]}` : ""}); last kernels: ${this.#recentKernels()}. ` +
          "Its tensors are gone: call tg.init() again and restore a saved model.",
      );
    });
    platform().onExit(() => {
      if (this.#error && !this.#errorWasThrown) console.error(`tilegrad: ${this.#error.message}`);
    });
  }

  /** @throws DeviceError if the adapter gives no device */
  static async open(adapter: GPUAdapter, options: WebGpuOptions = {}): Promise<WebGpuDevice> {
    const detected = await capabilitiesOf(adapter);
    const capabilities = options.immediates === false ? { ...detected, immediateBytes: 0 } : detected;
    const gpu = await openDevice(adapter).catch((cause: Error) => {
      throw new DeviceError(`the adapter "${capabilities.description}" gave no device: ${cause.message}`, { cause });
    });
    return new WebGpuDevice(adapter, gpu, capabilities, options);
  }

  get subgroupSize(): number {
    return this.capabilities.subgroupSize;
  }

  get adapterInfo(): GPUAdapterInfo {
    return this.#adapter.info;
  }

  // --- memory

  allocate(_type: ElementType, length: number, upload: boolean): Memory {
    const bytes = length * 4;
    if (bytes > this.maxStorageBytes) {
      throw new OutOfMemoryError(
        `a tensor of ${length} elements needs ${bytes} bytes, and this adapter binds at most ${this.maxStorageBytes}; use a smaller batch or split the tensor`,
      );
    }
    if (upload) this.#refuseWhileRecording("host data became a tensor inside of the step; make it outside");
    this.#reserve(bytes);
    // A host write must not go to a buffer that the open encoder uses; rather than a new large one, an idle one is awaited.
    if (upload && bytes >= LARGE_UPLOAD_BYTES) this.flush();
    const buffer = this.#guards ? this.#takeGuarded(bytes) : this.#takeBuffer(bytes, upload);
    this.#recording?.own(buffer);
    this.#storages++;
    this.#liveBytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    return buffer;
  }

  #takeBuffer(bytes: number, upload: boolean): GpuBuffer {
    const pooled = this.#recording?.pool.take(bytes) ?? this.#pool.take(bytes, upload ? this.#serial : undefined);
    if (pooled) return pooled;
    const size = sizeClass(bytes);
    return new GpuBuffer(this.#gpu.createBuffer({ size, usage: STORAGE_USAGE }), size);
  }

  free(memory: Memory, bytes: number): void {
    this.#storages--;
    this.#liveBytes -= bytes;
    if (this.#lost) return;
    this.#retire(memory as GpuBuffer, bytes);
  }

  #retire(buffer: GpuBuffer, bytes: number): void {
    if (buffer.owner) buffer.owner.pool.give(buffer);
    else if (this.#guards) this.#retired.push({ buffer, bytes });
    else this.#pool.give(buffer);
  }

  get memory(): MemoryUse {
    return {
      storages: this.#storages,
      liveBytes: this.#liveBytes,
      pooledBytes: this.#pooledBytes,
      peakBytes: this.#peakBytes,
    };
  }

  get #pooledBytes(): number {
    let bytes = this.#pool.pooledBytes;
    for (const { pool } of this.#recordings) bytes += pool.pooledBytes;
    return bytes;
  }

  resetPeak(): void {
    this.#peakBytes = this.#liveBytes;
  }

  // Makes room under the memory limit by giving the pooled buffers back, and refuses where that is not enough.
  #reserve(bytes: number): void {
    const pooled = this.#pooledBytes;
    if (this.#liveBytes + pooled + bytes <= this.#memoryLimit) return;
    this.#clearPool();
    if (this.#liveBytes + this.#pooledBytes + bytes <= this.#memoryLimit) return;
    throw new OutOfMemoryError(
      `${bytes} bytes were asked for with ${this.#liveBytes} live and ${pooled} pooled, and the limit is ${this.#memoryLimit}. ` +
        "Free tensors with scope(() => ...), or, in a loop that never awaits, let the collector run with `await tg.sync()`.",
    );
  }

  #clearPool(): void {
    this.flush();
    this.#pool.clear();
    this.#bindGroups.clear();
  }

  // --- host to device and back

  write(storage: Storage, data: ReferenceArray): void {
    this.#assertAlive();
    this.#refuseWhileRecording("host data was written inside of the step; write it outside");
    const buffer = storage.memory as GpuBuffer;
    if (buffer.lastUse === this.#serial) this.flush();
    const words = data instanceof Float64Array ? Float32Array.from(data) : data;
    if (data.length > 0)
      this.#gpu.queue.writeBuffer(buffer.buffer, storage.offset * 4, words as Float32Array<ArrayBuffer>);
    storage.markWritten();
  }

  async read(storage: Storage): Promise<ReferenceArray> {
    const bytes = await this.#readBack({
      buffer: storage.memory as GpuBuffer,
      offset: storage.offset * 4,
      size: storage.bytes,
    });
    return storage.type === "f32"
      ? new Float32Array(bytes)
      : storage.type === "i32"
        ? new Int32Array(bytes)
        : new Uint32Array(bytes);
  }

  copy(from: Storage, to: Storage): void {
    this.#assertAlive();
    const rangeOf = ({ memory, offset, bytes }: Storage): Range => ({
      buffer: memory as GpuBuffer,
      offset: offset * 4,
      size: bytes,
    });
    this.#recording?.bind(from, false);
    this.#recording?.bind(to, true);
    if (to.bytes > 0) this.#encodeCopy(rangeOf(from), rangeOf(to));
    to.markWritten();
  }

  #encodeCopy(from: Range, to: Range): void {
    const encoder = this.#openEncoder();
    this.#endPass();
    encoder.copyBufferToBuffer(from.buffer.buffer, from.offset, to.buffer.buffer, to.offset, to.size);
    for (const { buffer } of [from, to]) buffer.lastUse = this.#serial;
    this.#recording?.add({ from, to });
  }

  // Copies a range and, if a kernel may have recorded an index error, the record, into one staging buffer.
  async #readBack({ buffer, offset, size }: Range): Promise<ArrayBuffer> {
    this.#assertAlive();
    this.#refuseWhileRecording("a tensor was read back inside of the step; return it and read it outside");
    const record = this.#mayHaveIndexError ? INDEX_ERROR_WORDS * 4 : 0;
    this.#mayHaveIndexError = false;
    const staging = this.#takeStaging(size + record);
    const encoder = this.#openEncoder();
    this.#endPass();
    if (size > 0) encoder.copyBufferToBuffer(buffer.buffer, offset, staging, 0, size);
    if (record > 0) {
      encoder.copyBufferToBuffer(this.#indexErrors.buffer, 0, staging, size, record);
      encoder.clearBuffer(this.#indexErrors.buffer);
    }
    this.flush();
    try {
      await staging.mapAsync(GPUMapMode.READ, 0, Math.max(size + record, 4));
    } catch (cause) {
      await this.#throwError();
      throw new GpuError(`reading back failed: ${(cause as Error).message}`, { cause });
    }
    const bytes = staging.getMappedRange(0, Math.max(size + record, 4)).slice(0, size + record);
    staging.unmap();
    this.#staging.get(staging.size)!.push(staging);
    await this.#throwError();
    const found = record > 0 ? indexError(new Uint32Array(bytes, size)) : null;
    if (found) throw found;
    return record > 0 ? bytes.slice(0, size) : bytes;
  }

  #takeStaging(bytes: number): GPUBuffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, 256)));
    let free = this.#staging.get(size);
    if (!free) this.#staging.set(size, (free = []));
    return (
      free.pop() ??
      this.#gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, label: "staging" })
    );
  }

  async fence(): Promise<void> {
    this.flush();
    await this.#gpu.queue.onSubmittedWorkDone();
  }

  async sync(): Promise<void> {
    await this.fence(); // mapping a buffer that no command writes would not wait for the others
    await this.#readBack({ buffer: this.#indexErrors, offset: 0, size: 0 });
  }

  // --- dispatch

  run(kernel: Kernel, entry: string, call: Dispatch): void {
    this.#assertAlive();
    const scratch: GpuBuffer[] = [];
    const { dispatch, outputs } = this.#prepare(kernel, entry, call, scratch);
    this.#encode(dispatch);
    if (this.#recording) this.#remember(dispatch, call);
    for (const output of outputs) output.markWritten();
    for (const buffer of scratch) (buffer.owner?.pool ?? this.#pool).give(buffer);
    if (this.#encoded >= DISPATCHES_PER_SUBMIT) this.flush();
  }

  // The words of its params are valid until the next call.
  #prepare(kernel: Kernel, entry: string, { bind, params, constants, groups }: Dispatch, scratch: GpuBuffer[]) {
    const pipeline = this.#pipelines.get(kernel, entry, this.family, constants);
    const words = pipeline.params ? packParams(pipeline.label, pipeline.params, params) : null;
    const { bindGroup, ranges, outputs } = this.#bind(pipeline, bind, words, scratch);
    const dispatch = { pipeline, bindGroup, ranges, params: words, groups: Math.min(groups, this.maxGroups) };
    return { dispatch, outputs };
  }

  #remember(dispatch: RecordedDispatch, { bind, params, pointwise }: Dispatch): void {
    const storages = new Map<string, Storage>();
    for (const { name } of dispatch.pipeline.bindings) if (bind[name]) storages.set(name, bind[name].storage);
    this.#recording!.add(
      { ...dispatch, params: dispatch.params && dispatch.params.slice() },
      { storages, params, pointwise },
    );
  }

  #encode({ pipeline, bindGroup, params, groups }: RecordedDispatch): void {
    if (this.#profiler) this.#endPass();
    const pass = this.#openPass(this.#profiler?.next(pipeline.label, groups));
    if (this.#currentPipeline !== pipeline) {
      pass.setPipeline(pipeline.pipeline);
      this.#currentPipeline = pipeline;
      this.#labels.add(pipeline.label);
    }
    if (this.#currentBindGroup !== bindGroup) {
      pass.setBindGroup(0, bindGroup);
      this.#currentBindGroup = bindGroup;
    }
    if (params && pipeline.paramsBinding === null)
      pass.setImmediates(0, params.buffer, params.byteOffset, params.byteLength);
    pass.dispatchWorkgroups(groups);
    this.counters.dispatches++;
    this.#encoded++;
  }

  // The bind group of this call, from the cache where the same ranges were bound before.
  #bind(
    pipeline: Pipeline,
    bind: Readonly<Record<string, Bindable>>,
    params: Uint32Array<ArrayBuffer> | null,
    scratch: GpuBuffer[],
  ) {
    const outputs: Storage[] = [];
    const ranges: Range[] = [];
    for (const { name, access, elementBytes } of pipeline.bindings) {
      if (name === "indexErrors") {
        this.#mayHaveIndexError = true;
        if (this.#recording) this.#recording.mayHaveIndexError = true;
        ranges.push({ buffer: this.#indexErrors, offset: 0, size: this.#indexErrors.bytes });
        continue;
      }
      const storage = bind[name]?.storage;
      if (!storage) throw new TilegradError(`kernel ${pipeline.label}: "${name}" is not bound`);
      if (storage.device !== this)
        throw new DeviceError(
          `kernel ${pipeline.label}: "${name}" is on ${storage.device.name}, expected ${this.name}`,
        );
      if (access === "read_write") outputs.push(storage);
      this.#recording?.bind(storage, access === "read_write");
      const guard =
        this.#guarded.get(storage.memory as GpuBuffer) === storage.bytes && access !== "uniform" ? GUARD_BYTES : 0;
      ranges.push({
        buffer: storage.memory as GpuBuffer,
        offset: storage.offset * 4,
        size: Math.max(storage.bytes, elementBytes) + guard,
      });
    }
    this.#separateReadsFromWrites(pipeline, ranges, scratch);
    if (params && pipeline.paramsBinding !== null) ranges.push(this.#uniform(params));

    let key = `${pipeline.id}`;
    for (const { buffer, offset, size } of ranges) {
      key += `:${buffer.id},${offset},${size}`;
      buffer.lastUse = this.#serial;
    }
    let bindGroup = this.#bindGroups.get(key);
    if (!bindGroup) {
      if (this.#bindGroups.size >= MAX_BIND_GROUPS) this.#bindGroups.delete(this.#bindGroups.keys().next().value!);
      bindGroup = this.#gpu.createBindGroup({
        label: `${pipeline.label}(${pipeline.bindings.map(({ name }, i) => `${name}: ${ranges[i]!.size} bytes`).join(", ")})`,
        layout: pipeline.layout,
        entries: ranges.map(({ buffer, offset, size }, i) => ({
          binding: pipeline.bindings[i]?.binding ?? pipeline.paramsBinding!,
          resource: { buffer: buffer.buffer, offset, size },
        })),
      });
      this.#bindGroups.set(key, bindGroup);
    }
    return { bindGroup, ranges, outputs };
  }

  // WebGPU refuses one buffer bound for reading and for writing, even in ranges that do not meet: the read one is copied.
  #separateReadsFromWrites(pipeline: Pipeline, ranges: Range[], scratch: GpuBuffer[]): void {
    const isWritten = (access: Access) => access === "read_write";
    for (let i = 0; i < ranges.length; i++) {
      if (isWritten(pipeline.bindings[i]!.access)) continue;
      const { buffer, offset, size } = ranges[i]!;
      if (!ranges.some((other, j) => other.buffer === buffer && isWritten(pipeline.bindings[j]!.access))) continue;
      const copy = this.#takeBuffer(size, false);
      this.#recording?.own(copy);
      scratch.push(copy);
      this.#encodeCopy({ buffer, offset, size }, { buffer: copy, offset: 0, size });
      ranges[i] = { buffer: copy, offset: 0, size };
    }
  }

  // Uniforms are cached by content, so that a repeated call finds its bind group again.
  #uniform(words: Uint32Array<ArrayBuffer>): Range {
    const size = Math.ceil(words.byteLength / 16) * 16;
    const key = words.join();
    let buffer = this.#uniforms.get(key);
    if (!buffer) {
      if (this.#uniforms.size >= MAX_UNIFORMS) {
        this.flush();
        for (const { buffer, pins } of this.#uniforms.values()) if (pins === 0) buffer.destroy();
        this.#uniforms.clear();
        this.#bindGroups.clear();
      }
      const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
      buffer = new GpuBuffer(this.#gpu.createBuffer({ size, usage, label: "params" }), size);
      this.#gpu.queue.writeBuffer(buffer.buffer, 0, words);
      this.#uniforms.set(key, buffer);
    }
    return { buffer, offset: 0, size };
  }

  #openEncoder(): GPUCommandEncoder {
    if (!this.#encoder) {
      this.#gpu.pushErrorScope("validation");
      this.#encoder = this.#gpu.createCommandEncoder({ label: "tilegrad" });
    }
    return this.#encoder;
  }

  #openPass(timestampWrites?: GPUComputePassTimestampWrites): GPUComputePassEncoder {
    const timed = timestampWrites && { timestampWrites };
    return (this.#pass ??= this.#openEncoder().beginComputePass(timed));
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = null;
    this.#currentPipeline = null;
    this.#currentBindGroup = null;
  }

  /** Hands everything encoded so far to the GPU. */
  flush(): void {
    if (!this.#encoder) return;
    this.#endPass();
    this.#gpu.queue.submit([this.#encoder.finish()]);
    this.#encoder = null;
    this.#serial++;
    this.#encoded = 0;
    this.counters.submits++;
    const scope = this.#gpu.popErrorScope().then(
      (error) => {
        if (error) this.#keepError(error);
        this.#scopes.splice(this.#scopes.indexOf(scope), 1);
      },
      () => {}, // the device is lost, which is reported by itself
    );
    this.#scopes.push(scope);
    if (this.#labels.size > 64) this.#labels = new Set([...this.#labels].slice(-16));
  }

  // --- recording and replay

  /**
   * Runs `fn` and keeps what it had the device do.
   *
   * @throws CaptureError if it did something that cannot be done again: it wrote host data, or read a tensor back
   */
  record<R>(fn: () => R): { result: R; recording: Recording } {
    if (this.#recording)
      throw new CaptureError("capture: a captured step is called inside of another; capture the outer one");
    const recording = new Recording();
    this.#recordings.add(recording);
    this.#recording = recording;
    this.#mayWrite = false;
    let isWhole = false;
    try {
      const result = fn();
      if (recording.fault) throw recording.fault;
      isWhole = true;
      return { result, recording };
    } finally {
      this.#recording = null;
      this.#mayWrite = true;
      if (!isWhole) this.release(recording);
    }
  }

  /** Does again what was recorded. @throws CaptureError if a tensor that it uses is gone */
  replay(recording: Recording): void {
    this.#assertAlive();
    this.#refuseWhileRecording(NESTED);
    recording.checkAlive();
    for (const prepare of recording.preparations) prepare();
    for (const command of recording.commands) {
      if ("pipeline" in command) this.#encode(command);
      else this.#encodeCopy(command.from, command.to);
    }
    for (const buffer of recording.buffers) buffer.lastUse = this.#serial;
    for (const storage of recording.written) storage.markWritten();
    if (recording.mayHaveIndexError) this.#mayHaveIndexError = true;
    if (this.#encoded >= DISPATCHES_PER_SUBMIT) this.flush();
  }

  /** Has neighbours that work element by element run as one, from the next replay on. */
  fuse(recording: Recording): void {
    recording.commands = fused(recording, this.limits.maxStorageBuffersPerShaderStage, (kernel, call) => {
      const { dispatch } = this.#prepare(kernel, "run", call, []);
      const command = { ...dispatch, params: dispatch.params!.slice() };
      recording.pin(command);
      return command;
    });
  }

  /** Gives a recording's memory back, apart from what tensors still use. */
  release(recording: Recording): void {
    if (!this.#recordings.delete(recording)) return;
    for (const buffer of recording.buffers) buffer.pins--;
    for (const buffer of recording.owned) buffer.owner = null;
    for (const buffer of recording.pool.drain()) this.#retire(buffer, this.#guarded.get(buffer) ?? 0);
  }

  eachStep(write: () => void): void {
    this.#recording?.preparations.push(write);
    const before = this.#mayWrite;
    this.#mayWrite = true;
    try {
      write();
    } finally {
      this.#mayWrite = before;
    }
  }

  #refuseWhileRecording(what: string): void {
    if (!this.#recording || this.#mayWrite) return;
    this.#recording.fault ??= new CaptureError(`capture: ${what}`);
    throw this.#recording.fault;
  }

  /**
   * Times every dispatch of `fn` with the GPU's clock.
   *
   * @throws DeviceError if the adapter has no such clock
   */
  async profile(fn: () => unknown): Promise<TimedDispatch[]> {
    if (!this.#gpu.features.has("timestamp-query")) {
      throw new DeviceError(`profile: the adapter "${this.capabilities.description}" has no timestamp-query`);
    }
    const profiler = new Profiler(this.#gpu);
    this.#endPass();
    this.#profiler = profiler;
    try {
      await fn();
    } finally {
      this.#endPass();
      this.#profiler = null;
    }
    await this.fence();
    return profiler.read();
  }

  // --- errors

  #recentKernels(): string {
    return [...this.#labels].slice(-3).join(", ") || "none";
  }

  #keepError(error: GPUError): void {
    if (this.#error) return;
    const pooled = this.#pooledBytes;
    this.#error =
      error instanceof GPUOutOfMemoryError
        ? new OutOfMemoryError(
            `the GPU is out of memory with ${this.#liveBytes} bytes live and ${pooled} pooled: ${error.message}`,
          )
        : new GpuError(`${error.message.trim()} (last kernels: ${this.#recentKernels()})`);
  }

  /** Forgets a kept GPU error, after which the device may be used again. */
  clearError(): void {
    this.#error = null;
    this.#errorWasThrown = false;
  }

  #assertAlive(): void {
    if (this.#lost) throw this.#lost;
  }

  async #throwError(): Promise<void> {
    await Promise.all(this.#scopes);
    this.#assertAlive();
    if (!this.#error) return;
    this.#errorWasThrown = true;
    throw this.#error;
  }

  /** Ends the device. Everything pending and everything after rejects with DeviceLostError. */
  async destroy(): Promise<void> {
    this.#endPass();
    this.#encoder = null;
    this.#gpu.destroy();
    await this.#gpu.lost;
  }

  // --- guard zones, for tests

  #takeGuarded(bytes: number): GpuBuffer {
    const size = Math.max(bytes, 16) + GUARD_BYTES;
    const buffer = new GpuBuffer(this.#gpu.createBuffer({ size, usage: STORAGE_USAGE }), size);
    // The tensor's own words too: a kernel that counts on zeros there, or leaves some unwritten, shows it.
    this.#gpu.queue.writeBuffer(buffer.buffer, 0, new Uint32Array(size / 4).fill(guardWord(buffer)));
    this.#guarded.set(buffer, bytes);
    return buffer;
  }

  /** Throws if anything wrote behind a tensor since the device was opened or last checked; frees retired buffers. */
  async checkGuards(): Promise<void> {
    const guarded = [...this.#guarded];
    const staging = this.#gpu.createBuffer({
      size: Math.max(guarded.length, 1) * GUARD_BYTES,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const encoder = this.#openEncoder();
    this.#endPass();
    for (const [i, [buffer, start]] of guarded.entries()) {
      encoder.copyBufferToBuffer(buffer.buffer, start, staging, i * GUARD_BYTES, GUARD_BYTES);
    }
    this.flush();
    await staging.mapAsync(GPUMapMode.READ);
    const words = new Uint32Array(staging.getMappedRange());
    const wordsPerGuard = GUARD_BYTES / 4;
    const damaged = guarded.find(([buffer], i) => {
      const word = guardWord(buffer);
      return words.subarray(i * wordsPerGuard, (i + 1) * wordsPerGuard).some((found) => found !== word);
    });
    staging.destroy();
    for (const { buffer } of this.#retired) {
      this.#guarded.delete(buffer);
      buffer.buffer.destroy();
    }
    this.#retired.length = 0;
    this.#bindGroups.clear();
    if (damaged) {
      throw new GpuError(
        `a kernel wrote behind a tensor of ${damaged[1]} bytes; last kernels: ${this.#recentKernels()}`,
      );
    }
  }
}
