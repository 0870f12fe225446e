/**
 * The devices tests run on. `npm test` runs the kernel family that suits the adapter; TILEGRAD_TEST=rest runs what that
 * leaves out (the other family, and params as uniforms), TILEGRAD_TEST=all runs both. Every buffer has a guard zone.
 */
import { findAdapter } from "../src/gpu/adapter.ts";
import { WebGpuDevice, type WebGpuOptions } from "../src/gpu/webgpu.ts";
import { init } from "../src/tensor/device.ts";

export const mode = (process.env.TILEGRAD_TEST ?? "") as "" | "rest" | "all";

/** How many random cases a property draws, from the number for a quick run. */
export function cases(quick: number): number {
  return mode === "" ? quick : 5 * quick;
}

const usual: WebGpuOptions = { guards: true };
const other: WebGpuOptions = { guards: true, family: "gpu", immediates: false };

/** Opens the default device of this test process. */
export async function openDefaultDevice(): Promise<void> {
  await init({ device: "webgpu", ...(mode === "rest" ? other : usual) });
}

let extra: Promise<WebGpuDevice> | undefined;

/** The devices that a kernel is checked on: the default one, and in TILEGRAD_TEST=all the other variant too. */
export async function checkedDevices(main: WebGpuDevice): Promise<WebGpuDevice[]> {
  if (mode !== "all") return [main];
  extra ??= findAdapter().then((adapter) => WebGpuDevice.open(adapter!, other));
  return [main, await extra];
}
