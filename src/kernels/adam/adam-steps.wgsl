// Counts the steps of each tensor, and what Adam corrects its moments by, on the device: a replayed step goes on rightly.
//
//   steps  : [tensors] of (t, 1 - beta1^t, 1 - beta2^t, 0)
//   enabled : [tensors] whether the tensor has a gradient in this step

struct Params { tensors: u32, logBeta1: f32, logBeta2: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> steps: array<vec4f>;
@group(0) @binding(1) var<storage, read> enabled: array<u32>;

const THREADS = 64u;

// A thread per tensor.
@compute @workgroup_size(THREADS)
fn advance(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.tensors; i += groups.x * THREADS) {
    if (enabled[i] == 0u) { continue; }
    let t = steps[i].x + 1.0;
    steps[i] = vec4f(t, -expm1(t * params.logBeta1), -expm1(t * params.logBeta2), 0.0);
  }
}
