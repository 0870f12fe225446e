/**
 * A run's folder: `config.json` (what was asked for, and what is needed to use the model), `metrics.jsonl` (a line per
 * report and per epoch), `model.safetensors` (the best epoch's parameters), `checkpoint.safetensors` (where it is, to go on
 * from there), `result.json` (how it ended), and for people: `about.json` (what it runs on and trains), `predictions.json`
 * (what it takes for what, and its worst mistakes), `report.html` (all of that as a page), `events.out.tfevents.*` (for
 * TensorBoard), `trace.json` (what its kernels took, where that was asked for).
 */
import { appendFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../gpu/errors.ts";
import { readFileChecked, writeFileAtomic } from "../io/files-node.ts";
import { parseState, serializeState } from "../io/state.ts";
import type { Module } from "../nn/index.ts";
import type { EpochReport, StepReport } from "./callbacks.ts";

/**
 * A line of metrics.jsonl after some steps, by default every tenth. The metrics stand beside the other fields, whose
 * names no metric may have.
 */
export type StepLine = { readonly event: "step" } & StepReport<never> & {
    readonly [metric: string]: number | "step" | null;
  };

/** A line of metrics.jsonl after an epoch. */
export type EpochLine = { readonly event: "epoch" } & EpochReport;

export type LogLine = StepLine | EpochLine;

// By a run, besides config.json, which it writes anew.
const WRITTEN = [
  "result.json",
  "metrics.jsonl",
  "model.safetensors",
  "checkpoint.safetensors",
  "about.json",
  "predictions.json",
  "report.html",
  "trace.json",
];

export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes the folder, and removes what an earlier run left in it. @throws DataError if it cannot be made */
  static async create(path: string): Promise<RunFolder> {
    try {
      await mkdir(path, { recursive: true });
      const events = (await readdir(path)).filter((file) => file.startsWith("events.out.tfevents."));
      for (const file of [...WRITTEN, ...events]) await rm(join(path, file), { force: true });
    } catch (cause) {
      throw new DataError(
        `${path}: the run's folder cannot be made (${(cause as Error).message}); choose another with --out`,
        { cause },
      );
    }
    return new RunFolder(path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await writeFileAtomic(this.file(name), new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`));
  }

  /** Adds a line to metrics.jsonl. */
  async log(line: LogLine): Promise<void> {
    await appendFile(this.file("metrics.jsonl"), `${JSON.stringify(line)}\n`);
  }

  /** Removes the log's lines of what comes after a checkpoint, which will happen again. */
  async rewindLog({ step, epoch }: { readonly step: number; readonly epoch: number }): Promise<void> {
    const file = this.file("metrics.jsonl");
    const text = await readFile(file, "utf8").catch(() => "");
    const isBefore = (line: string) => {
      try {
        const entry = JSON.parse(line) as { event: string; step: number; epoch: number };
        return entry.event === "epoch" ? entry.epoch < epoch : entry.step <= step;
      } catch {
        return false; // a line that was cut
      }
    };
    const lines = text.split("\n").filter((line) => line !== "" && isBefore(line));
    await writeFileAtomic(file, new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
  }

  async saveModel(model: Module): Promise<void> {
    await writeFileAtomic(this.file("model.safetensors"), await serializeState(model.stateDict()));
  }

  /** @throws DataError if the file is not there, damaged, or of another model */
  async loadModel(model: Module): Promise<void> {
    const file = this.file("model.safetensors");
    const state = parseState(await readFileChecked(file), { file });
    try {
      model.loadStateDict(state);
    } catch (cause) {
      throw new DataError(`${file}: does not fit the run's config.json (${(cause as Error).message})`, { cause });
    }
  }

  /** @throws DataError if the file is not there or no JSON object */
  async readConfig(): Promise<Record<string, unknown>> {
    const file = this.file("config.json");
    const text = new TextDecoder().decode(await readFileChecked(file));
    try {
      const config: unknown = JSON.parse(text);
      if (typeof config === "object" && config !== null && !Array.isArray(config))
        return config as Record<string, unknown>;
    } catch {
      // reported below
    }
    throw new DataError(`${file}: is no JSON object; is ${this.path} the folder of a finished run?`);
  }
}
