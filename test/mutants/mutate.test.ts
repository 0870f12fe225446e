import { expect, test } from "vitest";
import { blankComments, changedLine, functionsOf, mutate, mutationsOf, reachedFrom } from "./mutate.ts";

const SOURCE = `struct Params { rows: u32, cols: u32, eps: f32 }
// A workgroup per row: if (never) { mutated }.
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) wid: vec3u) {
  for (var row = wid.x; row < params.rows; row += groups.x) {
    y[row] = scaled(x[row]) + params.eps; // in a comment: a + b
    workgroupBarrier();
    if (lane == 0u) { note(row); }
  }
}

fn scaled(v: vec2f) -> f32 { return select(-v.x, 2.0 * v.y, v.x >= 1e-3); }

fn unused() -> f32 { return 1.0; }
`;
const code = blankComments(SOURCE);
const functions = functionsOf(code);

function becomes(name: string): Map<string, string[]> {
  const { start, end } = functions.find((fn) => fn.name === name)!;
  const found = new Map<string, string[]>();
  for (const mutation of mutationsOf(code, start, end)) {
    found.set(mutation.kind, [...(found.get(mutation.kind) ?? []), changedLine(SOURCE, mutation).becomes]);
  }
  return found;
}

test("functions, and those that an entry reaches", () => {
  expect(functions.map(({ name, isEntry }) => [name, isEntry])).toEqual([
    ["forward", true],
    ["scaled", false],
    ["unused", false],
  ]);
  expect(reachedFrom(["forward"], functions)).toEqual(new Set(["forward", "scaled"]));
  expect(code.length).toBe(SOURCE.length);
});

test("loops, stores, barriers and guards", () => {
  const found = becomes("forward");
  const loop = (head: string) => `for (${head}) {`;
  expect(found.get("start of a loop")).toEqual([loop("var row = wid.x + 1; row < params.rows; row += groups.x")]);
  expect(found.get("bound")).toEqual([
    loop("var row = wid.x; row <= params.rows; row += groups.x"),
    loop("var row = wid.x; row < params.rows - 1; row += groups.x"),
    "if (lane != 0u) { note(row); }",
  ]);
  expect(found.get("stride")).toEqual([
    loop("var row = wid.x; row < params.rows; row += groups.x + 1"),
    loop("var row = wid.x; row < params.cols; row += groups.x"),
  ]);
  expect(found.get("index")).toEqual([
    "y[row + 1] = scaled(x[row]) + params.eps;",
    "y[row] = scaled(x[row + 1]) + params.eps;",
  ]);
  expect(found.get("operator")).toEqual(["y[row] = scaled(x[row]) - params.eps;"]);
  expect(found.get("dropped term")).toEqual(["y[row] = scaled(x[row]);"]);
  expect(found.get("dropped store")).toEqual([""]);
  expect(found.get("barrier")).toEqual([""]);
  expect(found.get("guard")).toEqual(["if (true) { note(row); }"]);
  expect(found.get("negated condition")).toEqual(["if (!(lane == 0u)) { note(row); }"]);
  expect(found.get("constant")).toEqual(["if (lane == 1u) { note(row); }"]);
  expect(found.get("dropped call")).toEqual(["if (lane == 0u) { }"]);
});

test("expressions", () => {
  const found = becomes("scaled");
  const line = (expression: string) => `fn scaled(v: vec2f) -> f32 { return ${expression}; }`;
  expect(found.get("negated condition")).toEqual([line("select( 2.0 * v.y,-v.x, v.x >= 1e-3)")]);
  expect(found.get("sign")).toEqual([line("select(v.x, 2.0 * v.y, v.x >= 1e-3)")]);
  expect(found.get("constant")).toEqual([
    line("select(-v.x, 4.0 * v.y, v.x >= 1e-3)"),
    line("select(-v.x, 2.0 * v.y, v.x >= 0.002)"),
  ]);
  expect(found.get("stride")).toContain(line("select(-v.y, 2.0 * v.y, v.x >= 1e-3)"));
  expect(found.get("dropped term")).toEqual([line("select(-v.x, 2.0, v.x >= 1e-3)")]);
});

test("dropped terms end where their operand does", () => {
  const dropped = (expression: string) => {
    const body = `return ${expression};`;
    const mutations = mutationsOf(body, 0, body.length).filter(({ kind }) => kind === "dropped term");
    return mutations.map((mutation) => mutate(body, mutation));
  };
  expect(dropped("a + b * f(c)[i].x - d")).toEqual(["return a - d;", "return a + b - d;", "return a + b * f(c)[i].x;"]);
  expect(dropped("f32(x >> 8u) * 0x1p-24")).toEqual(["return f32(x) * 0x1p-24;", "return f32(x >> 8u);"]);
  expect(dropped("a * (b + c)")).toEqual(["return a;", "return a * (b);"]);
});
