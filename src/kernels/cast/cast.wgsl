// y = x as another dtype. Floats are cut towards zero and held to the integer's range; anything but 0 is true.
//
//   x, y : [size], in elements or in vec4s
//
// Appended: alias X (of x), Y (of y), fn map(x: X) -> Y.

struct Params { size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;

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
