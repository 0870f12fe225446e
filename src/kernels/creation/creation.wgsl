// Tensors from rules.
//
//   y : [size]
//
// Appended: alias T.

struct Params { size: u32, half: u32, start: T, step: T, end: T, cols: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<T>;

const THREADS = 64u;

// A thread per element: start + i * step; from `half` on it is reckoned back from the end, so that both ends are exact.
@compute @workgroup_size(THREADS)
fn sequence(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    y[i] = select(params.start + T(i) * params.step, params.end - T(params.size - 1u - i) * params.step, i >= params.half);
  }
}

// A thread per element: 1 on the diagonal of [size / cols, cols], else 0.
@compute @workgroup_size(THREADS)
fn identity(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    y[i] = select(T(0), T(1), i / params.cols == i % params.cols);
  }
}
