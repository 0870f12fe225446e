/** What a state dict has for a module: which of its entries go where, and what does not fit. */
import { checkOptions, ValueError } from "../gpu/errors.ts";
import { formatShape, type Shape, shapesEqual } from "../tensor/shape.ts";

/** How the names of a state dict become those of a module. */
export type Renaming =
  /** Pairs of prefixes, of which the first that a name begins with is replaced: `[["module.", ""]]`. */
  | readonly (readonly [prefix: string, replacement: string])[]
  /** The new name; null leaves the entry out. */
  | ((name: string) => string | null);

export interface LoadOptions {
  /** Whether a name that is missing or unexpected is an error (default true). */
  strict?: boolean | undefined;
  /** Whether what has another shape stays as it is, such as a new head, instead of being an error (default false). */
  keepMismatched?: boolean | undefined;
  rename?: Renaming | undefined;
}

/** What was loaded, and what was not. Names are the module's, except those that it does not have. */
export interface LoadReport {
  readonly loaded: readonly string[];
  /** In the module and not in the state dict: these stay as they were. */
  readonly missing: readonly string[];
  /** In the state dict and not in the module: these were passed over. */
  readonly unexpected: readonly string[];
  /** In both, with different shapes: these stay as they were. */
  readonly mismatched: readonly ShapeMismatch[];
}

export interface ShapeMismatch {
  readonly name: string;
  /** In the state dict. */
  readonly found: Shape;
  /** In the module. */
  readonly expected: Shape;
}

interface Shaped {
  readonly shape: Shape;
}

/**
 * Compares a state dict with what a module has.
 *
 * @returns the values by the module's names, and the report
 * @throws ValueError that lists everything that the options do not allow
 */
export function matchState<V extends Shaped>(
  state: ReadonlyMap<string, V>,
  own: ReadonlyMap<string, Shaped>,
  options: LoadOptions,
): { values: Map<string, V>; report: LoadReport } {
  checkOptions("loadStateDict", options, ["strict", "keepMismatched", "rename"]);
  const { strict = true, keepMismatched = false, rename = [] } = options;
  const { renamed, problems } = renameAll(state, rename);
  const missing: string[] = [];
  const mismatched: ShapeMismatch[] = [];
  const values = new Map<string, V>();
  for (const [name, { shape: expected }] of own) {
    const value = renamed.get(name);
    if (!value) missing.push(name);
    else if (!shapesEqual(value.shape, expected)) mismatched.push({ name, found: value.shape, expected });
    else values.set(name, value);
  }
  const unexpected = [...renamed.keys()].filter((name) => !own.has(name));

  if (!keepMismatched) {
    for (const { name, found, expected } of mismatched) {
      problems.push(`${name} has shape ${formatShape(found)}, expected ${formatShape(expected)}`);
    }
  }
  if (strict) {
    problems.push(...missing.map((name) => `${name} is missing`));
    problems.push(...unexpected.map((name) => `${name} is unexpected`));
  }
  if (problems.length > 0) throw new ValueError(`loadStateDict: ${problems.join("; ")}`);
  return { values, report: { loaded: [...values.keys()], missing, unexpected, mismatched } };
}

function renameAll<V>(state: ReadonlyMap<string, V>, rename: Renaming) {
  const toNew = typeof rename === "function" ? rename : (name: string) => replacePrefix(name, rename);
  const renamed = new Map<string, V>();
  const origins = new Map<string, string>();
  const problems: string[] = [];
  for (const [name, value] of state) {
    const target = toNew(name);
    if (target === null) continue;
    const other = origins.get(target);
    if (other !== undefined) problems.push(`${other} and ${name} are both renamed to ${target}`);
    origins.set(target, name);
    renamed.set(target, value);
  }
  return { renamed, problems };
}

function replacePrefix(name: string, pairs: readonly (readonly [prefix: string, replacement: string])[]): string {
  const pair = pairs.find(([prefix]) => name.startsWith(prefix));
  return pair ? pair[1] + name.slice(pair[0].length) : name;
}
