// y = value.
//
//   y : [size]
//
// Appended: alias R, the element type; alias T, of WIDTH elements, which divides size.

struct Params { size: u32, value: R }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<T>;

const THREADS = 64u;

// A thread per T.
@compute @workgroup_size(THREADS)
fn fill(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size / WIDTH; i += groups.x * THREADS) {
    y[i] = T(params.value);
  }
}
