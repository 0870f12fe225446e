// y = x rounded to float16, in float32; goes with quads-f16.wgsl.
//
//   x, y : [size]

struct Params { size: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

const THREADS = 64u;

// A thread per four elements.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = 4u * gid.x; i < params.size; i += groups.x * 4u * THREADS) {
    let rounded = fromQuad(toQuad(vec4f(x[i], x[i + 1u], x[i + 2u], x[i + 3u])));
    for (var j = 0u; j < min(4u, params.size - i); j++) { y[i + j] = rounded[j]; }
  }
}
