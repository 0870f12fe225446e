// y = mask ? value : x, element by element; the mask may be stretched.
//
//   x, y  : [size], of `shape`
//   mask  : read with strides, 0 along stretched axes
//
// Appended: alias T.

struct Params { shape: vec4u, strides: vec4u, size: u32, value: T }
var<immediate> params: Params;

override RANK: u32; // of shape after merging, 1 to 4; its axes come innermost first

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;

const THREADS = 64u;

// A thread per element.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    var rest = i;
    var at = 0u;
    for (var k = 0u; k < RANK - 1u; k++) {
      at += rest % params.shape[k] * params.strides[k];
      rest /= params.shape[k];
    }
    at += rest * params.strides[RANK - 1u];
    y[i] = select(x[i], params.value, mask[at] != 0u);
  }
}
