import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Capabilities } from "./adapter.ts";
import { nodePlatform } from "./platform-node.ts";
import type { Tuning } from "./tuning.ts";
import { formatTuning, readTuning, tuningPath } from "./tuning-file-node.ts";

const adapter = { description: "maker some-card: Driver 1.2 (build 7)" };
const tuning: Tuning = new Map([
  ["matmul NN 64x64x64", { kernel: "tiles", tile: 64, blocks: 2, packs: false, splits: 1 }],
  ["conv forward 1x1x1 of 3x3 at 8x8", { kernel: "direct" }],
]);

let folder: string;
const said = vi.spyOn(console, "error").mockImplementation(() => {});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tilegrad-tuning-"));
  vi.stubEnv("TILEGRAD_CACHE", folder);
  vi.stubEnv("TILEGRAD_TUNING", "");
  said.mockClear();
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function write(text: string): void {
  mkdirSync(dirname(tuningPath(adapter)), { recursive: true });
  writeFileSync(tuningPath(adapter), text);
}

test("each adapter and driver has a file of its own in the cache folder", () => {
  expect(tuningPath(adapter)).toMatch(
    new RegExp(`^${folder}/tuning/maker-some-card-Driver-1-2-build-7--[0-9a-f]{8}.json$`),
  );
  expect(tuningPath({ description: "maker some-card: Driver 1.2 (build 8)" })).not.toBe(tuningPath(adapter));
  expect(tuningPath({ description: "maker some-card: Driver 1.2 [build 7]" })).not.toBe(tuningPath(adapter));
});

test("choices come back as they were written, in the order of their names", () => {
  expect(readTuning(adapter)).toEqual(new Map());
  write(formatTuning(adapter, tuning));
  expect(readTuning(adapter)).toEqual(tuning);
  expect([...readTuning(adapter).keys()]).toEqual([...tuning.keys()].sort());
  expect(JSON.parse(readFileSync(tuningPath(adapter), "utf8"))).toMatchObject({
    adapter: adapter.description,
    tilegrad: JSON.parse(readFileSync("package.json", "utf8")).version,
  });
  expect(said).not.toHaveBeenCalled();
});

test("TILEGRAD_TUNING=off means none", () => {
  write(formatTuning(adapter, tuning));
  expect(nodePlatform.readTuning(adapter as Capabilities)).toEqual(tuning);
  vi.stubEnv("TILEGRAD_TUNING", "off");
  expect(nodePlatform.readTuning(adapter as Capabilities).size).toBe(0);
});

const whole = () => JSON.parse(formatTuning(adapter, tuning));
test.each([
  ["is damaged", () => formatTuning(adapter, tuning).slice(0, 90)],
  ["is damaged", () => ""],
  ["is damaged", () => "null"],
  ["is damaged", () => JSON.stringify({ ...whole(), choices: { a: { kernel: [1] } } })],
  ["is damaged", () => JSON.stringify({ ...whole(), choices: { a: null } })],
  ["is damaged", () => JSON.stringify({ ...whole(), choices: null })],
  ["is of another adapter or driver", () => formatTuning({ description: "another" }, tuning)],
  ["is of another version of tilegrad", () => JSON.stringify({ ...whole(), tilegrad: "0.0.0-older" })],
  ["is of another version of tilegrad", () => JSON.stringify({ ...whole(), kernels: 0 })],
])("a file that %s is not used, and one line says so", (fault, text) => {
  write(text());
  expect(readTuning(adapter).size).toBe(0);
  expect(said.mock.calls).toEqual([
    [`tilegrad: ${tuningPath(adapter)} ${fault}, so it is not used; \`tilegrad tune\` measures anew`],
  ]);
});
