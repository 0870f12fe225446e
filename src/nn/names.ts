/** Parts of a module chosen by name: patterns for parameters, as `freeze` and parameter groups take them. */
import { didYouMean, ValueError } from "../gpu/errors.ts";

/**
 * Names in a state dict: a dotted name, which is that of a parameter or of a module with all that is inside, where `*` stands
 * for any characters but a dot and `**` for any at all; or a RegExp, which may match anywhere in a parameter's name.
 *
 * @example "encoder.layers.0", "encoder.layers.*.norm1", "**.bias", /layers\.[0-3]\./
 */
export type NamePattern = string | RegExp;

/** Whether a parameter's name, or that of a module around it, is one that the pattern means. */
export function nameMatches(pattern: NamePattern, name: string): boolean {
  if (typeof pattern === "string") return globOf(pattern).test(name);
  pattern.lastIndex = 0; // of one with the flag g, which goes on from where it was
  return pattern.test(name);
}

// The name itself, or what begins with it and a dot.
function globOf(pattern: string): RegExp {
  const parts = pattern
    .split(/(\*+)/)
    .map((part) => (part === "*" ? "[^.]*" : part.startsWith("*") ? ".*" : part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&")));
  return new RegExp(`^${parts.join("")}(\\..*)?$`, "s");
}

/**
 * The names that any of the patterns means, in their order.
 *
 * @throws ValueError naming a pattern that means none
 */
export function selectNames(op: string, patterns: readonly NamePattern[], names: readonly string[]): string[] {
  for (const pattern of patterns) {
    if (names.some((name) => nameMatches(pattern, name))) continue;
    const shown = typeof pattern === "string" ? `"${pattern}"` : String(pattern);
    throw new ValueError(
      `${op}: no parameter's name matches ${shown}${didYouMean(String(pattern), withModules(names))}`,
    );
  }
  return names.filter((name) => patterns.some((pattern) => nameMatches(pattern, name)));
}

// "a.b.weight" also as "a" and "a.b".
function withModules(names: readonly string[]): string[] {
  const all = names.flatMap((name) => {
    const parts = name.split(".");
    return parts.map((_, i) => parts.slice(0, i + 1).join("."));
  });
  return [...new Set(all)];
}
