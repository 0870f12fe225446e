import { nodePlatform } from "../../src/gpu/platform-node.ts";

/** Gives a peer that was written for browsers the `navigator.gpu` that tilegrad uses: the same bindings, driver and flags. */
export async function installWebGpu() {
  const navigator = { gpu: await nodePlatform.gpu(), userAgent: "node", hardwareConcurrency: 2 };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true, writable: true });
}

/** Random whole numbers below `limit`. */
export const integers = (count, limit) => Int32Array.from({ length: count }, () => Math.floor(Math.random() * limit));
