/** What the README lists is there, and what is there is listed. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as tg from "../src/tilegrad.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const section = readme.slice(readme.indexOf("### PyTorch's layers"), readme.indexOf("Numbers: kernels are tested"));

/** Class names in the columns "there" and "not yet" of the table. */
function listed(column: 2 | 3): Set<string> {
  const rows = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| |"));
  const cells = rows.map((row) => row.split("|")[column]!.replace(/`[^`]*`/g, ""));
  return new Set(
    cells.flatMap((cell) => cell.match(/\b[A-Z]\w*[a-z]\w*|\b(?:ELU|CELU|SELU|GELU|GLU|SGD|RNN|LSTM|GRU)\b/g) ?? []),
  );
}

const classes = Object.entries({ ...tg.nn, ...tg.optim }).filter(
  ([name, value]) =>
    typeof value === "function" &&
    /^[A-Z]/.test(name) &&
    !["Parameter", "Buffer", "Optimizer", "LRScheduler"].includes(name),
);

test("layers, losses, optimizers and schedules", () => {
  const there = listed(2);
  expect(there.size).toBeGreaterThan(100);
  expect([...there].filter((name) => !classes.some(([known]) => known === name))).toEqual([]);
  expect(classes.map(([name]) => name).filter((name) => !there.has(name))).toEqual([]);
  expect([...listed(3)].filter((name) => classes.some(([known]) => known === name))).toEqual([]);
});
