/** What is measured by `tilegrad tune`, and what later programs make of it. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { workloads } from "../bench/workloads.ts";
import { UsageError } from "../src/cli/options.ts";
import { tuneCommand } from "../src/cli/tune.ts";
import { standardCases, TUNED_OPS } from "../src/cli/tune-cases.ts";
import type { Tuning } from "../src/gpu/tuning.ts";
import { formatTuning, tuningPath } from "../src/gpu/tuning-file-node.ts";
import { cacheFolder } from "../src/gpu/vulkan-driver-node.ts";
import type { WebGpuDevice } from "../src/gpu/webgpu.ts";
import { matmul } from "../src/kernels/matmul/matmul.ts";
import { rand } from "../src/kernels/random/random.ts";
import { deviceNamed, init } from "../src/tensor/device.ts";
import { tilegrad } from "./command.ts";
import { openDefaultDevice } from "./devices.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-tune-"));
afterAll(() => rmSync(folder, { recursive: true }));
// The driver, if it is tilegrad's, lies in the cache folder too.
if (existsSync(join(cacheFolder(), "vulkan"))) symlinkSync(join(cacheFolder(), "vulkan"), join(folder, "vulkan"));

const env = { TILEGRAD_CACHE: folder, TILEGRAD_TUNING: "" };
const tune = (...args: string[]) => tilegrad(["tune", ...args], { env });
const files = () => (existsSync(join(folder, "tuning")) ? readdirSync(join(folder, "tuning")) : []);

describe("the command", () => {
  test("measures, says what it found and where that is, and forgets it again", async () => {
    const { code, stdout, stderr } = await tune("--shapes", "64x16x128", "--quick");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^3 sizes on \S/);
    for (const bucket of ["NN 64x16x128", "NT 64x128x16", "TN 128x16x64"]) {
      expect(stdout).toMatch(
        new RegExp(
          `^matmul ${bucket} +\\d+\\.\\d{3} ms +(the heuristic's|\\d+\\.\\d{3} ms +\\d\\.\\d\\d x +lanes .+)$`,
          "m",
        ),
      );
    }
    expect(stdout).not.toMatch(/wrong/);
    const [file, ...others] = files();
    expect(others).toEqual([]);
    expect(stdout).toMatch(new RegExp(`[0-3] of 3 measured sizes .* in ${join(folder, "tuning", file!)}\n$`));
    const { adapter, choices } = JSON.parse(readFileSync(join(folder, "tuning", file!), "utf8"));
    const devices = JSON.parse((await tilegrad(["devices", "--json"], { env })).stdout);
    expect(devices).toMatchObject({ adapter: { description: adapter }, tuned: Object.keys(choices).length });

    const cleared = await tune("--clear", "--json");
    expect(JSON.parse(cleared.stdout)).toEqual({ path: join(folder, "tuning", file!), choices: 0 });
    expect(files()).toEqual([]);
  });

  test("as JSON, within its time", async () => {
    const { code, stdout } = await tune("--ops", "recurrent,conv", "--seconds", "0", "--json");
    const { path, ...rest } = JSON.parse(stdout);
    expect({ code, ...rest }).toEqual({ code: 0, measured: [], sizes: expect.any(Number), choices: 0 });
    expect(existsSync(path)).toBe(false);
    const one = JSON.parse((await tune("--shapes", "8x8x8", "--quick", "--json")).stdout);
    expect(one.measured).toHaveLength(3);
    expect(one.measured[0]).toMatchObject({
      bucket: "matmul NN 8x8x8",
      refused: [],
      heuristicMilliseconds: expect.any(Number),
    });
  });

  test("that is interrupted keeps what it has", async () => {
    let isSent = false;
    const { code, stdout, stderr } = await tilegrad(["tune", "--ops", "matmul"], {
      env,
      watch(child, stdout) {
        if (!isSent && /^matmul .* ms/m.test(stdout)) isSent = child.kill("SIGINT");
      },
    });
    expect(code).toBe(130);
    expect(stderr).toMatch(/stopping; what was measured is kept[\s\S]*tilegrad: tune: stopped after \d+ of \d+ sizes/);
    expect(stdout).toMatch(/ of [1-9]\d* measured sizes /);
    expect(JSON.parse(readFileSync(join(folder, "tuning", files()[0]!), "utf8"))).toHaveProperty("choices");
  });

  test("refuses at once where it could not remember anything", async () => {
    rmSync(join(folder, "tuning"), { recursive: true, force: true });
    writeFileSync(join(folder, "tuning"), "");
    const { code, stderr } = await tune();
    rmSync(join(folder, "tuning"));
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /tilegrad: tune: the folder \S+ cannot be made; set TILEGRAD_CACHE to one that can be written\n$/,
    );
  });

  test.each([
    [["--ops", "matmul,pool"], 'tune: --ops has "pool", expected some of matmul, conv, recurrent'],
    [["--shapes", "64x64"], 'tune: --shapes has "64x64", expected three sizes as in 512x128x64'],
    [["--shapes", "64x0x64"], 'tune: --shapes has "64x0x64", expected three sizes as in 512x128x64'],
    [["--seconds", "-1"], 'tune: --seconds is "-1", expected a number from 0 up'],
  ])("refuses %j", async (args, message) => {
    await expect(tuneCommand(args)).rejects.toThrow(new UsageError(message));
  });
});

describe("a later program", () => {
  const cut: Tuning = new Map(
    ["lanes", "tiles"].map((kernel, i) => [
      `matmul NN ${32 * (i + 1)}x32x256`,
      { ...{ kernel, splits: 2 }, ...(i === 0 ? { rows: 4, isTurned: false } : { tile: 32, blocks: 1, packs: false }) },
    ]),
  );
  const adapter = (deviceNamed("webgpu") as WebGpuDevice).capabilities;
  const write = (text: string) => {
    mkdirSync(join(folder, "tuning"), { recursive: true });
    writeFileSync(tuningPath(adapter), text);
  };
  // A product that is cut takes another dispatch for its parts.
  const dispatchesOf = async (m: number) => {
    const { counters } = deviceNamed("webgpu") as WebGpuDevice;
    const [a, b] = [rand([m, 256]), rand([256, 32])];
    const before = counters.dispatches;
    const y = matmul(a, b);
    expect(await y.data()).toHaveLength(m * 32);
    return counters.dispatches - before;
  };
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  afterEach(async () => {
    vi.unstubAllEnvs();
    said.mockClear();
    await openDefaultDevice();
  });

  test("uses what was measured, unless it is told not to", async () => {
    vi.stubEnv("TILEGRAD_CACHE", folder);
    write(formatTuning(adapter, cut));
    // The tests themselves run without.
    expect((await init({ device: "webgpu" })).tuned).toBe(0);
    vi.stubEnv("TILEGRAD_TUNING", "");
    expect((await init({ device: "webgpu" })).tuned).toBe(2);
    const cutOnes = adapter.family === "software" ? [2, 1] : [1, 2]; // the other's choice is no use
    expect([await dispatchesOf(32), await dispatchesOf(64)]).toEqual(cutOnes);
    expect((await init({ device: "webgpu", tuning: false })).tuned).toBe(0);
    expect([await dispatchesOf(32), await dispatchesOf(64)]).toEqual([1, 1]);
    expect((await init({ device: "cpu" })).tuned).toBe(0);
    expect(said).not.toHaveBeenCalled();
  });

  test("does without a file that is damaged, and says so once", async () => {
    vi.stubEnv("TILEGRAD_CACHE", folder);
    vi.stubEnv("TILEGRAD_TUNING", "");
    write("{");
    expect((await init({ device: "webgpu" })).tuned).toBe(0);
    expect(await dispatchesOf(32)).toBe(1);
    expect(said.mock.calls).toEqual([[expect.stringContaining(" is damaged, so it is not used")]]);
  });
});

test("the standard sizes are those that the standard workloads ask for", async () => {
  const device = deviceNamed("webgpu") as WebGpuDevice;
  const asked = new Set<string>();
  const names = ["matmul", "cnn", "lstm", "transformer", "mlp", ...(device.family === "gpu" ? ["gpt"] : [])];
  // Kernels are chosen, and need not run for that.
  const run = vi.spyOn(device, "run").mockImplementation(() => {});
  device.tuning = { size: 1, get: (bucket: string) => void asked.add(bucket) } as unknown as Tuning;
  try {
    for (const name of names) await workloads[name]!({ capture: false })();
  } finally {
    device.tuning = new Map();
    run.mockRestore();
  }
  const measured = new Set(standardCases(device, TUNED_OPS, false).map(({ bucket }) => bucket));
  expect(asked.size).toBeGreaterThan(30);
  expect([...asked].filter((bucket) => !measured.has(bucket))).toEqual([]);
});
