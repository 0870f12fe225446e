// Sums over a window that slides over an image, element by element: the definition, and what computes them where the channels
// of a group are too few for a matrix product.
//
//   out[i, g, column, position] = bias[g, column] + sum over channels c and taps t of
//                                 source[i, g, c, start + stride * position + dilation * t] * weight[g, c, column, tap of t]
//
// along both axes; the source counts as 0 outside.
//
//   source : [n, groups, channels, height, width]
//   weight : any order: `group`, `channel` and `column` are the elements between neighbours, `tapRow` and `tapCol` those between
//            taps, from `firstTap` on
//   bias   : [groups, columns]
//   out    : [n, groups, columns, outPlane], of which each plane's positions are written, rows x cols of them, that lie at
//            outFirst + row * outRowStep + col * outColStep

struct Params {
  n: u32, groups: u32, channels: u32, columns: u32,
  height: u32, width: u32, rows: u32, cols: u32, tapRows: u32, tapCols: u32,
  startY: i32, startX: i32, strideY: u32, strideX: u32, dilationY: u32, dilationX: u32,
  group: u32, channel: u32, column: u32, firstTap: i32, tapRow: i32, tapCol: i32,
  outPlane: u32, outFirst: u32, outRowStep: u32, outColStep: u32,
  hasBias: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const THREADS = 64u;

// A thread per four neighbouring positions of a plane.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let positions = params.rows * params.cols;
  let quads = (positions + 3u) / 4u;
  let plane = params.height * params.width;
  for (var i = gid.x; i < params.n * params.groups * params.columns * quads; i += groups.x * THREADS) {
    let line = i / quads;
    let picture = line / params.columns;
    let column = line - picture * params.columns;
    let group = picture % params.groups;
    let p = 4u * (i - line * quads) + vec4u(0, 1, 2, 3);
    let row = p / params.cols;
    let col = p - row * params.cols;
    // Positions before the first wrap round to large numbers.
    let top = row * params.strideY + u32(params.startY);
    let left = col * params.strideX + u32(params.startX);
    let first = picture * params.channels * plane;
    var sums = vec4f();
    if (params.hasBias != 0u) { sums = vec4f(bias[group * params.columns + column]); }
    for (var tapRow = 0u; tapRow < params.tapRows; tapRow++) {
      let y = top + tapRow * params.dilationY;
      for (var tapCol = 0u; tapCol < params.tapCols; tapCol++) {
        let x = left + tapCol * params.dilationX;
        let isInside = (y < vec4u(params.height)) & (x < vec4u(params.width));
        let tap = params.firstTap + i32(tapRow) * params.tapRow + i32(tapCol) * params.tapCol;
        var at = first + y * params.width + x;
        var w = group * params.group + column * params.column + u32(tap);
        for (var c = 0u; c < params.channels; c++) {
          let value = vec4f(source[at.x], source[at.y], source[at.z], source[at.w]);
          sums += weight[w] * select(vec4f(), value, isInside);
          at += plane;
          w += params.channel;
        }
      }
    }
    let places = line * params.outPlane + params.outFirst + row * params.outRowStep + col * params.outColStep;
    for (var j = 0u; j < 4u; j++) {
      if (p[j] < positions) { out[places[j]] = sums[j]; }
    }
  }
}
