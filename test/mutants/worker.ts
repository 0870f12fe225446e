/**
 * The side of the mutation testing that runs in a test process, as a setup file: see main.ts. It notes which kernel
 * entries each test dispatches; when all tests have run, it runs them again with one mutant after the other.
 */
import { appendFileSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeEach, type RunnerTestCase, type RunnerTestSuite, TestRunner } from "vitest";
import { findAdapter, openDevice } from "../../src/gpu/adapter.ts";
import type { Family, Kernel } from "../../src/gpu/kernel.ts";
import { platform } from "../../src/gpu/platform.ts";
import { WebGpuDevice } from "../../src/gpu/webgpu.ts";
import { paramsAsUniform, parseWgsl } from "../../src/gpu/wgsl.ts";
import type { Mutant } from "./mutants.ts";
import { blankComments, functionsOf, mutate, reachedFrom } from "./mutate.ts";

/** What main.ts asks of a test process. */
export interface Job {
  /** By their numbers in main.ts. */
  readonly mutants: readonly (readonly [number, Mutant])[];
  /** Of those that a test reaches, it tries half, but no fewer than this. */
  readonly atLeast: number;
  /** Tests that have failed with the kernels whole, after a mutant: they are looked at first. */
  readonly suspects: readonly string[];
  /** Where the records go, one per line. */
  readonly log: string;
}

export type Result =
  | { readonly outcome: "caught"; readonly test: string; readonly message: string }
  /** Every test that reaches it passes. */
  | { readonly outcome: "survived" }
  /** No test of this file reaches it. */
  | { readonly outcome: "unreached" }
  /** Not WGSL any more. */
  | { readonly outcome: "invalid" }
  /** Nothing is known: the test fails with the kernel whole too, or the process has died. */
  | { readonly outcome: "again"; readonly test?: string };

export type Record =
  | { readonly type: "started"; readonly pid: number }
  | { readonly type: "tests"; readonly failed: readonly string[]; readonly unrepeatable: readonly string[] }
  | { readonly type: "alive" }
  /** What it is going to try; the other mutants are unreached or left to another process. */
  | { readonly type: "takes"; readonly mutants: readonly number[] }
  | { readonly type: "begin"; readonly mutant: number }
  | { readonly type: "end"; readonly mutant: number; readonly result: Result };

const job = JSON.parse(readFileSync(process.env.TILEGRAD_MUTANTS!, "utf8")) as Job;
const log = (record: Record) => appendFileSync(job.log, `${JSON.stringify(record)}\n`);
log({ type: "started", pid: process.pid });

// Dawn's binding asks for the GPU's news again and again by setImmediate, at the cost of a core that the compiler could use.
const { setImmediate } = globalThis;
let firstTick = 0;
let lastTick = 0;
globalThis.setImmediate = ((callback: (...args: unknown[]) => void, ...args: unknown[]) => {
  const now = performance.now();
  if (now - lastTick > 3) firstTick = now;
  lastTick = now;
  return now - firstTick < 2 ? setImmediate(callback, ...args) : setTimeout(callback, 1, ...args);
}) as typeof setImmediate;

// A run again must draw the same cases, and a failure need not be made smaller.
fc.configureGlobal({ seed: 1, endOnFailure: true });

// --- which test reaches what, and kernels with the mutant in place

let test: RunnerTestCase | null = null;
let mutant: Mutant | null = null;
const devices = new Set<WebGpuDevice>();
const reached = new Map<RunnerTestCase, Map<Kernel, Set<string>>>();
const broken = new Map<Kernel, Kernel>();
/** By kernel, then family and entry: the broken kernel, or for entries that do not reach the mutant the whole one. */
const chosen = new Map<Kernel, Map<string, Kernel>>();

const { run } = WebGpuDevice.prototype;
WebGpuDevice.prototype.run = function (this: WebGpuDevice, kernel, entry, call) {
  devices.add(this);
  if (mutant === null && test) {
    const kernels = getOrPut(reached, test, () => new Map<Kernel, Set<string>>());
    getOrPut(kernels, kernel, () => new Set<string>()).add(entry);
  }
  run.call(this, mutant ? chosenKernel(kernel, this.family, entry, mutant) : kernel, entry, call);
};

function chosenKernel(kernel: Kernel, family: Family, entry: string, mutant: Mutant): Kernel {
  const known = getOrPut(chosen, kernel, () => new Map<string, Kernel>());
  return getOrPut(known, `${family} ${entry}`, () => {
    if (!reaches(kernel, family, entry, mutant)) return kernel;
    return getOrPut(broken, kernel, () => withMutant(kernel, mutant));
  });
}

function reaches(kernel: Kernel, family: Family, entry: string, mutant: Mutant): boolean {
  const line = mutant.appended && appendedFunction(kernel, family, mutant);
  if (mutant.appended ? !line : !includes(kernel, family, mutant)) return false;
  return functionsReached(kernel, family, entry).has(line ? /^fn (\w+)/.exec(line)![1]! : mutant.fn);
}

/** The kernel with the mutant in its text. */
function withMutant(kernel: Kernel, mutant: Mutant): Kernel {
  const sources = (["gpu", "software"] as const).map((family) => brokenSource(kernel, family, mutant));
  const variant: Kernel["variant"] = (family) => {
    const source = sources[family === "gpu" ? 0 : 1];
    return source ? { source, module: parseWgsl(source, kernel.name) } : kernel.variant(family);
  };
  const entry: Kernel["entry"] = (name, family) => variant(family).module.entries.get(name)!;
  return { name: kernel.name, reference: kernel.reference, variant, entry } as unknown as Kernel;
}

function brokenSource(kernel: Kernel, family: Family, mutant: Mutant): string | null {
  const { source } = kernel.variant(family);
  if (!mutant.appended) {
    return includes(kernel, family, mutant) ? source.replace(mutant.text, () => mutate(mutant.text, mutant)) : null;
  }
  const fn = appendedFunction(kernel, family, mutant);
  if (!fn) return null;
  const body = (expression: string) => ` return ${expression}; }`;
  return source.replace(fn, () => fn.replace(body(mutant.text), () => body(mutate(mutant.text, mutant))));
}

const inclusions = new Map<Kernel, Map<string, boolean>>();

function includes(kernel: Kernel, family: Family, { file, text }: Mutant): boolean {
  const known = getOrPut(inclusions, kernel, () => new Map<string, boolean>());
  return getOrPut(known, family + file, () => kernel.variant(family).source.includes(text));
}

const oneLiners = new Map<Kernel, Map<Family, string[]>>();

/** The line of the function whose body the mutant's expression is. */
function appendedFunction(kernel: Kernel, family: Family, { appended, text }: Mutant): string | undefined {
  if (appended!.kernel && kernel.name !== appended!.kernel) return undefined;
  const byFamily = getOrPut(oneLiners, kernel, () => new Map<Family, string[]>());
  const lines = getOrPut(byFamily, family, () => {
    return kernel
      .variant(family)
      .source.split("\n")
      .filter((line) => /^fn .*; }$/.test(line));
  });
  const start = appended!.fn ? `fn ${appended!.fn}(` : "fn ";
  return lines.find((line) => line.startsWith(start) && line.endsWith(` return ${text}; }`));
}

const reachable = new Map<Kernel, Map<string, ReadonlySet<string>>>();

function functionsReached(kernel: Kernel, family: Family, entry: string): ReadonlySet<string> {
  const known = getOrPut(reachable, kernel, () => new Map<string, ReadonlySet<string>>());
  return getOrPut(known, family + entry, () => {
    return reachedFrom([entry], functionsOf(blankComments(kernel.variant(family).source)));
  });
}

/** The kernel among `kernels` one of whose entries reaches the mutant. */
function reachedKernel(mutant: Mutant, kernels: ReadonlyMap<Kernel, ReadonlySet<string>>): Kernel | null {
  for (const [kernel, entries] of kernels) {
    for (const { family } of devices) {
      for (const entry of entries) if (reaches(kernel, family, entry, mutant)) return kernel;
    }
  }
  return null;
}

let validator: Promise<GPUDevice> | undefined;

async function isValid(kernel: Kernel): Promise<boolean> {
  validator ??= findAdapter().then((adapter) => openDevice(adapter!));
  const device = await validator;
  for (const { family } of devices) {
    const { source } = kernel.variant(family);
    const enable = device.features.has("subgroups") ? "enable subgroups; " : "";
    device.pushErrorScope("validation");
    device.createShaderModule({ code: enable + paramsAsUniform(source, 15) });
    if (await device.popErrorScope()) return false;
  }
  return true;
}

// --- running tests again

/** Runs a test with its hooks, for so many seconds of the processor's time. @returns what it throws, as a string, or null */
async function runAgain(test: RunnerTestCase, patience: number): Promise<string | null> {
  const suites: RunnerTestSuite[] = [];
  for (let suite: RunnerTestSuite | undefined = test.suite ?? test.file; suite; suite = parentOf(suite))
    suites.unshift(suite);
  const whole = async () => {
    for (const suite of suites) {
      for (const hook of TestRunner.getSuiteHooks(suite).beforeEach) await hook(test.context, suite);
    }
    try {
      await TestRunner.getTestFn(test)();
    } finally {
      for (const suite of suites.toReversed()) {
        for (const hook of TestRunner.getSuiteHooks(suite).afterEach.toReversed()) await hook(test.context, suite);
      }
    }
  };
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    const start = processorSeconds();
    timer = setInterval(() => {
      if (processorSeconds() - start > patience) reject(new Error(TOO_LATE));
    }, 250);
  });
  let message: string | null = null;
  try {
    await Promise.race([whole(), late]);
  } catch (error) {
    message = error instanceof Error ? error.message : String(error);
    if (error instanceof Error && error.cause instanceof Error) message += ` ${error.cause.message}`;
  }
  clearInterval(timer!);
  if (message !== TOO_LATE) await freeBuffers(); // which waits for the GPU
  return message;
}

const TOO_LATE = "it did not end";

/** What this process has used: unlike time, it does not pass faster while other work keeps the machine busy. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function parentOf(suite: RunnerTestSuite): RunnerTestSuite | undefined {
  return suite.suite ?? (suite === suite.file ? undefined : suite.file);
}

function testsIn(suite: RunnerTestSuite): RunnerTestCase[] {
  return suite.tasks.flatMap((task) => (task.type === "suite" ? testsIn(task) : [task]));
}

function nameOf(test: RunnerTestCase): string {
  const names = [test.name];
  for (let suite = test.suite; suite && suite !== (test.file as RunnerTestSuite); suite = suite.suite)
    names.unshift(suite.name);
  return names.join(" > ");
}

const DISPATCHES_PER_COLLECTION = 10_000;
let dispatchesAtCollection = 0;

/**
 * Rids the process of buffers: those with guard zones are kept until they are looked at, and Dawn keeps a destroyed one until
 * its handle is collected, while a process can have no more than 65,530 of them mapped.
 */
async function freeBuffers(): Promise<void> {
  let dispatches = 0;
  for (const device of devices) {
    await device.checkGuards().catch(() => {});
    dispatches += device.counters.dispatches;
  }
  if (dispatches - dispatchesAtCollection < DISPATCHES_PER_COLLECTION) return;
  dispatchesAtCollection = dispatches;
  await collectTensors();
}

async function collectTensors(): Promise<void> {
  platform().collectGarbage();
  await new Promise((resolve) => setTimeout(resolve)); // tensors give their storage back in a callback
}

/** Forgets what a failed test has left: errors that were not thrown yet, and tensors. */
async function tidy(): Promise<void> {
  for (const device of devices) {
    const attempts = 3; // an index error may be thrown after a GPU error
    for (let attempt = 0; attempt < attempts; attempt++) {
      device.clearError();
      const isQuiet = await device.sync().then(
        () => true,
        () => false,
      );
      if (isQuiet) break;
    }
  }
  await collectTensors();
  await freeBuffers();
}

const SECONDS_BETWEEN_SIGNS = 10;
let lastSign = performance.now();

// Seconds of the processor's time, by test.
const costs = new Map<RunnerTestCase, number>();

beforeEach(({ task }) => {
  test = task;
  if (performance.now() - lastSign >= 1000 * SECONDS_BETWEEN_SIGNS) {
    lastSign = performance.now();
    log({ type: "alive" });
  }
  if (costs.has(task)) return;
  const start = processorSeconds();
  return () => void costs.set(task, processorSeconds() - start);
});

const DAY = 86_400_000;

afterAll(async () => {
  const ran = testsIn(test!.file).filter(({ result }) => result?.state === "pass" || result?.state === "fail");
  const failed = ran.filter(({ result }) => result?.state === "fail");
  const unrepeatable: RunnerTestCase[] = [];
  await freeBuffers();
  for (const candidate of ran) {
    if (job.suspects.includes(nameOf(candidate)) && (await runAgain(candidate, 600))) unrepeatable.push(candidate);
  }
  log({ type: "tests", failed: failed.map(nameOf), unrepeatable: unrepeatable.map(nameOf) });
  const ordered = ran
    .filter((candidate) => reached.has(candidate) && !failed.includes(candidate) && !unrepeatable.includes(candidate))
    .sort((a, b) => costs.get(a)! - costs.get(b)!);
  const reachable: { number: number; next: Mutant; reaching: RunnerTestCase[] }[] = [];
  for (const [number, next] of job.mutants) {
    const reaching = ordered.filter((candidate) => reachedKernel(next, reached.get(candidate)!));
    if (reaching.length > 0) reachable.push({ number, next, reaching });
    else log({ type: "end", mutant: number, result: { outcome: "unreached" } });
  }
  const taken = reachable.slice(0, Math.max(job.atLeast, Math.ceil(reachable.length / 2)));
  log({ type: "takes", mutants: taken.map(({ number }) => number) });
  for (const { number, next, reaching } of taken) {
    log({ type: "begin", mutant: number });
    const result = await tryMutant(next, reaching);
    log({ type: "end", mutant: number, result });
    // The GPU may work on a loop without end for ever, and a process that ends in good order would wait for it.
    if (result.outcome === "again" || (result.outcome === "caught" && result.message === TOO_LATE))
      process.kill(process.pid, "SIGKILL");
  }
}, DAY);

/** Seconds that a test's kernels may take to compile; the other family's take a software adapter long. */
const COMPILING = process.env.TILEGRAD_TEST === "rest" ? 120 : 20;

async function tryMutant(next: Mutant, reaching: readonly RunnerTestCase[]): Promise<Result> {
  if (!(await isValid(withMutant(reachedKernel(next, reached.get(reaching[0]!)!)!, next))))
    return { outcome: "invalid" };
  broken.clear();
  chosen.clear();
  for (const test of reaching) {
    mutant = next;
    const patience = COMPILING + 4 * costs.get(test)!;
    const message = await runAgain(test, patience);
    mutant = null;
    if (message === null) continue;
    if (message === TOO_LATE) return { outcome: "caught", test: nameOf(test), message };
    await tidy();
    // It counts only if the test passes with the kernel whole.
    if (await runAgain(test, patience)) return { outcome: "again", test: nameOf(test) };
    if (/Create(ComputePipeline|ShaderModule)|parsing WGSL/.test(message)) return { outcome: "invalid" };
    return { outcome: "caught", test: nameOf(test), message: message.split("\n")[0]! };
  }
  return { outcome: "survived" };
}

function getOrPut<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
