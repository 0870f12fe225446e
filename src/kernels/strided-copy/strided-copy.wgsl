// A contiguous y out of any strided view of x: y[c] = x[offset + sum of c[k] * strides[k]].
//
//   y : shape, [size]      strides may be 0 (expand) or negative (flip)
//
// Appended: alias T.

struct Params { shape: array<vec4u, 2>, strides: array<vec4i, 2>, size: u32, offset: u32 }
var<immediate> params: Params;

override RANK: u32; // of shape after merging; its dimensions come innermost first

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;

const THREADS = 64u;

// A thread per element of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    var rest = i;
    var at = i32(params.offset);
    for (var k = 0u; k < RANK; k++) {
      let n = params.shape[k / 4u][k % 4u];
      at += i32(rest % n) * params.strides[k / 4u][k % 4u];
      rest /= n;
    }
    y[i] = x[at];
  }
}
