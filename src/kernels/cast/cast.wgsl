// y = x as another dtype. Floats are cut towards zero and held to the integer's range; anything but 0 is true.
//
//   x, y : [size]
//
// Appended: alias T (of x), alias R (of y), fn convert(x: T) -> R.

struct Params { size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<R>;

const THREADS = 64u;

// A thread per element.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    y[i] = convert(x[i]);
  }
}
