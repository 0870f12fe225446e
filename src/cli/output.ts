/** What the commands share: opening a device, and printing. */
import { type InitResult, init } from "../tensor/device.ts";

export async function openDevice(device: string): Promise<InitResult> {
  return init({ device: device as "auto" | "webgpu" | "cpu" });
}

/** One line of JSON on standard output. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value));
}
