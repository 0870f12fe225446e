/**
 * Which devices there are, which one is the default, and what the engine does at the borders: `init`, `withDevice`,
 * `sync`, `memory`.
 */
import { type Capabilities, findAdapter } from "../gpu/adapter.ts";
import { CpuDevice } from "../gpu/cpu.ts";
import type { Device, MemoryUse } from "../gpu/device.ts";
import { checkOptions, DeviceError } from "../gpu/errors.ts";
import { platform } from "../gpu/platform.ts";
import { WebGpuDevice, type WebGpuOptions } from "../gpu/webgpu.ts";
import { collectBeforeAwait } from "./collector.ts";
import { expectSync } from "./expect-sync.ts";

/** `cpu:f64` computes in float64: its f32 tensors hold Float64Arrays. */
export type DeviceName = "webgpu" | "cpu" | "cpu:f64";

export interface InitOptions extends WebGpuOptions {
  /** `auto` takes a WebGPU adapter where there is one, else the cpu; the default. */
  device?: "auto" | DeviceName;
  /** Whether to use what `tilegrad tune` has measured on the adapter; true by default. */
  tuning?: boolean;
}

export interface InitResult {
  readonly device: DeviceName;
  /** The adapter and its capabilities, on `webgpu`. */
  readonly adapter: Capabilities | null;
  /** How many choices of kernels that were measured on the adapter are in use. */
  readonly tuned: number;
}

const cpu = new CpuDevice("f32");
const cpu64 = new CpuDevice("f64");
let webgpu: WebGpuDevice | null = null;
let current: Device | null = null;

/**
 * Chooses the default device and opens it. Never downloads anything: where there is no adapter it says so once and
 * takes the cpu.
 *
 * @throws DeviceError if `device: "webgpu"` was asked for and cannot be had
 */
export async function init(options: InitOptions = {}): Promise<InitResult> {
  checkOptions("init", options, ["device", "family", "memoryLimit", "immediates", "maxGroups", "guards", "tuning"]);
  const { device = "auto", tuning = true, ...webgpuOptions } = options;
  if (device !== "auto" && device !== "webgpu" && device !== "cpu" && device !== "cpu:f64") {
    throw new DeviceError(`init: device is "${device}", expected auto, webgpu, cpu or cpu:f64`);
  }
  if (device === "cpu" || device === "cpu:f64") {
    current = device === "cpu" ? cpu : cpu64;
    return { device, adapter: null, tuned: 0 };
  }
  const adapter = await findAdapter();
  if (!adapter) {
    const remedy = "install a Vulkan driver, or run `npx tilegrad setup` for a software one";
    if (device === "webgpu") throw new DeviceError(`init: no WebGPU adapter was found; ${remedy}`);
    console.error(`tilegrad: no WebGPU adapter was found, so everything runs on the cpu device, slowly; ${remedy}`);
    current = cpu;
    return { device: "cpu", adapter: null, tuned: 0 };
  }
  webgpu = await WebGpuDevice.open(adapter, webgpuOptions);
  if (tuning) webgpu.tuning = platform().readTuning(webgpu.capabilities);
  current = webgpu;
  return { device: "webgpu", adapter: webgpu.capabilities, tuned: webgpu.tuning.size };
}

/** @throws DeviceError if there is none of that name, or `init` has not been awaited */
export function deviceNamed(name: DeviceName): Device {
  if (name === "cpu") return cpu;
  if (name === "cpu:f64") return cpu64;
  if (name !== "webgpu") throw new DeviceError(`unknown device "${name}"; known: webgpu, cpu, cpu:f64`);
  if (!webgpu) throw new DeviceError("the webgpu device is not open; await tg.init() first");
  return webgpu;
}

/** Where new tensors are made. @throws DeviceError before `init` */
export function defaultDevice(): Device {
  if (!current) throw new DeviceError("no device is open; await tg.init() first");
  return current;
}

/**
 * Runs `fn` with another default device.
 *
 * @throws ValueError if `fn` is asynchronous: the default would change back at its first await
 */
export function withDevice<R>(device: DeviceName | Device, fn: () => R): R {
  const before = current;
  current = typeof device === "string" ? deviceNamed(device) : device;
  try {
    return expectSync("withDevice", fn());
  } finally {
    current = before;
  }
}

/** Resolves when everything dispatched so far has run; rejects with the first error the device has met. */
export function sync(): Promise<void> {
  const device = defaultDevice();
  collectBeforeAwait(device);
  return device.sync();
}

/** Forgets a GPU error that has been thrown, so that the device can be used again. */
export function clearError(): void {
  webgpu?.clearError();
}

/** Bytes of the default device: live, pooled and peak, and the number of storages. */
export function memory(): MemoryUse {
  return { ...defaultDevice().memory };
}

/** Starts the peak of `memory()` again from what is live now. */
export function resetPeakMemory(): void {
  defaultDevice().resetPeak();
}
