/** A run as its folder tells it. Files that are missing or broken are no error: the run may have just begun, or be old. */
import { readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { RunResult } from "../classifier-run.ts";
import type { About } from "./about.ts";
import type { Predictions } from "./predictions.ts";
import { asObject, type Point, parseObject, readLog } from "./run-log.ts";

/** "running": it has been written to lately. "stopped": it has not, and it has no result. */
export type RunStatus = "running" | "finished" | "stopped";

/** What stands in a run's JSON files, as far as it does. */
export interface RunFacts {
  readonly name: string;
  readonly status: RunStatus;
  readonly config: Readonly<Record<string, unknown>>;
  readonly about: Partial<About>;
  readonly result: Partial<RunResult> | null;
}

export interface RunView extends RunFacts {
  readonly points: readonly Point[];
  readonly predictions: Predictions | null;
}

/** Seconds without a new line after which a run without a result counts as stopped. */
const QUIET_SECONDS = 120;

/** Reads what a run's folder tells now. */
export async function readRunView(path: string): Promise<RunView> {
  const text = await readFile(join(path, "metrics.jsonl"), "utf8").catch(() => "");
  return {
    ...(await readRunFacts(path)),
    points: readLog(text),
    predictions: (await readObject(join(path, "predictions.json"))) as Predictions | null,
  };
}

/** The same without the curves and predictions. */
export async function readRunFacts(path: string): Promise<RunFacts> {
  const [config, about, result] = await Promise.all(
    ["config.json", "about.json", "result.json"].map((name) => readObject(join(path, name))),
  );
  return {
    name: basename(resolve(path)),
    status: result ? "finished" : (await quietSeconds(path)) < QUIET_SECONDS ? "running" : "stopped",
    config: config ?? {},
    about: about ?? {},
    result: result ?? null,
  };
}

/** A setting with its dotted name. */
export type Setting = readonly [name: string, value: string];

/** What was asked for: the values in a config by their dotted names, the long lists among them by their lengths. */
export function settingsOf(config: RunFacts["config"]): Setting[] {
  return Object.entries(config).flatMap(([name, value]) => flatten(name, value));
}

const LONGEST_LIST = 12;

function flatten(name: string, value: unknown): Setting[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) {
    const isShort = value.length <= LONGEST_LIST && value.every((item) => typeof item !== "object");
    return [[name, isShort ? value.map(plain).join(", ") : `${value.length.toLocaleString("en")} entries`]];
  }
  const entries = Object.entries(asObject(value) ?? {});
  if (entries.length > 0) return entries.flatMap(([key, inner]) => flatten(`${name}.${key}`, inner));
  return [[name, plain(value)]];
}

const DIGITS = 6;

function plain(value: unknown): string {
  if (typeof value === "number") return String(Number(value.toPrecision(DIGITS)));
  return typeof value === "string" ? value : JSON.stringify(value);
}

async function readObject(file: string): Promise<Record<string, unknown> | null> {
  return parseObject(await readFile(file, "utf8").catch(() => ""));
}

// The checkpoint and the log are written as long as it goes.
async function quietSeconds(path: string): Promise<number> {
  const files = ["metrics.jsonl", "checkpoint.safetensors", "config.json"];
  const times = await Promise.all(
    files.map((name) =>
      stat(join(path, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return (Date.now() - Math.max(...times)) / 1000;
}
