/**
 * Mutation testing: breaks the kernels in many small ways and tells which test notices.
 *
 *     npm run mutants                      a seeded sample: eight mutants of each entry, fewer of other functions
 *     npm run mutants -- softmax exp       of the files and elementwise ops whose paths or names contain one of these
 *     npm run mutants -- --all softmax     every mutant
 *
 * What is broken (mutate.ts): every function that an entry of a `.wgsl` file reaches, those of kernels/lib that kernels
 * call, and the expressions that TypeScript appends, foremost f, df, dfa and dfb of the elementwise tables. How: a bound
 * or an index off by one, swapped components and params, a dropped term, store, call, barrier or guard, a negated
 * condition, another operator or constant.
 *
 * How it runs: starting vitest for each mutant would take seconds, so a test process (worker.ts, a setup file of vitest)
 * takes many. It runs a test file once as it is and notes which kernel entries each test dispatches. Then, for each mutant,
 * it runs those tests again that reach the broken function, the fastest first, up to the first that fails; the device is given
 * kernels with the mutant in their text. A failure counts only if the same test passes right afterwards with the kernel whole,
 * so nothing that a mutant leaves behind is taken for a catch. A mutant that does not compile is left out. One that hangs
 * the GPU takes its process along and is caught by that. Two test processes run at a time.
 *
 * Which tests (mutants.ts): those in the kernel's folder, or for shared files and folders without tests those beside
 * what imports it, short ones first. They run with the kernel family that suits the adapter and, for what they do not reach
 * or do not notice, with the other one; for files named -gpu the other way round. For a mutant that is listed as changing nothing,
 * the first file that reaches it will do.
 *
 * A survivor is either killed by a new test or listed in equivalent.ts, with the reason why it changes nothing.
 * Exits with 1 if there is one that is not listed, or if a test fails by itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type Equivalent, equivalents } from "./equivalent.ts";
import { findMutants, type Mutant, root } from "./mutants.ts";
import type { Job, Record, Result } from "./worker.ts";

const LANES = Math.min(2, availableParallelism());
// Small enough that both lanes have work to the end, large enough that a test file's first run is no great part.
const MIN_MUTANTS_PER_PROCESS = 16;
/** A process that writes nothing for so long is stuck. */
const SILENCE_SECONDS = 600;

/** A test file, and what TILEGRAD_TEST says: "rest" is the kernel family that does not suit a software adapter. */
interface Attempt {
  readonly test: string;
  readonly mode: "" | "rest";
}

interface State {
  readonly mutant: Mutant;
  readonly attempts: Attempt[];
  wasReached: boolean;
  restarts: number;
  /** Set when there is nothing more to try. */
  verdict?: { readonly outcome: "caught" | "survived" | "unreached" | "invalid"; readonly by?: string };
}

const folder = mkdtempSync(join(tmpdir(), "tilegrad-mutants-"));
const children = new Set<ChildProcess>();
const workers = new Set<number>();
const troubles = new Set<string>();

function stopEverything(): void {
  for (const pid of workers) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it has ended
    }
  }
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => !arg.startsWith("--"));
  const unknown = args.find((arg) => arg.startsWith("--") && arg !== "--all");
  if (unknown) throw new Error(`unknown option ${unknown}; usage: npm run mutants -- [--all] [NAME ...]`);
  const { every, chosen } = findMutants(names, args.includes("--all"));
  if (chosen.length === 0) throw new Error(`nothing to break has a name like ${names.join(", ")}`);
  console.log(`${chosen.length} of ${every.length} mutants`);

  const start = performance.now();
  const states = chosen.map((mutant): State => {
    const modes: Attempt["mode"][] = isGuess(mutant) ? [""] : /-gpu\b/.test(mutant.file) ? ["rest", ""] : ["", "rest"];
    const attempts = modes.flatMap((mode) => mutant.tests.map((test) => ({ test, mode })));
    return { mutant, attempts, wasReached: false, restarts: 0 };
  });
  for (const state of states) if (state.attempts.length === 0) conclude(state, "unreached");
  const conclusion = () => report(states, every, (performance.now() - start) / 1000);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      conclusion();
      process.exit(130);
    });
  }
  const busy = new Map<number, Set<State>>();
  await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(lane, states, busy)));
  return conclusion();
}

/**
 * Takes pieces of work until there are none: the test file for which most mutants wait. All of them are the lane's until
 * the test process has found out which ones a test reaches, and leaves half of those to the other lane.
 */
async function runLane(lane: number, states: readonly State[], busy: Map<number, Set<State>>): Promise<void> {
  for (;;) {
    const taken = new Set([...busy.values()].flatMap((set) => [...set]));
    const waiting = new Map<string, State[]>();
    for (const state of states) {
      if (state.verdict || taken.has(state)) continue;
      const key = JSON.stringify(state.attempts[0]);
      waiting.set(key, [...(waiting.get(key) ?? []), state]);
    }
    const [next] = [...waiting].sort(([, a], [, b]) => b.length - a.length);
    if (!next) {
      if (taken.size === 0) return;
      // The other lane may leave mutants for another test file.
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    const [key, all] = next;
    busy.set(lane, new Set(all));
    await runProcess(JSON.parse(key) as Attempt, all, states, (taken) => busy.set(lane, new Set(taken)));
    busy.delete(lane);
  }
}

let processes = 0;
// By test file: which tests may not be fit to run twice in a process.
const suspectsOf = new Map<string, Set<string>>();

/** Runs one test process until it has answered for every mutant that it takes or has died. */
async function runProcess(
  { test, mode }: Attempt,
  piece: readonly State[],
  states: readonly State[],
  onTaken: (taken: readonly State[]) => void,
): Promise<void> {
  const path = join(folder, `${processes++}`);
  const suspects = [...(suspectsOf.get(test) ?? [])];
  const job: Job = {
    mutants: piece.map((state) => [states.indexOf(state), state.mutant]),
    atLeast: MIN_MUTANTS_PER_PROCESS,
    suspects,
    log: `${path}.log`,
  };
  writeFileSync(`${path}.json`, JSON.stringify(job));
  const env: NodeJS.ProcessEnv = { ...process.env, TILEGRAD_MUTANTS: `${path}.json`, TILEGRAD_TEST: mode };
  if (mode === "") delete env.TILEGRAD_TEST;
  env.GALLIVM_PERF = "nopt"; // Mesa's software adapter compiles faster what runs only once
  const args = ["node_modules/vitest/vitest.mjs", "run", test, "--config", "test/mutants/vitest.config.ts"];
  if (mode === "") args.push("--tags-filter=!slow");
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => (output = (output + data).slice(-20_000)));

  const label = mode === "" ? test : `${test} with TILEGRAD_TEST=${mode}`;
  let read = 0;
  let begun: State | null = null;
  let pid = 0;
  let answers = 0;
  let lastRecord = performance.now();
  const readLog = () => {
    const lines = existsSync(job.log) ? readFileSync(job.log, "utf8").split("\n").slice(0, -1) : [];
    for (; read < lines.length; read++) {
      lastRecord = performance.now();
      const record = JSON.parse(lines[read]!) as Record;
      if (record.type === "started") workers.add((pid = record.pid));
      if (record.type === "tests") {
        for (const name of record.failed) troubles.add(`${label}: "${name}" fails by itself`);
        for (const name of record.unrepeatable)
          troubles.add(`${test}: "${name}" cannot run twice in a process, so it catches nothing here`);
      }
      if (record.type === "takes") onTaken(record.mutants.map((number) => states[number]!));
      if (record.type === "begin") begun = states[record.mutant]!;
      if (record.type === "end") {
        settle(states[record.mutant]!, record.result);
        answers++;
        begun = null;
      }
    }
    if (performance.now() - lastRecord < SILENCE_SECONDS * 1000) return;
    if (pid) process.kill(pid, "SIGKILL");
    child.kill("SIGKILL");
  };
  const timer = setInterval(readLog, 250);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearInterval(timer);
  readLog();
  workers.delete(pid);
  children.delete(child);
  // Whoever was on its way when the process died has killed it, if it does so twice.
  if (begun) {
    settle(begun, { outcome: "again" });
    answers++;
  }
  if (answers > 0) return;
  // Vitest is content with a file none of whose tests is for this mode.
  if (code !== 0) {
    const tail = output.trim().split("\n").slice(-25).join("\n  ");
    troubles.add(`${label} does not run:\n  ${tail}`);
  }
  for (const state of piece) settle(state, { outcome: "unreached" });
}

function settle(state: State, result: Result): void {
  const attempt = state.attempts[0]!;
  if (result.outcome === "caught") {
    conclude(state, "caught", `${relative("src", attempt.test)} > ${result.test}: ${result.message}`);
  } else if (result.outcome === "invalid") {
    conclude(state, "invalid");
  } else if (result.outcome === "again") {
    if (result.test) suspectsOf.set(attempt.test, (suspectsOf.get(attempt.test) ?? new Set()).add(result.test));
    if (++state.restarts > 1)
      conclude(state, "caught", `${relative("src", attempt.test)}: the device does not survive it`);
  } else {
    state.wasReached ||= result.outcome === "survived";
    state.attempts.shift();
    if (state.wasReached && listed(state.mutant)) state.attempts.length = 0;
    if (state.wasReached && isShared(state.mutant))
      while (state.attempts[0] && state.attempts[0].mode !== attempt.mode) state.attempts.shift();
    if (state.attempts.length > 0) return;
    if (state.wasReached) conclude(state, "survived");
    else conclude(state, isGuess(state.mutant) ? "invalid" : "unreached");
  }
}

/** What both families of kernels use in the same way: one that has reached and passed it says all. */
function isShared({ file, appended }: Mutant): boolean {
  return appended !== undefined || file.startsWith("src/kernels/lib/");
}

/** A literal that looks like WGSL; if no kernel has it, it is none. */
function isGuess({ appended }: Mutant): boolean {
  return appended !== undefined && appended.kernel === undefined;
}

function conclude(state: State, outcome: NonNullable<State["verdict"]>["outcome"], by?: string): void {
  state.verdict = by === undefined ? { outcome } : { outcome, by };
  if (outcome === "invalid") return;
  const words = { caught: "caught   ", survived: "SURVIVED ", unreached: "UNREACHED" };
  console.log(`${words[outcome]} ${describe(state.mutant)}${by ? `\n          by ${by}` : ""}`);
}

function describe({ file, lineNumber, fn, kind, line, becomes }: Mutant): string {
  const where = `${relative("src/kernels", file)}:${lineNumber} ${fn}`;
  return `${where}, ${kind}: ${line}\n          -> ${becomes || "(nothing)"}`;
}

function listed(mutant: Mutant): Equivalent | undefined {
  return equivalents.find((entry) => isMatch(entry, mutant));
}

function isMatch({ file, fn, line, becomes }: Equivalent, mutant: Mutant): boolean {
  if (file !== undefined && mutant.file !== file) return false;
  if (fn !== undefined && mutant.fn !== fn) return false;
  return mutant.line.includes(line) && mutant.line.replace(line, () => becomes) === mutant.becomes;
}

function report(states: readonly State[], every: readonly Mutant[], seconds: number): number {
  const having = (outcome: string) => states.filter(({ verdict }) => verdict?.outcome === outcome);
  const alive = [...having("survived"), ...having("unreached")];
  const unlisted = alive.filter(({ mutant }) => !listed(mutant));

  const files = new Set(every.map(({ file }) => file));
  for (const entry of equivalents) {
    if (!entry.file || (existsSync(join(root, entry.file)) && !files.has(entry.file))) continue;
    if (!every.some((mutant) => isMatch(entry, mutant))) {
      troubles.add(`equivalent.ts lists what is not there: ${entry.file} ${entry.fn ?? ""}: ${entry.line}`);
    }
  }
  for (const { mutant, verdict } of having("caught")) {
    if (listed(mutant)?.file)
      troubles.add(`equivalent.ts lists what is caught by ${verdict!.by}:\n  ${describe(mutant)}`);
  }

  console.log("\ncaught  survived  listed  not WGSL");
  for (const file of new Set(states.map(({ mutant }) => mutant.file))) {
    const count = (all: readonly State[]) => String(all.filter(({ mutant }) => mutant.file === file).length);
    const listedHere = alive.filter((state) => !unlisted.includes(state));
    const columns = [having("caught"), unlisted, listedHere, having("invalid")].map(count);
    console.log(
      `${columns[0]!.padStart(6)}${columns[1]!.padStart(10)}${columns[2]!.padStart(8)}${columns[3]!.padStart(10)}  ${file}`,
    );
  }
  const open = states.filter(({ verdict }) => !verdict).length;
  if (open > 0) console.log(`\nstopped with ${open} mutants left`);
  const valid = states.length - having("invalid").length - open;
  console.log(
    `\n${having("caught").length} of ${valid} mutants caught in ${seconds.toFixed(0)} s, ${(seconds / Math.max(states.length - open, 1)).toFixed(2)} s each; ` +
      `${alive.length - unlisted.length} listed as equivalent; ${having("invalid").length} did not compile and are not counted`,
  );
  for (const trouble of troubles) console.log(`\n${trouble}`);
  if (unlisted.length > 0) console.log(`\n${unlisted.length} survivors:`);
  for (const { mutant, verdict } of unlisted) {
    console.log(`  ${describe(mutant)}${verdict!.outcome === "unreached" ? "\n          no test reaches it" : ""}`);
  }
  return unlisted.length > 0 || [...troubles].some((trouble) => /fails by itself|does not run/.test(trouble)) ? 1 : 0;
}

process.on("exit", stopEverything);
process.exitCode = await main().catch((error: Error) => {
  console.error(error.message);
  return 1;
});
