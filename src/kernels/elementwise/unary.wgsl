// y = f(x), element by element, and dx = dy * df(s), where s is x or y, whichever the derivative is simplest in.
//
//   x, y, s, dy, dx : [size]
//
// Appended: alias T (of x), alias R (of y), fn f(x: T) -> R, fn df(s: f32) -> f32.

struct Params { size: u32, p: f32, q: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<R>;
@group(0) @binding(2) var<storage, read> s: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;

// A thread per element.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    y[i] = f(x[i]);
  }
}

// A thread per element.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    dx[i] = dy[i] * df(s[i]);
  }
}
