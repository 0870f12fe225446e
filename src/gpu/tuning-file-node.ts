/**
 * Where Node keeps what `tilegrad tune` has measured: a file for each adapter with its driver, in the cache folder. What was
 * measured with another version of tilegrad, whose kernels may be others, does not count.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Capabilities } from "./adapter.ts";
import { type Choice, type Tuning, UNTUNED } from "./tuning.ts";
import { cacheFolder } from "./vulkan-driver-node.ts";

/** Goes up whenever kernels change so that older measurements or choices no longer hold. */
const KERNELS = 1;

interface TuningFile {
  readonly adapter: string;
  readonly tilegrad: string;
  readonly kernels: number;
  readonly choices: Readonly<Record<string, Choice>>;
}

/** Returns where the choices for an adapter lie or would lie. Its description has the driver's version. */
export function tuningPath({ description }: Pick<Capabilities, "description">): string {
  const words = description.replace(/[^a-z0-9]+/gi, "-").slice(0, 48);
  const sum = createHash("sha256").update(description).digest("hex").slice(0, 8);
  return join(cacheFolder(), "tuning", `${words}-${sum}.json`);
}

/**
 * Reads the choices for an adapter: none where there is no file. A file that is damaged or of another version is none either, and
 * a line on standard error says so.
 */
export function readTuning(adapter: Pick<Capabilities, "description">): Tuning {
  const path = tuningPath(adapter);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return UNTUNED;
  }
  const found = parse(text, adapter);
  if (typeof found !== "string") return found;
  console.error(`tilegrad: ${path} ${found}, so it is not used; \`tilegrad tune\` measures anew`);
  return UNTUNED;
}

/** What the file of an adapter says. */
export function formatTuning({ description }: Pick<Capabilities, "description">, tuning: Tuning): string {
  const choices = Object.fromEntries([...tuning].sort(([a], [b]) => (a < b ? -1 : 1)));
  const file: TuningFile = { adapter: description, tilegrad: packageVersion(), kernels: KERNELS, choices };
  return `${JSON.stringify(file, null, 2)}\n`;
}

// The choices, or what is wrong.
function parse(text: string, { description }: Pick<Capabilities, "description">): Tuning | string {
  let file: Partial<TuningFile> | null;
  try {
    file = JSON.parse(text);
  } catch {
    return "is damaged";
  }
  if (typeof file !== "object" || file === null) return "is damaged";
  const { adapter, tilegrad, kernels, choices } = file;
  if (adapter !== description) return "is of another adapter or driver";
  if (tilegrad !== packageVersion() || kernels !== KERNELS) return "is of another version of tilegrad";
  const isWhole = typeof choices === "object" && choices !== null && Object.values(choices).every(isChoice);
  return isWhole ? new Map(Object.entries(choices)) : "is damaged";
}

function isChoice(value: unknown): value is Choice {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((field) => ["number", "string", "boolean"].includes(typeof field))
  );
}

function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
