// y = f(a, b), element by element, with broadcasting; and the gradients of the two before they are summed over
// the axes along which an operand was stretched.
//
//   y, dy, da, db : the broadcast shape, in elements or in vec4s
//   a, b          : as they are, in elements or in vec4s; an element stands for all four
//
// Appended: alias A, B (of a and b), V (of both when spread), Y (of y), D (of dy, da and db),
// fn map(a: V, b: V) -> Y, fn slopeA, slopeB (a: V, b: V) -> D.

struct Params { shape: vec4u, aStrides: vec4u, bStrides: vec4u }
var<immediate> params: Params;

override A_ACCESS: u32;
override B_ACCESS: u32;

@group(0) @binding(0) var<storage, read> a: array<A>;
@group(0) @binding(1) var<storage, read> b: array<B>;
@group(0) @binding(2) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read> dy: array<D>;
@group(0) @binding(4) var<storage, read_write> da: array<D>;
@group(0) @binding(5) var<storage, read_write> db: array<D>;

const THREADS = 64u;
override STEP: u32; // neighbours that a thread takes at a time

fn readA(i: u32, at: vec4u) -> V {
  return V(a[offset(i, at, A_ACCESS, params.aStrides)]);
}

fn readB(i: u32, at: vec4u) -> V {
  return V(b[offset(i, at, B_ACCESS, params.bStrides)]);
}

// A thread per STEP elements or vec4s of the result.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * STEP; start < params.shape.x; start += groups.x * THREADS * STEP) {
    var at = coordinates(start);
    for (var i = start; i < start + STEP; i++) {
      if (i < params.shape.x) { y[i] = map(readA(i, at), readB(i, at)); }
      at = next(at);
    }
  }
}

// A thread per STEP elements or vec4s of the result.
@compute @workgroup_size(THREADS)
fn backwardA(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * STEP; start < params.shape.x; start += groups.x * THREADS * STEP) {
    var at = coordinates(start);
    for (var i = start; i < start + STEP; i++) {
      if (i < params.shape.x) { da[i] = dy[i] * slopeA(readA(i, at), readB(i, at)); }
      at = next(at);
    }
  }
}

// A thread per STEP elements or vec4s of the result.
@compute @workgroup_size(THREADS)
fn backwardB(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * STEP; start < params.shape.x; start += groups.x * THREADS * STEP) {
    var at = coordinates(start);
    for (var i = start; i < start + STEP; i++) {
      if (i < params.shape.x) { db[i] = dy[i] * slopeB(readA(i, at), readB(i, at)); }
      at = next(at);
    }
  }
}
