/**
 * Makes one dispatch of neighbours in a recording that work element by element: a value that one computes and another reads
 * stays in a register, and is written to memory only if something else reads it.
 *
 * Invariant: within a group, two commands that touch the same memory touch the same range of it, so that element i of one
 * meets element i of the other and nothing else.
 */
import type { Storage } from "./device.ts";
import { ceilDiv, type Dispatch, Kernel, type Library, type Pointwise, STEP } from "./kernel.ts";
import type { Command, RecordedDispatch, Recording, Request } from "./recording.ts";

const THREADS = 64;

/** A dispatch of a group. */
interface Stage {
  readonly command: RecordedDispatch;
  readonly pointwise: Pointwise;
  readonly storages: ReadonlyMap<string, Storage>;
  readonly params: Request["params"];
  readonly output: Storage;
}

/**
 * @param maxBindings storages that a dispatch can bind
 * @param prepare makes a dispatch of a kernel's entry `run`
 * @returns the recording's commands, with fused ones in place of groups
 */
export function fused(
  recording: Recording,
  maxBindings: number,
  prepare: (kernel: Kernel, call: Dispatch) => RecordedDispatch,
): Command[] {
  const result: Command[] = [];
  let group: Stage[] = [];
  const close = (next: number) => {
    if (group.length < 2) result.push(...group.map(({ command }) => command));
    else result.push(fuse(group, (stage) => isNeeded(stage.output, recording, next), prepare));
    group = [];
  };
  for (const [i, command] of recording.commands.entries()) {
    const stage = stageOf(command, recording.requests.get(command));
    if (!stage || !fits(group, stage, maxBindings)) close(i);
    if (stage) group.push(stage);
    else result.push(command);
  }
  close(recording.commands.length);
  return result;
}

function stageOf(command: Command, request: Request | undefined): Stage | null {
  if (!request?.pointwise || !("pipeline" in command)) return null;
  const { pointwise, storages, params } = request;
  return { command, pointwise, storages, params, output: storages.get(pointwise.writes)! };
}

const inputsOf = ({ pointwise, storages }: Stage) => pointwise.reads.map((name) => storages.get(name)!);

function fits(group: readonly Stage[], stage: Stage, maxBindings: number): boolean {
  if (group.length === 0) return true;
  if (stage.output.length !== group[0]!.output.length) return false;
  const stages = [...group, stage];
  const outputs = stages.map(({ output }) => output);
  const all = [...outputs, ...stages.flatMap(inputsOf)];
  if (new Set(all.map(rangeOf)).size > maxBindings) return false;
  return all.every((a) => outputs.every((b) => a.memory !== b.memory || rangeOf(a) === rangeOf(b)));
}

const memories = new WeakMap<object, number>();
let nextMemory = 0;

/** Names a range of memory. */
function rangeOf({ memory, offset, length }: Storage): string {
  let id = memories.get(memory);
  if (id === undefined) memories.set(memory, (id = nextMemory++));
  return `${id}:${offset}:${length}`;
}

/** Whether anything outside of a group that ends before command `next` sees what it wrote there. */
function isNeeded(output: Storage, { commands, requests }: Recording, next: number): boolean {
  if (output.alive || output.root.alive) return true;
  for (const command of commands.slice(next)) {
    if (!("pipeline" in command)) {
      if (command.from.buffer === output.memory || command.to.buffer === output.memory) return true;
      continue;
    }
    for (const storage of requests.get(command)!.storages.values()) if (storage.root === output.root) return true;
  }
  return false;
}

const kernels = new Map<string, Kernel>();

function fuse(
  group: readonly Stage[],
  isNeeded: (stage: Stage) => boolean,
  prepare: (kernel: Kernel, call: Dispatch) => RecordedDispatch,
): RecordedDispatch {
  const { length: size, device } = group[0]!.output;
  const width = size % 4 === 0 ? 4 : 1;
  const step = width === 4 ? 1 : STEP[device.family];
  const values = new Map<string, string>(); // where a range's value is: the variable that holds it
  const loads = new Map<string, Storage>();
  const stores = new Map<string, Storage>();
  const params: Record<string, number> = { size: size / width };
  const functions: string[] = [];
  const lines: string[] = [];

  for (const [k, stage] of group.entries()) {
    const { pointwise, output } = stage;
    const inputs = inputsOf(stage).map((storage) => {
      const range = rangeOf(storage);
      if (!values.has(range)) {
        values.set(range, `x${loads.size}`);
        loads.set(range, storage);
      }
      return values.get(range)!;
    });
    const expression = pointwise.expression.replace(/\bparams\.(\w+)/g, (_, name: string) => {
      params[`${name}${k}`] = stage.params![name] as number;
      return `params.${name}${k}`;
    });
    const declared = pointwise.reads.map((name) => `${name}: f32`).join(", ");
    functions.push(`fn f${k}(${declared}) -> f32 { return ${expression}; }`);
    const applied = (component: string) => `f${k}(${inputs.map((input) => input + component).join(", ")})`;
    const value = width === 1 ? applied("") : `vec4f(${[".x", ".y", ".z", ".w"].map(applied).join(", ")})`;
    lines.push(`let y${k} = ${value};`);
    values.set(rangeOf(output), `y${k}`);
    // What a later stage overwrites is not needed itself: where the memory was used again, the first had been freed.
    if (isNeeded(stage)) stores.set(rangeOf(output), output);
    else stores.delete(rangeOf(output));
  }

  const bind: Record<string, Storage> = {};
  const bindings: string[] = [];
  const reads: string[] = [];
  const writes: string[] = [];
  const ranges = new Map([...loads, ...stores]);
  for (const [k, [range, storage]] of [...ranges].entries()) {
    const name = `b${k}`;
    const isWhole = storage.length === size;
    bind[name] = storage;
    const type = isWhole && width === 4 ? "vec4f" : "f32";
    const access = stores.has(range) ? "read_write" : "read";
    bindings.push(`@group(0) @binding(${k}) var<storage, ${access}> ${name}: array<${type}>;`);
    if (loads.has(range)) {
      const value = `${name}[${isWhole ? "i" : "0"}]`;
      reads.push(`let x${[...loads.keys()].indexOf(range)} = ${isWhole || width === 1 ? value : `vec4f(${value})`};`);
    }
    if (stores.has(range)) writes.push(`${name}[i] = ${values.get(range)};`);
  }
  const fields = Object.keys(params).map((name) => `${name}: ${name === "size" ? "u32" : "f32"}`);
  const source = `struct Params { ${fields.join(", ")} }
var<immediate> params: Params;
${bindings.join("\n")}
${functions.join("\n")}
@compute @workgroup_size(${THREADS})
fn run(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * ${step}u; start < params.size; start += groups.x * ${THREADS * step}u) {
    for (var i = start; i < start + ${step}u; i++) {
      if (i >= params.size) { break; }
      ${[...reads, ...lines, ...writes].join("\n      ")}
    }
  }
}
`;
  let kernel = kernels.get(source);
  if (!kernel) {
    const name = group.map(({ command }) => command.pipeline.label.replace(".forward", "")).join("+");
    const lib: Library[] = [...new Set(group.flatMap(({ pointwise }) => pointwise.lib))];
    kernels.set(source, (kernel = new Kernel(source, { reference: {}, lib, name })));
  }
  return prepare(kernel, { bind, params, groups: ceilDiv(size, THREADS * width * step) });
}
