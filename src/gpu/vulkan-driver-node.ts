/**
 * The software Vulkan driver that `tilegrad setup` keeps in the user's cache folder: where it lies, and how this process
 * comes to use it. Nothing here downloads, and nothing outside the process changes.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { constants, homedir } from "node:os";
import { join } from "node:path";

/** A Vulkan driver unpacked into a folder of its own. */
export interface VulkanDriver {
  /** The folder that holds `lib/` and the driver's manifest. */
  readonly folder: string;
  /** The manifest that tells the Vulkan loader which library is the driver. */
  readonly manifest: string;
  /** The shared libraries that the system lacks, the Vulkan loader among them; the loader opens the driver itself. */
  readonly libraries: readonly string[];
}

/** Returns the folder for what tilegrad keeps between runs: `$TILEGRAD_CACHE`, else `tilegrad` in the user's cache folder. */
export function cacheFolder(): string {
  return process.env.TILEGRAD_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tilegrad");
}

/** Reads the system's name from `/etc/os-release`, as a map of its fields; empty where there is none. */
export function readOsRelease(): Map<string, string> {
  try {
    const lines = readFileSync("/etc/os-release", "utf8").matchAll(/^(\w+)=["']?(.*?)["']?$/gm);
    return new Map([...lines].map(([, key, value]) => [key!, value!]));
  } catch {
    return new Map();
  }
}

/** Returns where the driver for this system lies or would lie; systems that share a home folder keep one each. */
export function driverFolder(): string {
  const os = readOsRelease();
  const system = `${os.get("ID") ?? "linux"}-${os.get("VERSION_ID") ?? os.get("VERSION_CODENAME") ?? "rolling"}`;
  return join(cacheFolder(), "vulkan", `${system}-${process.arch}`);
}

/** Finds the driver that `tilegrad setup` left in the cache folder, or returns null. */
export function findDriver(folder = driverFolder()): VulkanDriver | null {
  const manifest = join(folder, "driver.json"); // written last, so its presence means that the folder is complete
  if (process.platform !== "linux" || !existsSync(manifest)) return null;
  const libraries = readdirSync(join(folder, "lib")).filter((name) => /\.so\.\d/.test(name));
  return { folder, manifest, libraries: libraries.map((name) => join(folder, "lib", name)) };
}

/**
 * Makes the Vulkan loader, when Dawn opens it by name, find `driver` beside the system's own drivers.
 *
 * A library that is already open is found by its name alone, so all of them are opened here and never closed. Node means
 * this call for addons and throws for a library that is none, yet leaves it open (glibc's RTLD_NODELETE sees to that).
 */
export function loadDriver(driver: VulkanDriver): void {
  const RTLD_NODELETE = 0x1000;
  const flags = constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE;
  const opens = (library: string) => {
    try {
      process.dlopen({ exports: {} }, library, flags);
      return true;
    } catch (error) {
      return String(error).includes("did not self-register");
    }
  };
  // A library opens only after those that it needs: go round until a round opens none.
  let closed = driver.libraries;
  for (let before = Number.POSITIVE_INFINITY; closed.length < before; ) {
    before = closed.length;
    closed = closed.filter((library) => !opens(library));
  }
  // The list is the parent process's too, so the driver may be on it already.
  const drivers = process.env.VK_ADD_DRIVER_FILES?.split(":") ?? [];
  process.env.VK_ADD_DRIVER_FILES = [...new Set([...drivers, driver.manifest])].join(":");
}

/** Names a private runtime folder where the session has none: Mesa complains on the terminal without it. */
export function ensureRuntimeFolder(): void {
  if (process.platform !== "linux" || process.env.XDG_RUNTIME_DIR) return;
  const folder = join(cacheFolder(), "runtime");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    process.env.XDG_RUNTIME_DIR = folder;
  } catch {
    // A cache folder that cannot be written costs no more than the complaint.
  }
}
