/**
 * Packs the built package, installs it into an empty project, and uses it there as its users would: as an ES module, from
 * TypeScript, and as a command. Also walks the imports of the browser entry, which may reach no module of Node's.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { root, say } from "./prepare.mjs";

const project = mkdtempSync(join(tmpdir(), "tilegrad-package-"));
process.on("exit", () => rmSync(project, { recursive: true, force: true }));

function run(file, args, cwd = project) {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    cwd,
    encoding: "utf8",
    timeout: 120_000, // a process that does not end by itself is a failure too
    shell: process.platform === "win32",
  });
  assert.equal(
    status,
    0,
    `${file} ${args.join(" ")} failed: ${error?.message ?? ""}\n${(stdout + stderr).slice(0, 4000)}`,
  );
  return stdout;
}

const packed = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], root))[0];
const paths = packed.files.map((file) => file.path);
for (const path of [
  "dist/index.js",
  "dist/index.d.ts",
  "dist/browser.js",
  "dist/cli/main.js",
  "README.md",
  "LICENSE",
]) {
  assert(paths.includes(path), `the package lacks ${path}`);
}
const strays = paths.filter((path) => /\.test\.|^(test|scripts|bench|node_modules)\//.test(path));
assert.deepEqual(strays, [], "the package holds files that are no part of it");
say(`packed ${paths.length} files, ${(packed.size / 1e6).toFixed(2)} MB`);

writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", join(project, packed.filename)]);
const installed = join(project, "node_modules/tilegrad");

writeFileSync(
  join(project, "use.ts"),
  `import * as tg from "tilegrad";

for (const device of ["auto", "cpu"] as const) {
  await tg.init({ device });
  tg.manualSeed(0);
  const layer = new tg.nn.Linear(3, 2);
  const adam = new tg.optim.Adam(layer.parameters(), { lr: 0.1 });
  const x: tg.Tensor = tg.tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3] });
  const labels = tg.tensor([0, 1], { dtype: "i32" });
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) {
    const loss = tg.crossEntropy(layer.forward(x).relu(), labels);
    adam.zeroGrad();
    loss.backward();
    adam.step();
    losses.push(await loss.item());
  }
  if (!(losses[19]! < losses[0]!)) throw new Error(\`the loss went from \${losses[0]} to \${losses[19]}\`);
}
`,
);
const compiler = [
  join(root, "node_modules/typescript/bin/tsc"),
  "--strict",
  "--module",
  "nodenext",
  "--target",
  "es2022",
];
run(process.execPath, [...compiler, "--lib", "es2023,esnext.disposable,dom", "--types", "", "use.ts"]); // the libraries' types are checked too
say("its types compile in strict TypeScript");
run(process.execPath, ["use.js"]);
say("imported as an ES module, it trains on the best device and on the cpu device");

const devices = run("npx", ["--no-install", "tilegrad", "devices"]);
assert.match(devices, /cpu/);
say("its command runs");

const metrics = { event: "step", epoch: 0, step: 1, loss: 1 };
writeFileSync(join(project, "metrics.jsonl"), `${JSON.stringify(metrics)}\n`);
run("npx", ["--no-install", "tilegrad", "report", "."]);
const report = readFileSync(join(project, "report.html"), "utf8");
assert.match(report, /<script type="module">.*class Chart/s);
assert(!/^import |sourceMappingURL/m.test(report), "the report loads something");
say("its command writes a report that is complete in itself");

const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
const reached = browserModules(resolve(installed, manifest.exports["."].browser));
say(`its browser entry reaches ${reached.size} modules, none of Node's`);

/** Follows the imports from `entry`, static and dynamic; throws at the first that a browser's bundler cannot follow. */
function browserModules(entry) {
  const reached = new Set([entry]); // grows as it is walked
  for (const path of reached) {
    const text = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
    for (const [, specifier] of text.matchAll(/(?:^|[\s;}])(?:from|import)\s*\(?\s*"([^"\n]+)"/g)) {
      assert(!isBuiltin(specifier) && specifier !== "webgpu", `${path} imports "${specifier}", which is Node's`);
      if (specifier.startsWith(".")) reached.add(resolve(dirname(path), specifier));
    }
    assert(!/new URL\([^)]*\.wgsl/.test(text), `${path} reads a kernel from disk`);
  }
  return reached;
}
