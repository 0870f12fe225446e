// y = f(a, b, c), element by element, with broadcasting.
//
//   y       : the broadcast shape, in elements or in vec4s
//   a, b, c : as they are, in elements or in vec4s; an element stands for all four
//
// Appended: alias A, B, C (of a, b and c), U (of a when spread), V (of b, c when spread, and y), fn map(a: U, b: V, c: V) -> V.

struct Params { shape: vec4u, aStrides: vec4u, bStrides: vec4u, cStrides: vec4u }
var<immediate> params: Params;

override A_ACCESS: u32;
override B_ACCESS: u32;
override C_ACCESS: u32;

@group(0) @binding(0) var<storage, read> a: array<A>;
@group(0) @binding(1) var<storage, read> b: array<B>;
@group(0) @binding(2) var<storage, read> c: array<C>;
@group(0) @binding(3) var<storage, read_write> y: array<V>;

const THREADS = 64u;
override STEP: u32; // neighbours that a thread takes at a time

// A thread per STEP elements or vec4s of the result.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * STEP; start < params.shape.x; start += groups.x * THREADS * STEP) {
    var at = coordinates(start);
    for (var i = start; i < start + STEP; i++) {
      if (i < params.shape.x) {
        let condition = U(a[offset(i, at, A_ACCESS, params.aStrides)]);
        let first = V(b[offset(i, at, B_ACCESS, params.bStrides)]);
        let second = V(c[offset(i, at, C_ACCESS, params.cStrides)]);
        y[i] = map(condition, first, second);
      }
      at = next(at);
    }
  }
}
