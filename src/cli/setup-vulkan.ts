/**
 * `tilegrad setup`: a software Vulkan driver (Mesa's lavapipe) for a Debian or Ubuntu machine where no adapter is found.
 *
 * The packages come from the archive that the machine's own apt sources name. apt works out what is lacking and only
 * downloads it, with all of its state in a private folder; the system stays as it is, and no privileges are needed.
 */

import { execFile } from "node:child_process";
import { constants, existsSync } from "node:fs";
import { access, copyFile, lstat, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { driverFolder } from "../gpu/vulkan-driver-node.ts";
import { downloadPackages, SetupError } from "./apt-download.ts";

export { SetupError };

const run = promisify(execFile);

/**
 * Sees to it that WebGPU finds an adapter on this machine, downloading a software driver into the cache folder if it must.
 *
 * @param log receives one line per step
 * @returns the adapter's name
 * @throws {SetupError} when there is no adapter and none can be had
 */
export async function setupVulkan({ log }: { log: (line: string) => void }): Promise<string> {
  const present = await probeAdapter();
  if (present) return present;
  if (process.platform !== "linux") throw new SetupError("no GPU adapter found; update the graphics driver");

  const folder = driverFolder();
  log(`no GPU adapter found: downloading a software Vulkan driver (Mesa lavapipe) with apt into ${folder}`);
  const start = performance.now();
  await installDriver(folder);
  const adapter = await probeAdapter();
  if (!adapter) throw new SetupError(`the driver in ${folder} is in place, but WebGPU finds no adapter through it`);
  log(`software Vulkan driver ready in ${((performance.now() - start) / 1000).toFixed(1)} s: ${adapter}`);
  return adapter;
}

/** Returns the name of the adapter that a fresh process finds, or null. */
async function probeAdapter(): Promise<string | null> {
  const probe = fileURLToPath(new URL(`./adapter-probe${extname(import.meta.url)}`, import.meta.url));
  const loader = probe.endsWith(".ts") ? ["--import", import.meta.resolve("tsx")] : []; // in a checkout
  try {
    return (await run(process.execPath, [...loader, probe])).stdout || null;
  } catch {
    return null; // a driver that crashes is none
  }
}

async function installDriver(folder: string): Promise<void> {
  let work: string;
  try {
    await mkdir(dirname(folder), { recursive: true });
    await access(dirname(folder), constants.W_OK);
    work = await mkdtemp(`${folder}.partial-`);
  } catch {
    throw new SetupError(`the cache folder ${dirname(folder)} cannot be written; set TILEGRAD_CACHE to one that can`);
  }
  try {
    const packages = await downloadPackages(join(work, "apt"), ["mesa-vulkan-drivers", "libvulkan1"]);
    await unpackDriver(packages, join(work, "root"), join(work, "driver"));
    await rename(folder, join(work, "old")).catch(() => {}); // there is one only where it no longer works
    await rename(join(work, "driver"), folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const DRIVER = "libvulkan_lvp.so";

/** Unpacks the libraries and the driver into `folder`, and writes the driver's manifest last. */
async function unpackDriver(packages: readonly string[], root: string, folder: string): Promise<void> {
  for (const path of packages) await run("dpkg-deb", ["--extract", path, root]);
  await mkdir(join(folder, "lib"), { recursive: true });
  for (const path of await readdir(root, { recursive: true })) {
    if (!(/\.so\.\d/.test(path) || basename(path) === DRIVER) || !(await lstat(join(root, path))).isFile()) continue;
    await copyFile(join(root, path), join(folder, "lib", basename(path)));
  }
  if (!existsSync(join(folder, "lib", DRIVER))) throw new SetupError(`the archive's Mesa has no ${DRIVER}`);
  const manifest = { file_format_version: "1.0.0", ICD: { library_path: `./lib/${DRIVER}`, api_version: "1.3.0" } };
  await writeFile(join(folder, "driver.json"), JSON.stringify(manifest));
}
