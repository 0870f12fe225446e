// y = a * sigmoid(b), where a and b are the halves of x along an axis, and dx.
//
//   x, dx : [outer, 2, half]      a = x[:, 0], b = x[:, 1]
//   y, dy : [outer, half]

struct Params { size: u32, half: u32 } // size of y
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;

// Where a is, for element i of y; b is `half` elements behind it.
fn place(i: u32) -> u32 {
  return i + i / params.half * params.half;
}

// A thread per element of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    let at = place(i);
    y[i] = x[at] * sigmoid(x[at + params.half]);
  }
}

// A thread per element of dy.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    let at = place(i);
    let gate = sigmoid(x[at + params.half]);
    let d = dy[i] * gate;
    dx[at] = d;
    dx[at + params.half] = d * (1.0 - gate) * x[at];
  }
}
