/** The rules of the house that a compiler does not check: which way imports point, what an op folder holds, WGSL. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseWgsl } from "../src/gpu/wgsl.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const src = join(root, "src");

// What each layer may import: itself, and these.
const LAYERS: Record<string, readonly string[]> = {
  gpu: [],
  tensor: ["gpu"],
  autograd: ["gpu", "tensor"],
  kernels: ["gpu", "tensor", "autograd"],
  nn: ["gpu", "tensor", "autograd", "kernels"],
  optim: ["gpu", "tensor", "autograd", "kernels", "nn"],
  metrics: ["gpu", "tensor", "autograd", "kernels"],
  data: ["gpu", "tensor", "autograd", "kernels", "io"],
  io: ["gpu", "tensor", "autograd", "kernels"],
  models: ["gpu", "tensor", "autograd", "kernels", "nn", "data"],
  train: ["gpu", "tensor", "autograd", "kernels", "nn", "optim", "metrics", "data", "io", "models"],
  cli: ["gpu", "tensor", "autograd", "kernels", "nn", "optim", "metrics", "data", "io", "models", "train"],
};

function filesUnder(folder: string, suffix: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(suffix))
    .map((file) => join(folder, file));
}

const sources = filesUnder(src, ".ts").filter((file) => !file.endsWith(".test.ts"));

function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/(?<!")\b(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1]!);
}

test("imports point one way", () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const [layer, ...rest] = relative(src, file).split("/");
    if (rest.length === 0) continue; // an entry
    for (const name of importsOf(file).filter((name) => name.startsWith("."))) {
      const target = relative(src, resolve(dirname(file), name)).split("/");
      const allowed =
        target.length === 1 ? layer === "cli" : target[0] === layer || LAYERS[layer!]?.includes(target[0]!);
      if (!allowed) wrong.push(`${relative(src, file)} imports ${name}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("what a browser loads pulls in no Node module and no package", () => {
  const seen = new Set<string>();
  const wrong: string[] = [];
  const pending = [join(src, "browser.ts")];
  while (pending.length > 0) {
    const file = pending.pop()!;
    if (seen.has(file)) continue;
    seen.add(file);
    for (const name of importsOf(file)) {
      if (name.startsWith(".")) pending.push(resolve(dirname(file), name));
      else if (!["crc-32", "csv-parse/browser/esm/sync", "fflate"].includes(name))
        wrong.push(`${relative(src, file)} imports ${name}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("only gpu/ touches WebGPU, and only autograd and kernels have WGSL", () => {
  const touching = sources.filter(
    (file) =>
      !relative(src, file).startsWith("gpu/") && /\bGPU[A-Z]\w+|navigator\.gpu/.test(readFileSync(file, "utf8")),
  );
  expect(touching.map((file) => relative(src, file))).toEqual([]);
  const folders = new Set(filesUnder(src, ".wgsl").map((file) => relative(src, file).split("/")[0]));
  expect([...folders].sort()).toEqual(["autograd", "kernels"]);
});

const kernels = join(src, "kernels");
const opFolders = readdirSync(kernels, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== "lib")
  .map((entry) => entry.name);

test.each(opFolders)("kernels/%s has its code and a test beside it", (folder) => {
  const files = readdirSync(join(kernels, folder));
  expect(files.some((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))).toBe(true);
  // The copy of a strided view is tested through the views, and the kernels of optimizers through them.
  if (folder !== "strided-copy" && folder !== "optimizer") {
    expect(files.some((file) => file.endsWith(".test.ts"))).toBe(true);
  }
  expect(files).not.toContain("index.ts");
});

const wgsl = filesUnder(src, ".wgsl").filter((file) => !file.includes("/lib/"));

test.each(wgsl.map((file) => relative(src, file)))("%s keeps the rules", (name) => {
  const text = readFileSync(join(src, name), "utf8");
  expect(text, "opens with a comment: the formula and every buffer's shape").toMatch(/^\/\/ /);
  expect(text, "sizes come from params").not.toMatch(/\barrayLength\b/);
  expect(text, "short vector names").not.toMatch(/\bvec[234]<(u32|i32|f32)>/);
  expect(text, "no float atomics").not.toMatch(/atomic<f32>/);
  for (const [, vars] of text.matchAll(/fn \w+\(([^)]*)\)/g)) {
    for (const [, builtin, variable] of vars!.matchAll(/@builtin\((\w+)\)\s*(\w+)/g)) {
      const expected: Record<string, string> = {
        global_invocation_id: "gid",
        local_invocation_id: "lid",
        workgroup_id: "wid",
        local_invocation_index: "lane",
        num_workgroups: "groups",
      };
      if (expected[builtin!]) expect(variable, `the name of ${builtin}`).toBe(expected[builtin!]);
    }
  }
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    if (!line.startsWith("@compute")) continue;
    expect(lines[i - 1], `the parallel plan above the entry in line ${i + 1}`).toMatch(/^\/\/ /);
  }
  // Files with a hole for the element type get it filled when they are loaded.
  const holes = ["T", "R"]
    .filter((alias) => !text.includes(`alias ${alias} =`))
    .map((alias) => `alias ${alias} = f32;`);
  for (const entry of parseWgsl([text, ...holes].join("\n"), name).entries.values()) {
    const storage = entry.bindings.filter(({ access }) => access !== "uniform");
    expect(storage.length, `storage buffers of ${entry.name}`).toBeLessThanOrEqual(8);
  }
});

test.each(wgsl.map((file) => relative(src, file)))("%s is loaded by a file beside it", (name) => {
  const folder = dirname(join(src, name));
  const loaded = readdirSync(folder)
    .filter((file) => file.endsWith(".ts"))
    .some((file) => readFileSync(join(folder, file), "utf8").includes(`"./${relative(folder, join(src, name))}"`));
  expect(loaded).toBe(true);
});
