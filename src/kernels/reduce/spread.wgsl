// dx = gradient(x, dy, what the thread knows of its line), for a reduction over the middle axis of x.
//
//   x, dx : [outer, n, inner], [size]      y, dy, pivot : [outer, inner]
//
// Appended: alias L; fn lineOf(at: u32) -> L; fn gradient(x: f32, dy: f32, line: L) -> f32.

struct Params { size: u32, n: u32, inner: u32, p: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> pivot: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;

// Where line `at` begins.
fn startOf(at: u32) -> u32 {
  return at / params.inner * params.n * params.inner + at % params.inner;
}

// A thread per element of x.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    let at = i / (params.n * params.inner) * params.inner + i % params.inner;
    dx[i] = gradient(x[i], dy[at], lineOf(at));
  }
}
