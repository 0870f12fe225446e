// y = x with zeros behind each line, so that the lines are a multiple of four long; goes with one of half/quads-*.wgsl.
//
//   x : [lines, length]
//   y : [lines, quads], four numbers each

struct Params { lines: u32, length: u32, quads: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<Quad>;

override WG: u32 = 64; // one subgroup on software adapters

// A thread per line.
@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var line = gid.x; line < params.lines; line += groups.x * WG) {
    let first = line * params.length;
    let whole = params.length / 4u;
    for (var q = 0u; q < whole; q++) {
      let i = first + 4u * q;
      y[line * params.quads + q] = toQuad(vec4f(x[i], x[i + 1u], x[i + 2u], x[i + 3u]));
    }
    if (whole < params.quads) {
      var rest = vec4f();
      for (var j = 0u; j < params.length % 4u; j++) { rest[j] = x[first + 4u * whole + j]; }
      y[line * params.quads + whole] = toQuad(rest);
    }
  }
}
