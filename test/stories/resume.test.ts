/** A run that is stopped or killed goes on as if nothing had happened. */
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomNumbers } from "../check.ts";
import { type Run, tilegrad } from "../command.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-resume-"));
afterAll(() => rmSync(folder, { recursive: true }));

const data = join(folder, "data.csv");
const words = ["cat", "dog", "bus", "car", "the", "a", "red", "old", "sat", "ran"];
const random = randomNumbers(3);
const text = () => Array.from({ length: 4 }, () => words[Math.floor(10 * random())]).join(" ");
const rows = Array.from({ length: 160 }, text).map((row) => `${row},${/cat|dog/.test(row) ? "animal" : "none"}`);
writeFileSync(data, `text,label\n${rows.join("\n")}\n`);

const SETTINGS = [
  ...["--epochs", "3", "--batch", "8", "--features", "16", "--heads", "2", "--layers", "1", "--feed-forward", "16"],
  ...["--dropout", "0.2", "--schedule", "cosine", "--warmup", "5", "--save-every", "2"],
];
const whole = join(folder, "whole");
let wholeRun: Run;
const start = (out: string, watch?: Parameters<typeof tilegrad>[1]) =>
  tilegrad(["train", "text", "--train", data, "--test", data, "--out", out, ...SETTINGS], watch);
const resume = (out: string, watch?: Parameters<typeof tilegrad>[1]) =>
  tilegrad(["train", "text", "--resume", out, "--save-every", "2"], watch);

beforeAll(async () => {
  wholeRun = await start(whole);
});

/** What must be equal, apart from times. */
function outcome(out: string) {
  const read = (name: string) => readFileSync(join(out, name), "utf8");
  const { seconds, examplesPerSecond, ...result } = JSON.parse(read("result.json"));
  const lines = read("metrics.jsonl").trim().split("\n");
  const log = lines.map((line) => {
    const { seconds, examplesPerSecond, steps, ...entry } = JSON.parse(line);
    return entry;
  });
  return { result, log, model: readFileSync(join(out, "model.safetensors")) };
}

test("the uninterrupted run ends", () => expect(wholeRun).toMatchObject({ code: 0, stderr: "" }));

test("Ctrl-C finishes the step, saves, says how to go on, and exits with 130", async () => {
  const out = join(folder, "interrupted");
  let asked = false;
  const stopped = await start(out, {
    watch: (child, stdout) => {
      if (asked || !stdout.includes("1/3")) return;
      asked = true;
      child.kill("SIGINT");
    },
  });
  expect(stopped.code).toBe(130);
  expect(stopped.stderr).toMatch(
    /stopping after this step[^\n]*\ntilegrad: the training was stopped after .*; go on with --resume \S+interrupted\n$/,
  );
  expect(await resume(out)).toMatchObject({ code: 0, stderr: "" });
  expect(outcome(out)).toEqual(outcome(whole));
});

/** Starts a run, kills it six times, each some milliseconds after its first line, and lets it end. */
async function killed(name: string, milliseconds: () => number): Promise<void> {
  const out = join(folder, name);
  for (let kills = 0; ; kills++) {
    let isTimed = false;
    const watch = (child: ChildProcess, stdout: string) => {
      if (isTimed || stdout === "" || kills >= 6) return;
      isTimed = true;
      setTimeout(() => child.kill("SIGKILL"), milliseconds());
    };
    // Before its first checkpoint, a run begins anew.
    const run = await (existsSync(join(out, "checkpoint.safetensors")) ? resume : start)(out, { watch });
    if (run.code === 0) break;
    expect(run.code, run.stderr).toBe(null);
  }
  expect(outcome(out)).toEqual(outcome(whole));
}

describe("a run that is killed at any moment", () => {
  // Seven processes, one after the other.
  test("goes on in the same bits", { timeout: 300_000 }, () => killed("killed", () => 400 + 1500 * random()));

  test("sixty times", { tags: ["slow"] }, async () => {
    for (let i = 0; i < 10; i++) await killed(`killed-${i}`, () => 100 + 2500 * random());
  });
});

test("what cannot be resumed is refused in one line", async () => {
  const refused = async (args: readonly string[], message: RegExp) => {
    const { code, stderr } = await tilegrad(["train", "text", ...args]);
    expect({ code, lines: stderr.split("\n").length }, stderr).toEqual({ code: 2, lines: 2 });
    expect(stderr).toMatch(message);
  };
  await refused(["--resume", join(folder, "nowhere")], /nowhere.config\.json: does not exist/);
  await refused(
    ["--resume", whole, "--lr", "1"],
    /--lr is settled by the run that is resumed; only --save-every, --epochs/,
  );
  const damaged = join(folder, "interrupted", "checkpoint.safetensors");
  writeFileSync(damaged, readFileSync(damaged).subarray(0, 1000));
  await refused(["--resume", join(folder, "interrupted")], /checkpoint\.safetensors: is truncated/);
  writeFileSync(data, `text,label\n${rows.slice(1).join("\n")}\na lynx ran,none\na lynx sat,none\n`);
  await refused(["--resume", whole], /the vocab of the data are no longer those of the run/);
});
