import type { Capabilities } from "./adapter.ts";
import type { Tuning } from "./tuning.ts";

/**
 * What the engine needs from its host: a GPU object, the text of a kernel file, and a way to ask for a garbage
 * collection. `platform-node.ts` and `platform-browser.ts` each provide one; the package's entry installs it.
 */
export interface Platform {
  readonly name: "node" | "browser";
  /** The host's WebGPU entry point, or null where there is none. The host keeps it referenced for the process's life. */
  gpu(): Promise<GPU | null>;
  /** The text of a `.wgsl` file. Never called in a built package, where the text is inlined. */
  readText(url: URL): string;
  /** What was measured on an adapter; where the host remembers such things. */
  readTuning(adapter: Capabilities): Tuning;
  /** Runs a full garbage collection, where the host can. */
  collectGarbage(): void;
  /** Calls `fn` once when the process is about to exit. */
  onExit(fn: () => void): void;
}

let current: Platform | undefined;

export function setPlatform(platform: Platform): void {
  current = platform;
}

export function platform(): Platform {
  if (!current) throw new Error("tilegrad: no platform is installed; import the package's entry, not an inner module");
  return current;
}
