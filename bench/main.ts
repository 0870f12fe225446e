/**
 * `npm run bench`: milliseconds per training step of the standard workloads, beside other libraries where asked for.
 *
 *     npm run bench                        tilegrad, plain and captured
 *     npm run bench -- --peers             TensorFlow.js and jax-js too (installed into bench/ then), PyTorch where python3 has it
 *     npm run bench -- --only cnn,lstm     some workloads
 *     npm run bench -- --json              one object instead of tables
 *
 * Every library has a process of its own per workload. They stay alive and take turns, so that what else the machine does
 * meets all of them; of each the best time of all rounds counts. Ratios hold for one run on one machine.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type OptionTable, parseOptions } from "../src/cli/options.ts";
import * as tg from "../src/index.ts";
import { workloads } from "./workloads.ts";

const here = fileURLToPath(new URL(".", import.meta.url));

const OPTIONS = {
  peers: { type: "flag", help: "measure other libraries too" },
  only: { type: "string", value: "NAMES", help: `workloads, with commas: ${Object.keys(workloads).join(", ")}` },
  rounds: { type: "integer", min: 1, default: 5, help: "turns of each library" },
  steps: { type: "integer", min: 1, default: 3, help: "steps in a turn" },
  json: { type: "flag", help: "print one JSON object" },
} as const satisfies OptionTable;

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
  /** Of a step, until the code first waits. */
  scriptMs?: number;
  dispatches?: number;
  submits?: number;
  peakBytes?: number;
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
  for (let round = 0; round < rounds; round++) {
    for (const { name, worker } of running) {
      const { times, error, ...figures } = await worker.run(steps);
      const outcome = outcomes.get(name)!;
      if (error !== undefined) outcomes.set(name, { error: `${error}` });
      else if ("ms" in outcome) Object.assign(outcome, figures, { ms: Math.min(outcome.ms, ...(times as number[])) });
    }
  }
  for (const { worker } of running) worker.stop();
  return outcomes;
}

const { values } = parseOptions("bench", OPTIONS, process.argv.slice(2));
const names = values.only?.split(",") ?? Object.keys(workloads);
for (const name of names) {
  if (!workloads[name])
    throw new Error(`bench: there is no workload "${name}"; known: ${Object.keys(workloads).join(", ")}`);
}
const { adapter } = await tg.init({ device: "webgpu" });
const list = contestants(values.peers);
const results: Record<string, Record<string, Outcome>> = {};
for (const name of names) {
  results[name] = Object.fromEntries(await measure(name, list, values.rounds, values.steps));
}
if (values.json) console.log(JSON.stringify({ adapter: adapter!.description, results }));
else print();
process.exit(0);

function print(): void {
  console.log(`\nMilliseconds per step, and how many times as long as tilegrad takes\n${adapter!.description}\n`);
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
  );
  console.log("\nA step of tilegrad\n");
  const figures: [string, (figures: Figures) => string][] = [
    ["first call, ms", ({ first }) => first.toFixed(0)],
    ["JavaScript until the first wait, ms", ({ scriptMs }) => scriptMs!.toFixed(2)],
    ["dispatches", ({ dispatches }) => dispatches!.toFixed(0)],
    ["submits", ({ submits }) => submits!.toFixed(0)],
    ["memory, live and pooled, MB", ({ peakBytes }) => (peakBytes! / 1e6).toFixed(1)],
  ];
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
  );
  for (const [workload, outcomes] of Object.entries(results)) {
    for (const [name, outcome] of Object.entries(outcomes)) {
      if ("error" in outcome) console.log(`\n${workload}, ${name}: ${outcome.error}`);
    }
  }
}

/** A table in Markdown. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((cell, column) => Math.max(cell.length, 3, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  console.log([line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n"));
}
