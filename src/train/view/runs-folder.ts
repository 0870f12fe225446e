/**
 * The runs in a folder and what happens to them, by looking again and again: that works on every file system, and costs a
 * few calls per run. Links to folders and logs are not followed, which may lead out of the folder.
 */
import { constants, type Stats } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { type Point, RunLog, thin } from "./run-log.ts";
import { type RunFacts, readRunFacts, type Setting, settingsOf } from "./run-view.ts";

/** A run as the page lists it. */
export interface RunCard extends Omit<RunFacts, "config" | "about"> {
  /** Its path from the folder, with slashes. */
  readonly id: string;
  readonly settings: readonly Setting[];
  readonly model: string | null;
  readonly started: string | null;
  readonly parameters: number | null;
  readonly stepsPerEpoch: number | null;
  /** How many epochs were asked for. */
  readonly epochs: number | null;
}

/** What a page is told, in this order: a run, then its points. After "reset" its points begin anew. */
export type RunEvent =
  | { readonly event: "run"; readonly data: RunCard }
  | { readonly event: "reset"; readonly data: { readonly id: string } }
  | { readonly event: "points"; readonly data: { readonly id: string; readonly points: readonly Point[] } }
  | { readonly event: "gone"; readonly data: { readonly id: string } };

const DEEPEST = 3; // folders below the one that is watched
const MOST_RUNS = 500;
const MOST_POINTS = 20_000; // of a run, in memory
const POINTS_SENT = 6000; // of a run, to a page that has just been opened

export class RunsFolder {
  readonly path: string;
  readonly #runs = new Map<string, Watched>();

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** Whether there is a run with this id; only then may its files be read. @returns its folder's path, or null */
  find(id: string): string | null {
    return this.#runs.get(id)?.path ?? null;
  }

  /** All that is known, for a page that has just been opened. */
  snapshot(): RunEvent[] {
    return [...this.#runs].flatMap(([id, { card, log }]): RunEvent[] => [
      ...(card ? [{ event: "run" as const, data: card }] : []),
      { event: "points", data: { id, points: thin(log.points, POINTS_SENT) } },
    ]);
  }

  /** Looks, and tells what has changed since it looked last. One call at a time. */
  async look(): Promise<RunEvent[]> {
    const found = await this.#find(this.path, 0);
    const events: RunEvent[] = [];
    for (const id of this.#runs.keys()) {
      if (found.has(id)) continue;
      this.#runs.delete(id);
      events.push({ event: "gone", data: { id } });
    }
    for (const [id, path] of found) {
      const run = this.#runs.get(id) ?? new Watched(id, path);
      this.#runs.set(id, run);
      events.push(...(await run.look()));
    }
    return events;
  }

  async #find(folder: string, depth: number): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const isRun = entries.some((entry) => entry.isFile() && ["metrics.jsonl", "about.json"].includes(entry.name));
    if (isRun) found.set(relative(this.path, folder).replaceAll(sep, "/") || ".", folder);
    for (const entry of entries) {
      if (depth === DEEPEST || found.size >= MOST_RUNS) break;
      if (!entry.isDirectory() || entry.name.startsWith(".") || entry.name === "node_modules") continue;
      for (const [id, path] of await this.#find(join(folder, entry.name), depth + 1)) found.set(id, path);
    }
    return found;
  }
}

/** One run that is watched. */
class Watched {
  readonly path: string;
  readonly log: TailedLog;
  card: RunCard | null = null;
  readonly #id: string;

  constructor(id: string, path: string) {
    this.#id = id;
    this.path = path;
    this.log = new TailedLog(join(path, "metrics.jsonl"));
  }

  async look(): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    const card = await this.#read();
    if (JSON.stringify(card) !== JSON.stringify(this.card)) {
      this.card = card;
      events.push({ event: "run", data: card });
    }
    const { isNew, points } = await this.log.read();
    if (isNew) events.push({ event: "reset", data: { id: this.#id } });
    if (points.length > 0) events.push({ event: "points", data: { id: this.#id, points } });
    return events;
  }

  #signature = "";
  #facts: RunFacts | null = null;

  // The files are read again only if they have changed, or while their age matters.
  async #read(): Promise<RunCard> {
    const files = ["config.json", "about.json", "result.json"].map((name) => join(this.path, name));
    const signature = (await Promise.all(files.map(async (file) => identity(await statOf(file))))).join();
    if (!this.#facts || signature !== this.#signature || this.#facts.status !== "finished") {
      this.#facts = await readRunFacts(this.path);
      this.#signature = signature;
    }
    return cardOf(this.#id, this.#facts);
  }
}

function cardOf(id: string, { config, about, ...facts }: RunFacts): RunCard {
  const training = config.training as { epochs?: number } | undefined;
  const model = facts.result?.model ?? (config.model as { model?: string } | undefined)?.model;
  return {
    ...facts,
    id,
    name: id === "." ? facts.name : id,
    settings: settingsOf(config),
    model: typeof model === "string" ? model : null,
    started: about.started ?? null,
    parameters: facts.result?.parameters ?? about.parameters ?? null,
    stepsPerEpoch: about.stepsPerEpoch ?? null,
    epochs: typeof training?.epochs === "number" ? training.epochs : null,
  };
}

/** A log that is read as it grows. A line counts once its end is there. */
export class TailedLog {
  points: readonly Point[] = [];
  readonly #file: string;
  #lines = new RunLog();
  #read = 0; // bytes
  #identity = "";

  constructor(file: string) {
    this.#file = file;
  }

  /** @returns the points that have come, and whether it is another file than before, or has been cut */
  async read(): Promise<{ isNew: boolean; points: readonly Point[] }> {
    // A link would lead elsewhere.
    const handle = await open(this.#file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch(() => null);
    if (!handle) return { isNew: this.#restart(""), points: [] };
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) return { isNew: false, points: [] };
      const same = `${stats.ino}:${stats.birthtimeMs}`;
      const isNew = (same !== this.#identity || stats.size < this.#read) && this.#restart(same);
      this.#identity = same;
      const bytes = Buffer.alloc(Math.max(0, stats.size - this.#read));
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, this.#read);
      const end = bytes.subarray(0, bytesRead).lastIndexOf("\n") + 1;
      this.#read += end;
      const lines = bytes.toString("utf8", 0, end).split("\n");
      const points = lines.flatMap((line) => this.#lines.read(line) ?? []);
      this.points = [...this.points, ...points];
      if (this.points.length > MOST_POINTS) this.points = thin(this.points, MOST_POINTS / 2);
      return { isNew, points: points.length > POINTS_SENT ? thin(points, POINTS_SENT) : points };
    } finally {
      await handle.close();
    }
  }

  /** @returns whether there was something to forget */
  #restart(identity: string): boolean {
    const had = this.#read > 0;
    this.points = [];
    this.#lines = new RunLog();
    this.#read = 0;
    this.#identity = identity;
    return had;
  }
}

function statOf(file: string): Promise<Stats | null> {
  return lstat(file).catch(() => null);
}

function identity(stats: Stats | null): string {
  return stats ? `${stats.ino}:${stats.size}:${stats.mtimeMs}` : "-";
}
