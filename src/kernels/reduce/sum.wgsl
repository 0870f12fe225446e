// Sums over one axis of x seen as [outer, n, inner].
//
//   x : [outer, n, inner]      y : [outer, inner]

struct Params { outer: u32, n: u32, inner: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

const THREADS = 64u;

// A workgroup per row, for inner = 1.
@compute @workgroup_size(WG)
fn rows(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  for (var row = wid.x; row < params.outer; row += groups.x) {
    var sum = 0.0;
    for (var c = lane; c < params.n; c += WG) { sum += x[row * params.n + c]; }
    let total = workgroupSum(sum, lane);
    if (lane == 0u) { y[row] = total; }
  }
}

// A thread per element of y, so that neighbours read neighbours.
@compute @workgroup_size(THREADS)
fn columns(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.outer * params.inner; i += groups.x * THREADS) {
    let start = i / params.inner * params.n * params.inner + i % params.inner;
    var sum = 0.0;
    for (var c = 0u; c < params.n; c++) { sum += x[start + c * params.inner]; }
    y[i] = sum;
  }
}
