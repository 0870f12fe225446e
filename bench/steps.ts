/**
 * `npm run bench`: whole training steps of the standard workloads, plain and captured, beside other libraries where asked for.
 *
 * Every library has a process of its own per workload. They stay alive and take turns, so that what else the machine does
 * meets all of them; of each the best time of all rounds counts. Ratios hold for one run on one machine.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as tg from "../src/index.ts";
import { table } from "./table.ts";
import { workloads } from "./workloads.ts";

const here = fileURLToPath(new URL(".", import.meta.url));

interface Contestant {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

interface Figures {
  /** Milliseconds of the best step. */
  ms: number;
  /** Of the first call, with all compiling. */
  first: number;
  /** Of the code of a step, until it first waits, without handing the work to the driver: the median. */
  scriptMs?: number;
  dispatches?: number;
  submits?: number;
  /** On the GPU, in use or kept for the next step. */
  memoryBytes?: number;
}

type Outcome = Figures | { readonly error: string };

const OURS = "tilegrad";
const CAPTURED = "tilegrad captured";

function contestants(withPeers: boolean): Contestant[] {
  const node = process.execPath;
  const own = (name: string, ...args: string[]): Contestant => ({
    name,
    command: node,
    args: ["--import", "tsx", `${here}tilegrad.ts`, "WORKLOAD", ...args],
  });
  const list = [own(OURS), own(CAPTURED, "captured")];
  if (!withPeers) return list;
  if (!existsSync(`${here}node_modules`)) {
    console.error("bench: installing the peers' packages into bench/");
    const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: here,
      stdio: "inherit",
    });
    if (npm.status !== 0) throw new Error("the peers' packages cannot be installed");
  }
  for (const [name, file] of [
    ["TensorFlow.js", "tfjs"],
    ["jax-js", "jax-js"],
  ]) {
    for (const backend of ["webgpu", "wasm"]) {
      list.push({
        name: `${name} ${backend}`,
        command: node,
        args: ["--import", "tsx", `${here}peers/${file}.mjs`, "WORKLOAD", backend],
      });
    }
  }
  const python = ["python3", "/usr/bin/python3"].find((path) => spawnSync(path, ["-c", "import torch"]).status === 0);
  if (python) list.push({ name: "PyTorch", command: python, args: [`${here}peers/pytorch.py`, "WORKLOAD"] });
  else console.error("bench: no python3 with torch is found, so PyTorch is left out");
  return list;
}

/** A process that runs steps of one workload in one library. */
class Worker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor({ command, args }: Contestant, workload: string) {
    this.#child = spawn(
      command,
      args.map((arg) => (arg === "WORKLOAD" ? workload : arg)),
      { cwd: here, stdio: ["pipe", "pipe", "ignore"] },
    );
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** The next message of the worker; it skips what a library prints. */
  async next(): Promise<Record<string, unknown>> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) return { error: "the process ended" };
      try {
        return JSON.parse(value) as Record<string, unknown>;
      } catch {
        // not ours
      }
    }
  }

  run(steps: number): Promise<Record<string, unknown>> {
    this.#child.stdin!.write(`${JSON.stringify({ steps })}\n`);
    return this.next();
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}

async function measure(workload: string, list: readonly Contestant[], rounds: number, steps: number) {
  const outcomes = new Map<string, Outcome>();
  const running: { name: string; worker: Worker }[] = [];
  for (const contestant of list) {
    const { name } = contestant;
    console.error(`bench: ${workload}: starting ${name}`);
    const worker = new Worker(contestant, workload);
    const { error, first } = await worker.next();
    outcomes.set(
      name,
      error === undefined ? { ms: Number.POSITIVE_INFINITY, first: first as number } : { error: `${error}` },
    );
    if (error === undefined) running.push({ name, worker });
    else worker.stop();
  }
  const scripts = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const { name, worker } of running) {
      const { times, error, scriptMs, ...figures } = await worker.run(steps);
      const outcome = outcomes.get(name)!;
      if (error !== undefined) outcomes.set(name, { error: `${error}` });
      else if ("ms" in outcome) Object.assign(outcome, figures, { ms: Math.min(outcome.ms, ...(times as number[])) });
      if (scriptMs) scripts.set(name, [...(scripts.get(name) ?? []), ...(scriptMs as number[])]);
    }
  }
  for (const [name, times] of scripts) {
    times.sort((a, b) => a - b);
    Object.assign(outcomes.get(name)!, { scriptMs: times[times.length >> 1] });
  }
  for (const { worker } of running) worker.stop();
  return outcomes;
}

export interface StepsOptions {
  readonly peers: boolean;
  /** Workloads; default all that suit the adapter. */
  readonly only: readonly string[] | undefined;
  readonly rounds: number;
  readonly steps: number;
  readonly json: boolean;
}

/** The command. @throws ValueError for a workload that does not exist */
export async function benchSteps({ peers, only, rounds, steps, json }: StepsOptions): Promise<void> {
  const { adapter } = await tg.init({ device: "webgpu" });
  const { description, family } = adapter!;
  const names = only ?? Object.keys(workloads).filter((name) => family === "gpu" || name !== "gpt");
  const unknown = names.find((name) => !workloads[name]);
  if (unknown !== undefined) {
    throw new tg.ValueError(`bench: there is no workload "${unknown}", expected ${Object.keys(workloads).join(", ")}`);
  }
  const list = contestants(peers);
  const results: Results = {};
  for (const name of names) results[name] = Object.fromEntries(await measure(name, list, rounds, steps));
  if (json) console.log(JSON.stringify({ adapter: description, results }));
  else print(description, list, results);
}

type Results = Record<string, Record<string, Outcome>>;

function print(adapter: string, list: readonly Contestant[], results: Results): void {
  const names = Object.keys(results);
  console.log(`\nMilliseconds per step, and how many times as long as tilegrad takes\n${adapter}\n`);
  console.log(
    table(
      ["", ...names],
      [
        ...list.map(({ name }) => [
          name,
          ...names.map((workload) => {
            const outcome = results[workload]![name]!;
            if ("error" in outcome) return "fails";
            const ours = results[workload]![OURS]!;
            const ratio = "ms" in ours ? ` (${(outcome.ms / ours.ms).toFixed(2)})` : "";
            return `${outcome.ms.toFixed(1)}${name === OURS ? "" : ratio}`;
          }),
        ]),
      ],
    ),
  );
  console.log("\nA step of tilegrad\n");
  const figures: [string, (figures: Figures) => string][] = [
    ["first call, ms", ({ first }) => first.toFixed(0)],
    ["JavaScript, ms", ({ scriptMs }) => scriptMs!.toFixed(2)],
    ["dispatches", ({ dispatches }) => dispatches!.toFixed(0)],
    ["submits", ({ submits }) => submits!.toFixed(0)],
    ["GPU memory, MB", ({ memoryBytes }) => (memoryBytes! / 1e6).toFixed(1)],
  ];
  console.log(
    table(
      ["", ...names.flatMap((name) => [name, "captured"])],
      [
        ...figures.map(([label, format]) => [
          label,
          ...names.flatMap((workload) =>
            [OURS, CAPTURED].map((name) => {
              const outcome = results[workload]![name]!;
              return "error" in outcome ? "fails" : format(outcome);
            }),
          ),
        ]),
      ],
    ),
  );
  for (const [workload, outcomes] of Object.entries(results)) {
    for (const [name, outcome] of Object.entries(outcomes)) {
      if ("error" in outcome) console.log(`\n${workload}, ${name}: ${outcome.error}`);
    }
  }
}
