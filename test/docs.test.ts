/** Every program in the README and the docs runs. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(root, "test", ".docs-")); // inside the checkout, so that its modules are found
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const programs = pages.flatMap((page) =>
  [...readFileSync(join(root, page), "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code], i) => ({
    name: `${page}, program ${i + 1}`,
    code: code!.replaceAll('from "tilegrad"', `from ${JSON.stringify(join(root, "src/index.ts"))}`),
  })),
);

function run(file: string): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", file], { cwd: root });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, output })));
}

test("there are programs", () => expect(programs.length).toBeGreaterThan(5));

for (const [i, { name, code }] of programs.entries()) {
  test(name, async () => {
    const file = join(folder, `${i}.mts`);
    writeFileSync(file, code);
    const { status, output } = await run(file);
    expect(status, output).toBe(0);
  });
}
