// The sum of two gradients of one tensor.
//
//   a, b, sum : [size]

struct Params { size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;

const THREADS = 64u;
override STEP: u32; // neighbours that a thread takes at a time

// A thread per STEP elements: sum = a + b.
@compute @workgroup_size(THREADS)
fn add(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * STEP; start < params.size; start += groups.x * THREADS * STEP) {
    for (var i = start; i < start + STEP; i++) {
      if (i < params.size) { sum[i] = a[i] + b[i]; }
    }
  }
}

// A thread per STEP elements: sum += a.
@compute @workgroup_size(THREADS)
fn addInto(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var start = gid.x * STEP; start < params.size; start += groups.x * THREADS * STEP) {
    for (var i = start; i < start + STEP; i++) {
      if (i < params.size) { sum[i] += a[i]; }
    }
  }
}
