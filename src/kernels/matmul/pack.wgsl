// y = x with zeros behind each line, so that the lines are a multiple of four long.
//
//   x : [lines, length]
//   y : [lines, quads], in vec4s

struct Params { lines: u32, length: u32, quads: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

override WG: u32 = 64; // one subgroup on software adapters

// A workgroup per line.
@compute @workgroup_size(WG)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) thread: u32) {
  for (var line = wid.x; line < params.lines; line += groups.x) {
    let first = line * params.length;
    for (var q = thread; q < params.quads; q += WG) {
      let i = first + 4u * q;
      let isInLine = 4u * q + vec4u(0, 1, 2, 3) < vec4u(params.length);
      y[line * params.quads + q] = select(vec4f(), vec4f(x[i], x[i + 1u], x[i + 2u], x[i + 3u]), isInLine);
    }
  }
}
