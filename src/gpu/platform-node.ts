/**
 * The engine's host in Node: WebGPU from the `webgpu` package (Dawn), kernels from disk, collections from V8.
 * Importing this module does nothing; `gpu()` loads the native addon when it is first asked.
 */

import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Platform } from "./platform.ts";
import { UNTUNED } from "./tuning.ts";
import { readTuning } from "./tuning-file-node.ts";
import { ensureRuntimeFolder, findDriver, loadDriver } from "./vulkan-driver-node.ts";

const DAWN_OPTIONS = [
  "enable-dawn-features=allow_unsafe_apis", // immediates and subgroup matrices
  "disable-dawn-features=timestamp_quantization", // else timestamps come in steps of 0.1 ms
];

/** Kept for the life of the process: once it is collected, every adapter and device made from it is gone, and Node crashes. */
let gpu: Promise<GPU | null> | undefined;

async function openGpu(): Promise<GPU | null> {
  ensureRuntimeFolder();
  const driver = findDriver();
  if (driver) loadDriver(driver);
  try {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals);
    return create(DAWN_OPTIONS);
  } catch {
    return null; // no build for this system, or one that its libraries are too old for
  }
}

let collect: (() => void) | undefined;

const exitFunctions: (() => void)[] = [];

export const nodePlatform: Platform = {
  name: "node",

  gpu: () => (gpu ??= openGpu()),

  readText: (url) => readFileSync(url, "utf8"),

  readTuning: (adapter) => (process.env.TILEGRAD_TUNING === "off" ? UNTUNED : readTuning(adapter)),

  collectGarbage() {
    if (!collect) {
      setFlagsFromString("--expose-gc");
      collect = runInNewContext("gc") as () => void;
    }
    collect();
  },

  onExit(fn) {
    // One listener for all: Node warns of more than ten.
    if (exitFunctions.length === 0) {
      process.once("exit", () => {
        for (const run of exitFunctions) run();
      });
    }
    exitFunctions.push(fn);
  },
};
