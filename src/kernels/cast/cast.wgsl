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

// A thread per element or vec4.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    y[i] = map(x[i]);
  }
}
