import { expect, test } from "vitest";
import { paramsAsUniform, parseWgsl } from "./wgsl.ts";

const source = `
struct Params { size: u32, scale: f32, shape: vec4u }
var<immediate> params: Params;
override FLAG: u32 = 0;
override WG: u32 = 64;
const COUNT = FLAG + 1u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> unused: array<f32>; // unused in forward
@group(0) @binding(3) var<uniform> step: vec4f;
var<workgroup> lanes: array<f32, WG>;

fn helper(unused: f32) -> f32 { return unused * step.x + f32(COUNT); }
fn viaWorkgroup() { lanes[0] = 1.0; }

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) gid: vec3u) {
  let local = helper(x[gid.x].x) * params.scale;
  y[gid.x] = local;
}
@compute @workgroup_size(WG)
fn other() { let y = 1.0; viaWorkgroup(); }
`;

test("an entry has the bindings it reaches, through functions, and not names that are local", () => {
  const { entries } = parseWgsl(source, "test");
  const forward = entries.get("forward")!;
  expect(forward.bindings).toEqual([
    { name: "x", binding: 0, access: "read", elementBytes: 16 },
    { name: "y", binding: 1, access: "read_write", elementBytes: 4 },
    { name: "step", binding: 3, access: "uniform", elementBytes: 16 },
  ]);
  expect(forward.usesParams).toBe(true);
  expect(forward.overrides).toEqual(["FLAG"]);
  const other = entries.get("other")!;
  expect(other.bindings).toEqual([]);
  expect(other.usesParams).toBe(false);
  expect(other.overrides).toEqual(["WG"]);
});

test("a binding's element is looked up through aliases", () => {
  const code =
    "alias T = vec4<f32>; @group(0) @binding(0) var<storage, read> x: array<T>; @compute @workgroup_size(1) fn f() { _ = x[0]; }";
  expect(parseWgsl(code, "test").entries.get("f")!.bindings[0]!.elementBytes).toBe(16);
});

test("params are laid out as WGSL lays a struct out", () => {
  const { params } = parseWgsl(source, "test");
  expect(params).toEqual({
    words: 8,
    hasArray: false,
    fields: [
      { name: "size", scalar: "u32", length: 1, wordOffset: 0 },
      { name: "scale", scalar: "f32", length: 1, wordOffset: 1 },
      { name: "shape", scalar: "u32", length: 4, wordOffset: 4 },
    ],
  });
  const wide = parseWgsl("alias T = i32; struct Params { a: array<vec4u, 2>, b: T, c: vec2<f32> }", "test").params;
  expect(wide.fields.map(({ wordOffset, scalar }) => [wordOffset, scalar])).toEqual([
    [0, "u32"],
    [8, "i32"],
    [10, "f32"],
  ]);
  expect([wide.words, wide.hasArray]).toEqual([12, true]);
});

test("what cannot be read is named", () => {
  expect(() => parseWgsl("struct Params { m: mat4x4f }", "sum")).toThrow(
    'sum: cannot read the field "m: mat4x4f" of struct Params',
  );
  expect(() => parseWgsl("@compute @workgroup_size(1) fn forward() { if (true) { }", "sum")).toThrow(
    "sum: fn forward has no end",
  );
});

test("params become a uniform", () => {
  expect(paramsAsUniform(source, 15)).toContain("@group(0) @binding(15) var<uniform> params: Params;");
});
