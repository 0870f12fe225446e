/**
 * Builds `dist/`: what tsc emits, with each kernel file inlined as text where the source names it by URL, so that a bundler
 * or a browser needs no plugin and no second request.
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { root } from "./prepare.mjs";

const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
const tsc = join(root, "node_modules/typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  const path = join(dist, name);
  if (name.endsWith(".js")) rewrite(path, inlineKernels);
  if (name.endsWith(".d.ts")) rewrite(path, (text) => text.replace(/(["'])(\.[^"']*)\.ts\1/g, "$1$2.js$1"));
}

// The pages that the package writes and serves; their scripts are what tsc emitted.
const pages = "train/view/page";
for (const name of readdirSync(join(root, "src", pages)).filter((name) => name.endsWith(".css"))) {
  copyFileSync(join(root, "src", pages, name), join(dist, pages, name));
}

function rewrite(path, change) {
  const text = readFileSync(path, "utf8");
  const changed = change(text, path);
  if (changed !== text) writeFileSync(path, changed);
}

/** Puts the text of `x.wgsl` for `new URL("./x.wgsl", import.meta.url)`, and the name that the kernel had from its file. */
function inlineKernels(text, path) {
  const folder = join(root, "src", relative(dist, dirname(path)));
  const url = /(?<!`)new URL\("(\.[^"]+\.wgsl)", import\.meta\.url\)(, \{)?/g; // in a comment it stands in backticks
  const inlined = text.replace(url, (_, file, options) => {
    const wgsl = JSON.stringify(readFileSync(join(folder, file), "utf8"));
    return options ? `${wgsl}${options} name: ${JSON.stringify(basename(file, ".wgsl"))},` : wgsl;
  });
  const left = /(?<!`)new URL\([^)\n]*\.wgsl/.exec(inlined);
  if (left) throw new Error(`${path}: "${left[0]}" is not written as the build can inline it`);
  return inlined;
}
