/** Reads a command's options from its arguments, and writes its help from the same table. */
import { parseArgs } from "node:util";
import { didYouMean, TilegradError } from "../gpu/errors.ts";

/** What a user did wrong on the command line. */
export class UsageError extends TilegradError {}

interface Option {
  readonly type: "string" | "integer" | "number" | "flag";
  readonly help: string;
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly choices?: readonly string[];
  /** The smallest number that is taken. */
  readonly min?: number;
  readonly default?: string | number;
}

export type OptionTable = Readonly<Record<string, Option>>;

type ValueOf<O extends Option> = O["type"] extends "string" ? string : O["type"] extends "flag" ? boolean : number;

/** Values by name: those with a default and flags are always there. */
export type Values<T extends OptionTable> = {
  [K in keyof T]: T[K] extends { default: string | number } | { type: "flag" }
    ? ValueOf<T[K]>
    : ValueOf<T[K]> | undefined;
};

/**
 * @param command its name in messages
 * @param positionals how many arguments without a dash it takes at most
 * @returns the values, the arguments without a dash, and the names of the options that are there
 * @throws UsageError for an option that does not exist, a missing or impossible value, or too many arguments
 */
export function parseOptions<T extends OptionTable>(
  command: string,
  table: T,
  args: readonly string[],
  positionals = 0,
): { values: Values<T>; positionals: string[]; given: ReadonlySet<string> } {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(table).map(([name, { type }]) => [name, { type: type === "flag" ? "boolean" : "string" }]),
    ),
    strict: false,
    tokens: true,
  });
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table))
    values[name] = option.default ?? (option.type === "flag" ? false : undefined);
  const free: string[] = [];
  const given = new Set<string>();
  for (const token of tokens) {
    if (token.kind === "positional") free.push(token.value);
    if (token.kind !== "option") continue;
    const option = table[token.name];
    if (!option) {
      const known = Object.keys(table).map((name) => `--${name}`);
      throw new UsageError(`${command}: there is no option ${token.rawName}${didYouMean(`--${token.name}`, known)}`);
    }
    given.add(token.name);
    values[token.name] = readValue(`${command}: --${token.name}`, option, token.value);
  }
  if (free.length > positionals) throw new UsageError(`${command}: unexpected argument "${free[positionals]}"`);
  return { values: values as Values<T>, positionals: free, given };
}

function readValue(what: string, { type, choices, min }: Option, text: string | undefined): string | number | boolean {
  if (type === "flag") {
    if (text !== undefined) throw new UsageError(`${what} takes no value`);
    return true;
  }
  if (text === undefined || text === "") throw new UsageError(`${what} needs a value`);
  if (choices && !choices.includes(text)) throw new UsageError(`${what} is "${text}", expected ${choices.join(", ")}`);
  if (type === "string") return text;
  const value = Number(text);
  const kind = type === "integer" ? "a whole number" : "a number";
  if (
    !Number.isFinite(value) ||
    (type === "integer" && !Number.isInteger(value)) ||
    (min !== undefined && value < min)
  ) {
    throw new UsageError(`${what} is "${text}", expected ${kind}${min === undefined ? "" : ` from ${min} up`}`);
  }
  return value;
}

/** The options as lines of help. */
export function formatOptions(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, { type, value, help, choices, default: preset }]) => {
    const placeholder =
      type === "flag" ? "" : ` ${choices ? choices.join("|") : (value ?? (type === "string" ? "TEXT" : "N"))}`;
    return [`  --${name}${placeholder}`, `${help}${preset === undefined ? "" : ` (default ${preset})`}`] as const;
  });
  const width = Math.min(Math.max(...rows.map(([left]) => left.length)), 34);
  return rows
    .map(([left, right]) =>
      left.length > width ? `${left}\n${" ".repeat(width)}  ${right}` : `${left.padEnd(width)}  ${right}`,
    )
    .join("\n");
}
