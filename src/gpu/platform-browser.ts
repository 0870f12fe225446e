/** The engine's host in a browser page. Kernels are inlined by the package build, and collections are the browser's own. */

import type { Platform } from "./platform.ts";
import { UNTUNED } from "./tuning.ts";

export const browserPlatform: Platform = {
  name: "browser",

  gpu: async () => globalThis.navigator?.gpu ?? null,

  readText(url) {
    throw new Error(
      `tilegrad: ${url} is read from disk; in a browser use the built package, where kernels are inlined`,
    );
  },

  readTuning: () => UNTUNED,

  collectGarbage() {},

  onExit(fn) {
    globalThis.addEventListener?.("pagehide", fn, { once: true });
  },
};
