import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cacheFolder, driverFolder, ensureRuntimeFolder, findDriver } from "./vulkan-driver-node.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tilegrad-driver-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe("cacheFolder", () => {
  test("is TILEGRAD_CACHE, else under XDG_CACHE_HOME, else under the home folder", () => {
    vi.stubEnv("TILEGRAD_CACHE", "/own");
    vi.stubEnv("XDG_CACHE_HOME", "/xdg");
    expect(cacheFolder()).toBe("/own");
    vi.stubEnv("TILEGRAD_CACHE", "");
    expect(cacheFolder()).toBe(join("/xdg", "tilegrad"));
    vi.stubEnv("XDG_CACHE_HOME", "");
    expect(cacheFolder()).toBe(join(homedir(), ".cache", "tilegrad"));
  });

  test("holds a driver for each system and processor", () => {
    vi.stubEnv("TILEGRAD_CACHE", "/own");
    expect(driverFolder()).toMatch(new RegExp(`^/own/vulkan/[\\w.]+-[\\w.]+-${process.arch}$`));
  });
});

describe.runIf(process.platform === "linux")("findDriver", () => {
  test("finds none in a folder without a manifest, which is written last", () => {
    mkdirSync(join(folder, "lib"));
    expect(findDriver(folder)).toBeNull();
    expect(findDriver(join(folder, "absent"))).toBeNull();
  });

  test("lists the shared libraries, but not the driver, which the Vulkan loader opens", () => {
    mkdirSync(join(folder, "lib"));
    for (const name of ["libvulkan.so.1.3.239", "libLLVM-15.so.1", "libvulkan_lvp.so"]) {
      writeFileSync(join(folder, "lib", name), "");
    }
    writeFileSync(join(folder, "driver.json"), "{}");
    const driver = findDriver(folder)!;
    expect(driver.manifest).toBe(join(folder, "driver.json"));
    expect([...driver.libraries].sort()).toEqual([
      join(folder, "lib/libLLVM-15.so.1"),
      join(folder, "lib/libvulkan.so.1.3.239"),
    ]);
  });
});

describe.runIf(process.platform === "linux")("ensureRuntimeFolder", () => {
  test("makes a private folder where the session has none, and leaves a session's own alone", () => {
    vi.stubEnv("TILEGRAD_CACHE", folder);
    vi.stubEnv("XDG_RUNTIME_DIR", "");
    ensureRuntimeFolder();
    expect(process.env.XDG_RUNTIME_DIR).toBe(join(folder, "runtime"));
    vi.stubEnv("XDG_RUNTIME_DIR", "/run/user/1");
    ensureRuntimeFolder();
    expect(process.env.XDG_RUNTIME_DIR).toBe("/run/user/1");
  });
});
