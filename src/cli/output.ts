/** What the commands share: opening a device, printing, and stopping. */
import { type InitResult, init } from "../tensor/device.ts";

export async function openDevice(device: string): Promise<InitResult> {
  return init({ device: device as "auto" | "webgpu" | "cpu" });
}

/** One line of JSON on standard output. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value));
}

/**
 * Listens for Ctrl-C: the first one prints `message` and aborts the signal, the second ends the process.
 *
 * @returns the signal, and what stops listening
 */
export function listenForCtrlC(message: string): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    console.error(`\n${message}`);
    controller.abort();
  };
  process.on("SIGINT", stop);
  return { signal: controller.signal, end: () => process.off("SIGINT", stop) };
}
