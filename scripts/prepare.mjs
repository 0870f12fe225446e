/**
 * Brings this checkout to where it can run: the npm packages, and an adapter for WebGPU. It needs nothing but Node and npm,
 * says in a line what it does, and does nothing where nothing is missing. Offline, what is there is used.
 */

import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The folder of this checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export const say = (line) => console.error(`tilegrad: ${line}`);

/** What Dawn warns of for each software adapter, in every process. It means nothing to us. */
const NOISE = /^Warning: \w+ artificially reduced from/;

/**
 * Runs Node in the checkout on this terminal, and resolves to the exit status.
 *
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<number>}
 */
export function node(args, env = process.env) {
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["inherit", "inherit", "pipe"] });
  createInterface(child.stderr).on("line", (line) => NOISE.test(line) || console.error(line));
  process.on("SIGINT", () => {}); // the terminal sends it to the child too, which may want to finish its work
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve) => {
    child.on("close", (status, signal) => resolve(status ?? 128 + constants.signals[signal ?? "SIGTERM"]));
  });
}

/** Sees to the npm packages and the adapter. Exits the process when the packages cannot be had. */
export async function prepare() {
  installPackages();
  // Without an adapter everything runs on the cpu device, so a failure here ends nothing.
  await node(["--import", "tsx", "scripts/prepare-adapter.ts"]);
}

function installPackages() {
  const missing = firstMissingPackage();
  if (!missing) return;
  say(`installing the npm packages with npm ci (${missing})`);
  const start = performance.now();
  const npm = process.env.npm_execpath?.endsWith("npm-cli.js")
    ? { file: process.execPath, args: [process.env.npm_execpath] }
    : { file: "npm", args: [] };
  const { status, error, stdout, stderr } = spawnSync(
    npm.file,
    [...npm.args, "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"],
    { cwd: root, encoding: "utf8", shell: process.platform === "win32" && npm.file === "npm" },
  );
  if (status !== 0) {
    console.error(stdout ?? "", stderr ?? "");
    say(`npm ci failed${error ? ` (${error.message})` : ""}: the npm registry is needed the first time`);
    process.exit(1);
  }
  say(`npm packages ready in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

/** Compares package-lock.json with the list that npm leaves in node_modules; returns why they differ, or null. */
function firstMissingPackage() {
  const packagesOf = (path) => JSON.parse(readFileSync(`${root}/${path}`, "utf8")).packages;
  const wanted = packagesOf("package-lock.json");
  let present;
  try {
    present = packagesOf("node_modules/.package-lock.json");
  } catch {
    return "there is no node_modules";
  }
  for (const [path, { version, optional }] of Object.entries(wanted)) {
    if (path === "" || (optional && !present[path])) continue; // optional ones are for other systems
    if (present[path]?.version !== version) return `${path} is not at ${version}`;
  }
  return null;
}
