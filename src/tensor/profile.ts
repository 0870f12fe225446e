/** `profile(fn)`: what a piece of work costs, kernel by kernel, on the GPU's own clock. */
import { DeviceError } from "../gpu/errors.ts";
import type { TimedDispatch } from "../gpu/profiler.ts";
import { WebGpuDevice } from "../gpu/webgpu.ts";
import { defaultDevice } from "./device.ts";

export interface KernelTime {
  /** `kernel.entry`. */
  readonly kernel: string;
  readonly calls: number;
  readonly milliseconds: number;
  /** Of the time of all kernels. */
  readonly share: number;
}

/** An event of Chrome's trace format. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: "X";
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur: number;
  readonly args: { readonly workgroups: number };
}

export interface Profile {
  /** The kernels, the costliest first. */
  readonly kernels: readonly KernelTime[];
  /** Of all kernels. */
  readonly milliseconds: number;
  /** From the first call to the last result, with the JavaScript and the waits; timing makes it longer. */
  readonly wallMilliseconds: number;
  /** Write it to a file as JSON, and open that in chrome://tracing or ui.perfetto.dev. */
  readonly trace: { readonly traceEvents: readonly TraceEvent[] };
  /** The kernels as a table of text. */
  toString(): string;
}

/**
 * Runs `fn` and times each kernel that it has the default device run. Run the work once before: the first time compiles.
 *
 * @param fn may be asynchronous; what it starts and does not await is timed too
 * @throws DeviceError on the cpu device, or if the adapter has no clock (timestamp-query)
 * @example
 * console.log(String(await tg.profile(() => step(x, labels))));
 */
export async function profile(fn: () => unknown): Promise<Profile> {
  const device = defaultDevice();
  if (!(device instanceof WebGpuDevice)) throw new DeviceError("profile: the cpu device runs no kernels; use webgpu");
  const start = performance.now();
  const dispatches = await device.profile(fn);
  const wallMilliseconds = performance.now() - start;
  const kernels = byKernel(dispatches);
  const milliseconds = kernels.reduce((total, kernel) => total + kernel.milliseconds, 0);
  return {
    kernels,
    milliseconds,
    wallMilliseconds,
    trace: { traceEvents: traceOf(dispatches) },
    toString: () => format(kernels, milliseconds, wallMilliseconds),
  };
}

function byKernel(dispatches: readonly TimedDispatch[]): KernelTime[] {
  const sums = new Map<string, { calls: number; milliseconds: number }>();
  for (const { label, start, end } of dispatches) {
    const sum = sums.get(label) ?? { calls: 0, milliseconds: 0 };
    sum.calls++;
    sum.milliseconds += Math.max(0, end - start) / 1e6;
    sums.set(label, sum);
  }
  const total = [...sums.values()].reduce((total, { milliseconds }) => total + milliseconds, 0);
  return [...sums]
    .map(([kernel, sum]) => ({ kernel, ...sum, share: total > 0 ? sum.milliseconds / total : 0 }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

function traceOf(dispatches: readonly TimedDispatch[]): TraceEvent[] {
  const origin = dispatches.reduce((first, { start }) => Math.min(first, start), Number.POSITIVE_INFINITY);
  return dispatches.map(({ label, groups, start, end }) => ({
    name: label,
    ph: "X",
    pid: 1,
    tid: 1,
    ts: (start - origin) / 1000,
    dur: Math.max(0, end - start) / 1000,
    args: { workgroups: groups },
  }));
}

function format(kernels: readonly KernelTime[], total: number, wall: number): string {
  const width = Math.max(6, ...kernels.map(({ kernel }) => kernel.length));
  const rows = kernels.map(
    ({ kernel, calls, milliseconds, share }) =>
      `${kernel.padEnd(width)}  ${`${calls}`.padStart(6)}  ${milliseconds.toFixed(3).padStart(10)}  ${(100 * share).toFixed(1).padStart(5)} %`,
  );
  return [
    `${"kernel".padEnd(width)}  ${"calls".padStart(6)}  ${"ms".padStart(10)}  share`,
    ...rows,
    `${total.toFixed(3)} ms in kernels, ${wall.toFixed(3)} ms in all`,
  ].join("\n");
}
