/** What there is to break in this checkout, and which test files belong to each. */
import "../../src/kernels/ops.ts"; // before its parts, which import each other
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type BinaryOp, binaryOps } from "../../src/kernels/elementwise/binary.ts";
import { type UnaryOp, unaryOps } from "../../src/kernels/elementwise/unary.ts";
import { blankComments, changedLine, functionsOf, type Mutation, mutationsOf, reachedFrom } from "./mutate.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Mutant extends Mutation {
  /** From the root: a `.wgsl` file, or a TypeScript file with expressions that are appended to one. */
  readonly file: string;
  /** The function it is in, or the expression's name. */
  readonly fn: string;
  /** What is mutated: the file's text, or the expression. */
  readonly text: string;
  /** For an expression: the kernel and the appended function that it is the body of, where they are known. */
  readonly appended?: { readonly kernel?: string; readonly fn?: string };
  readonly line: string;
  readonly becomes: string;
  readonly lineNumber: number;
  /** From the root, in the order in which they are tried. */
  readonly tests: readonly string[];
}

const PER_ENTRY = 8;
const PER_FUNCTION = 4;
const PER_EXPRESSION = 3;

/** Every mutant of the files and ops whose name contains one of `names`, or a seeded sample of each function's. */
export function findMutants(names: readonly string[], all: boolean): { every: Mutant[]; chosen: Mutant[] } {
  const isWanted = (name: string) => names.length === 0 || names.some((part) => name.includes(part));
  const groups = [...wgslGroups(isWanted), ...tableGroups(isWanted), ...literalGroups(isWanted)];
  return {
    every: groups.flatMap(({ mutants }) => mutants),
    chosen: groups.flatMap(({ mutants, limit }) => (all ? mutants : sample(mutants, limit))),
  };
}

interface Group {
  readonly mutants: Mutant[];
  readonly limit: number;
}

function* wgslGroups(isWanted: (name: string) => boolean): Generator<Group> {
  const files = sources(".wgsl").sort();
  const codes = new Map(files.map((file) => [file, blankComments(readFileSync(join(root, file), "utf8"))]));
  // What kernels and tables call in the libraries.
  const called = new Set<string>();
  for (const [file, code] of codes) if (!isLibrary(file)) for (const word of wordsOf(code)) called.add(word);
  for (const [file, { text }] of imports) {
    if (!file.startsWith("src/kernels/")) continue;
    const literals = text.match(/"[^"\n]*"|`[^`]*`/g) ?? [];
    for (const word of wordsOf(literals.join(" "))) called.add(word);
  }
  const libraryFunctions = files.filter(isLibrary).flatMap((file) => functionsOf(codes.get(file)!));
  const calledInLibraries = reachedFrom(called, libraryFunctions);

  const functionsBeside = (file: string) =>
    files.filter((other) => dirname(other) === dirname(file)).flatMap((other) => functionsOf(codes.get(other)!));

  for (const [file, code] of codes) {
    if (!isWanted(file)) continue;
    const text = readFileSync(join(root, file), "utf8");
    const functions = functionsOf(code);
    // A kernel may be put together from several files of its folder.
    const beside = functionsBeside(file);
    const entries = beside.filter(({ isEntry }) => isEntry).map(({ name }) => name);
    const reached = isLibrary(file) ? calledInLibraries : reachedFrom(entries, beside);
    const tests = testsOf(file);
    for (const { name: fn, isEntry, start, end } of functions) {
      if (!reached.has(fn)) continue;
      const mutants = mutationsOf(code, start, end).map((mutation) => {
        const { number: lineNumber, ...lines } = changedLine(text, mutation);
        return { ...mutation, file, fn, text, ...lines, lineNumber, tests: namersFirst(tests, fn) };
      });
      yield { mutants, limit: isEntry ? PER_ENTRY : PER_FUNCTION };
    }
  }
}

const ELEMENTWISE = "src/kernels/elementwise/";
// The table's fields, and the functions that they become the bodies of.
const FIELDS = { f: "f", integers: "f", df: "df", dfa: "dfa", dfb: "dfb" } as const;

/** The tables of elementwise ops, as they are when loaded: some entries are computed. */
function* tableGroups(isWanted: (name: string) => boolean): Generator<Group> {
  for (const [ops, wgsl, operands] of [
    [unaryOps as Map<string, UnaryOp & BinaryOp>, "unary.wgsl", []],
    [binaryOps as Map<string, UnaryOp & BinaryOp>, "binary.wgsl", ["a", "b"]],
  ] as const) {
    const tests = testsOf(ELEMENTWISE + wgsl);
    for (const [op, entry] of ops) {
      const file = sources(".ts").find(
        (name) => name.startsWith(ELEMENTWISE) && imports.get(name)!.text.includes(`"${op}"`),
      )!;
      if (!isWanted(op) && !isWanted(file)) continue;
      for (const [field, fn] of Object.entries(FIELDS)) {
        const text = entry[field as keyof typeof FIELDS];
        if (!text || (field === "integers" && text === entry.f)) continue;
        const mutants = mutantsOfExpression(text, operands).map((mutation) => {
          return {
            ...mutation,
            file,
            fn: `${op}.${field}`,
            appended: { kernel: op, fn },
            lineNumber: lineOf(file, `"${op}"`),
            tests,
          };
        });
        yield { mutants, limit: PER_EXPRESSION };
      }
    }
  }
}

/**
 * The literals of other files whose folder appends expressions to a kernel. Whether a literal is one of them shows when
 * kernels are loaded.
 */
function* literalGroups(isWanted: (name: string) => boolean): Generator<Group> {
  const appends = sources(".ts")
    .filter((file) => /\{ return \$\{/.test(imports.get(file)!.text))
    .map(dirname);
  for (const file of sources(".ts")) {
    const { text } = imports.get(file)!;
    if (!appends.includes(dirname(file)) || !isWanted(file) || /\.test\.|\.reference\./.test(file)) continue;
    const isTable = file.startsWith(ELEMENTWISE) && /from "\.\/(unary|binary)\.ts"/.test(text);
    if (isTable) continue;
    const tests = testsOf(file);
    const literals = [...text.matchAll(/(\w+)(?:: | = )(?:[^"\n]* \? "[^"]*" : )?"([^"\n]+)"/g)];
    for (const { 1: field, 2: literal, index } of literals) {
      // Words in a row are a sentence, a lone word is a name.
      if (/[a-z] [a-z]/i.test(literal!) || !/[-+*/(<>=&|]|^[\d.]+$/.test(literal!)) continue;
      const op = [...text.slice(0, index).matchAll(/name: "(\w+)"/g)].at(-1)?.[1];
      const fn = op ? `${op}.${field}` : field!;
      const mutants = mutantsOfExpression(literal!, []).map((mutation) => {
        return { ...mutation, file, fn, appended: {}, lineNumber: lineOf(file, `"${literal}"`), tests };
      });
      yield { mutants, limit: PER_EXPRESSION };
    }
  }
}

function mutantsOfExpression(text: string, operands: readonly string[]) {
  // A function's body, so that what is broken in WGSL files is broken here.
  const head = "return ";
  const body = `${head}${text};`;
  const mutations = mutationsOf(body, 0, body.length).map((mutation) => ({
    ...mutation,
    start: mutation.start - head.length,
    end: mutation.end - head.length,
  }));
  mutations.push({ kind: "off by one", start: 0, end: text.length, replacement: `(${text}) + 1` });
  for (const [i, name] of operands.entries()) {
    const other = operands[(i + 1) % operands.length]!;
    for (const { index } of text.matchAll(new RegExp(`\\b${name}\\b`, "g"))) {
      mutations.push({ kind: "swapped operand", start: index, end: index + name.length, replacement: other });
    }
  }
  return mutations.map((mutation) => {
    const { line, becomes } = changedLine(text, mutation);
    return { ...mutation, text, line, becomes };
  });
}

function lineOf(file: string, part: string): number {
  const { text } = imports.get(file)!;
  return text.slice(0, text.indexOf(part)).split("\n").length;
}

/** A few mutants of each kind in turn. It depends on nothing but the lines, so that other edits do not change the choice. */
function sample(mutants: readonly Mutant[], limit: number): Mutant[] {
  const rank = (...parts: string[]) => createHash("sha1").update(parts.join("\n")).digest("hex");
  const byKind = new Map<string, Mutant[]>();
  for (const mutant of mutants) byKind.set(mutant.kind, [...(byKind.get(mutant.kind) ?? []), mutant]);
  const queues = [...byKind]
    .sort(([a], [b]) => (rank(mutants[0]!.fn, a) < rank(mutants[0]!.fn, b) ? -1 : 1))
    .map(([, queue]) => {
      const ranked = queue.map((mutant) => [rank(mutant.fn, mutant.line, mutant.becomes), mutant] as const);
      return ranked.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, mutant]) => mutant);
    });
  const chosen: Mutant[] = [];
  for (let round = 0; chosen.length < Math.min(limit, mutants.length); round++) {
    for (const queue of queues) if (queue[round] && chosen.length < limit) chosen.push(queue[round]!);
  }
  return chosen;
}

// --- test files

const fileNames = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).map((file) => `src/${file}`);

function sources(extension: string): string[] {
  return fileNames.filter((file) => file.endsWith(extension));
}

function isLibrary(file: string): boolean {
  return file.startsWith("src/kernels/lib/");
}

function wordsOf(text: string): Set<string> {
  return new Set(text.match(/[A-Za-z_]\w*/g));
}

const imports = new Map(
  sources(".ts").map((file) => {
    const text = readFileSync(join(root, file), "utf8");
    const names = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) => match[1]!);
    return [file, { text, imported: names.map((name) => relative(root, resolve(root, dirname(file), name))) }] as const;
  }),
);

/**
 * The tests beside a file; for a file of the library, or without tests beside it, those beside whatever imports it,
 * over as many steps as it takes.
 */
function testsOf(file: string): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  let ring = usersOf(file);
  if (!isLibrary(file)) ring.unshift(file);
  else found.push(...testsBeside(file));
  while (ring.length > 0) {
    const next: string[] = [];
    for (const user of ring) {
      if (seen.has(user)) continue;
      seen.add(user);
      // What lies beside a part of the library tests other parts.
      const beside = user.endsWith(".test.ts") ? [user] : isLibrary(user) ? [] : testsBeside(user);
      if (beside.length > 0) found.push(...beside);
      else next.push(...importersOf(user));
    }
    ring = isLibrary(file) || found.length === 0 ? next : [];
  }
  const own = file.replace(/(-ops)?\.\w+$/, "");
  const rank = (test: string) => (test.startsWith(own) ? 0 : imports.get(test)!.text.length);
  return [...new Set(found)].sort((a, b) => rank(a) - rank(b));
}

/** The tests, first those that lie beside what names the function: who only loads its file need not call it. */
function namersFirst(tests: readonly string[], fn: string): string[] {
  const names = (test: string) => Number(wordsIn(dirname(test)).has(fn));
  return tests.toSorted((a, b) => names(b) - names(a));
}

const wordsByFolder = new Map<string, Set<string>>();

function wordsIn(folder: string): Set<string> {
  const known = wordsByFolder.get(folder);
  if (known) return known;
  const files = fileNames.filter((file) => dirname(file) === folder && /(?<!\.test)\.(ts|wgsl)$/.test(file));
  const words = wordsOf(files.map((file) => readFileSync(join(root, file), "utf8")).join("\n"));
  wordsByFolder.set(folder, words);
  return words;
}

function testsBeside(file: string): string[] {
  return sources(".test.ts").filter((test) => dirname(test) === dirname(file));
}

function importersOf(file: string): string[] {
  // The lists of ops import everything.
  const lists = ["src/kernels/ops.ts", "src/kernels/functions.ts", "src/tilegrad.ts"];
  return [...imports]
    .filter(([user, { imported }]) => imported.includes(file) && !lists.includes(user))
    .map(([user]) => user);
}

/** Who loads a `.wgsl` file: the file that names its URL or, where that is the library's list, who names the constant. */
function usersOf(file: string): string[] {
  const name = file.split("/").at(-1)!;
  const loaders = [...imports].filter(
    ([user, { text }]) => dirname(user) === dirname(file) && text.includes(`"./${name}"`),
  );
  return loaders.flatMap(([loader, { text }]) => {
    if (!loader.endsWith("/lib/lib.ts")) return [loader];
    const before = text.slice(0, text.indexOf(`"./${name}"`));
    const constant = [...before.matchAll(/export const (\w+)/g)].at(-1)?.[1];
    return importersOf(loader).filter((user) => wordsOf(imports.get(user)!.text).has(constant!));
  });
}
