// The weights of a sum over a sliding window as a matrix per group, whose columns are the outputs; zeros fill it up.
// Goes with one of half/quads-*.wgsl.
//
//   weight : the parameter, any order of its channels
//   packed : [groups, tapRows, tapCols, 4 * quads, columnQuads]; quads and fold as in pack-image.wgsl

struct Params {
  groups: u32, tapRows: u32, tapCols: u32, quads: u32, columnQuads: u32,
  channels: u32, columns: u32, fold: u32,
  group: u32, channel: u32, column: u32,   // elements between neighbours
  firstTap: i32, tapRow: i32, tapCol: i32, // where the first tap is, and elements between taps
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<Quad>;

const THREADS = 64u;

// A thread per vec4.
@compute @workgroup_size(THREADS)
fn pack(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let depth = 4u * params.quads;
  let size = params.groups * params.tapRows * params.tapCols * depth * params.columnQuads;
  for (var i = gid.x; i < size; i += groups.x * THREADS) {
    let line = i / params.columnQuads;
    let column = 4u * (i - line * params.columnQuads);
    let window = line / depth;
    let folded = line - window * depth;
    let beside = folded / params.channels;
    let channel = folded - beside * params.channels;
    let row = window / params.tapCols;
    let group = row / params.tapRows;
    let tapRow = row - group * params.tapRows;
    let tapCol = window - row * params.tapCols + beside;
    let at = group * params.group + channel * params.channel + column * params.column
           + u32(params.firstTap + i32(tapRow) * params.tapRow + i32(tapCol) * params.tapCol);
    var value = vec4f();
    for (var k = 0u; k < 4u; k++) {
      if (beside < params.fold && column + k < params.columns) {
        value[k] = weight[at + k * params.column];
      }
    }
    packed[i] = toQuad(value);
  }
}
