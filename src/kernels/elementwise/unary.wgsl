// y = f(x), element by element, and dx = dy * df(s), where s is x or y, whichever the derivative is simplest in.
//
//   x, y, s, dy, dx : [size], in elements or in vec4s
//
// Appended: alias X (of x), Y (of y), S (of s, dy and dx), fn map(x: X) -> Y, fn slope(s: S) -> S.

struct Params { size: u32, p: f32, q: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;
@group(0) @binding(2) var<storage, read> s: array<S>;
@group(0) @binding(3) var<storage, read> dy: array<S>;
@group(0) @binding(4) var<storage, read_write> dx: array<S>;

const THREADS = 64u;
override STEP: u32; // neighbours that a thread takes at a time

// A thread per STEP elements or vec4s.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * STEP; start < params.size; start += groups.x * THREADS * STEP) {
    for (var i = start; i < start + STEP; i++) {
      if (i < params.size) { y[i] = map(x[i]); }
    }
  }
}

// A thread per STEP elements or vec4s.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * STEP; start < params.size; start += groups.x * THREADS * STEP) {
    for (var i = start; i < start + STEP; i++) {
      if (i < params.size) { dx[i] = dy[i] * slope(s[i]); }
    }
  }
}
