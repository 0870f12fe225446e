/**
 * Reads a kernel's interface from its WGSL, so that nothing is declared twice: the bindings and functions each entry
 * reaches, and the layout of `struct Params`. A scanner, not a compiler: it relies on the conventions that
 * docs/kernels.md states (bindings in group 0, one `var<immediate> params: Params`).
 */
import { TilegradError } from "./errors.ts";

export type Access = "read" | "read_write" | "uniform";

export interface WgslBinding {
  readonly name: string;
  readonly binding: number;
  readonly access: Access;
  /** Bytes per array element, at least 4; WebGPU refuses a smaller binding. */
  readonly elementBytes: number;
}

export interface WgslEntry {
  readonly name: string;
  readonly bindings: readonly WgslBinding[];
  readonly overrides: readonly string[];
  readonly usesParams: boolean;
  readonly usesSubgroups: boolean;
}

export interface ParamsField {
  readonly name: string;
  readonly scalar: "u32" | "i32" | "f32";
  /** 1 for a scalar, 2 to 4 for a vector, more for an array of vectors. */
  readonly length: number;
  readonly wordOffset: number;
}

export interface ParamsLayout {
  readonly fields: readonly ParamsField[];
  readonly words: number;
  /** Arrays cannot be immediates. */
  readonly hasArray: boolean;
}

export interface WgslModule {
  readonly entries: ReadonlyMap<string, WgslEntry>;
  readonly params: ParamsLayout;
}

const PARAMS = /var<immediate>\s+params\s*:\s*Params\s*;/;

/** Parses the complete text of a kernel (its file, its libraries and what was appended). */
export function parseWgsl(source: string, file: string): WgslModule {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/[^\n]*/g, "");
  const bindings = parseBindings(code);
  const overrides = [...code.matchAll(/\boverride\s+(\w+)/g)].map((match) => match[1]!);
  const functions = parseFunctions(code, file);

  const entries = new Map<string, WgslEntry>();
  for (const fn of functions.values()) {
    if (!fn.isEntry) continue;
    const words = reachableWords(fn.name, functions);
    entries.set(fn.name, {
      name: fn.name,
      bindings: bindings.filter((binding) => words.has(binding.name)),
      overrides: overrides.filter((name) => isReached(name, words, code)),
      usesParams: words.has("params"),
      usesSubgroups: [...words].some((word) => word.startsWith("subgroup")),
    });
  }
  return { entries, params: parseParams(code, file) };
}

/** The same source with `params` as a uniform at `binding`, for devices without immediates or a larger struct. */
export function paramsAsUniform(source: string, binding: number): string {
  return source.replace(PARAMS, `@group(0) @binding(${binding}) var<uniform> params: Params;`);
}

function parseBindings(code: string): WgslBinding[] {
  const pattern =
    /@group\(0\)\s*@binding\((\d+)\)\s*var<(storage\s*,\s*read_write|storage\s*,\s*read|storage|uniform)>\s*(\w+)\s*:\s*([^;]+);/g;
  const aliases = aliasesOf(code);
  return [...code.matchAll(pattern)].map((match) => {
    const type = match[4]!.replace(/\w+/g, (word) => aliases.get(word) ?? word);
    return {
      name: match[3]!,
      binding: Number(match[1]),
      access: match[2]!.startsWith("uniform") ? "uniform" : match[2]!.includes("read_write") ? "read_write" : "read",
      elementBytes: /vec4|mat/.test(type) ? 16 : /vec2/.test(type) ? 8 : 4,
    };
  });
}

function aliasesOf(code: string): Map<string, string> {
  return new Map([...code.matchAll(/\balias\s+(\w+)\s*=\s*([\w<>]+)\s*;/g)].map(([, name, type]) => [name!, type!]));
}

interface WgslFunction {
  readonly name: string;
  readonly isEntry: boolean;
  readonly words: ReadonlySet<string>;
}

// The words of a function include its header, so that an override in @workgroup_size counts as reached.
function parseFunctions(code: string, file: string): Map<string, WgslFunction> {
  const functions = new Map<string, WgslFunction>();
  for (const match of code.matchAll(/((?:@\w+(?:\s*\([^)]*\))?\s*)*)\bfn\s+(\w+)\s*\(/g)) {
    const open = code.indexOf("{", match.index + match[0].length);
    let depth = 1;
    let end = open + 1;
    while (end < code.length && depth > 0) {
      if (code[end] === "{") depth++;
      else if (code[end] === "}") depth--;
      end++;
    }
    if (open < 0 || depth > 0) throw new TilegradError(`${file}: fn ${match[2]} has no end`);
    const text = code.slice(match.index, end);
    const name = match[2]!;
    functions.set(name, { name, isEntry: /@compute\b/.test(match[1]!), words: freeWords(text) });
  }
  return functions;
}

// The words that may name module-scope things: not members (`gid.x`), parameters or local variables.
function freeWords(text: string): Set<string> {
  const code = text.replace(/\.\s*[A-Za-z_]\w*/g, "");
  const words = new Set(code.match(/[A-Za-z_]\w*/g));
  for (const [, local] of code.matchAll(/\b(?:let|const|var)(?:<[^>]*>)?\s+(\w+)/g)) words.delete(local!);
  const parameters = code.slice(code.indexOf("fn "), code.indexOf("{"));
  for (const [, parameter] of parameters.matchAll(/(\w+)\s*:/g)) words.delete(parameter!);
  return words;
}

function reachableWords(entry: string, functions: ReadonlyMap<string, WgslFunction>): Set<string> {
  const words = new Set<string>();
  const visited = new Set<string>();
  const pending = [entry];
  while (pending.length > 0) {
    const name = pending.pop()!;
    if (visited.has(name)) continue;
    visited.add(name);
    for (const word of functions.get(name)!.words) {
      words.add(word);
      if (functions.has(word)) pending.push(word);
    }
  }
  return words;
}

// An override is reached from a function or from a module-scope declaration, such as the size of a workgroup array.
function isReached(name: string, words: ReadonlySet<string>, code: string): boolean {
  if (words.has(name)) return true;
  const uses = code.matchAll(
    new RegExp(`\\b(?:var<workgroup>|var<private>|const|override)\\s*(\\w+)[^;]*\\b${name}\\b[^;]*;`, "g"),
  );
  for (const use of uses) if (use[1] !== name && words.has(use[1]!)) return true;
  return false;
}

function parseParams(code: string, file: string): ParamsLayout {
  const body = /struct\s+Params\s*\{([^}]*)\}/.exec(code)?.[1];
  if (body === undefined) return { fields: [], words: 0, hasArray: false };
  const aliases = aliasesOf(code);
  const fields: ParamsField[] = [];
  let words = 0;
  let align = 1;
  let hasArray = false;
  for (const part of splitFields(body)) {
    const match = /^(\w+)\s*:\s*(.+)$/.exec(part);
    const spelled = (match?.[2] ?? "").replace(/\s+/g, "");
    const type = parseFieldType(aliases.get(spelled) ?? spelled);
    if (!match || !type) throw new TilegradError(`${file}: cannot read the field "${part}" of struct Params`);
    words = roundUp(words, type.align);
    fields.push({ name: match[1]!, scalar: type.scalar, length: type.length, wordOffset: words });
    words += type.words;
    align = Math.max(align, type.align);
    hasArray ||= type.isArray;
  }
  return { fields, words: roundUp(words, align), hasArray };
}

function splitFields(body: string): string[] {
  // A comma inside <...> belongs to the type.
  return body
    .split(/,(?![^<]*>)/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function parseFieldType(type: string) {
  const array = /^array<(.+),(\d+)>$/.exec(type);
  const element = array ? array[1]! : type;
  const vector = /^vec([24])(?:<(u32|i32|f32)>|([uif]))$/.exec(element);
  const scalar = vector ? (vector[2] ?? `${vector[3]}32`) : element;
  if (scalar !== "u32" && scalar !== "i32" && scalar !== "f32") return undefined;
  const lanes = vector ? Number(vector[1]) : 1;
  // Uniform arrays have a stride of 16 bytes: only vec4 elements are laid out densely.
  if (array && lanes !== 4) return undefined;
  const length = lanes * (array ? Number(array[2]) : 1);
  return { scalar, length, words: length, align: lanes, isArray: array !== null } as const;
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
