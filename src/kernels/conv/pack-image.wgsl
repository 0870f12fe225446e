// A padded image for sums over a sliding window: channels innermost, in vec4s filled up with zeros, and zeros wherever the
// window reaches over the border, so that the sums need no test. Where there are few channels, the taps of a window's row
// stand beside each other as further channels. Goes with one of half/quads-*.wgsl.
//
//   x     : [n, groups * channels, height, width]
//   image : [groups, n, rows, cols, quads]: x at row originY + r, column originX + c * colStep + fold * foldStep

struct Params {
  n: u32, groups: u32, channels: u32, height: u32, width: u32,
  rows: u32, cols: u32, quads: u32,
  originY: i32, originX: i32, colStep: i32,
  fold: u32, foldStep: i32, // taps beside each other, and columns between them
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> image: array<Quad>;

override WG: u32 = 64; // one subgroup on software adapters

// A workgroup per row.
@compute @workgroup_size(WG)
fn pack(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) thread: u32) {
  let plane = params.height * params.width;
  for (var line = wid.x; line < params.groups * params.n * params.rows; line += groups.x) {
    let picture = line / params.rows;
    let group = picture / params.n;
    let i = picture - group * params.n;
    // Rows and columns before the first wrap round to large numbers.
    let row = u32(i32(line - picture * params.rows) + params.originY);
    let first = (i * params.groups + group) * params.channels * plane + row * params.width;
    let isRow = row < params.height;
    for (var j = thread; j < params.cols * params.quads; j += WG) {
      let quad = j / params.cols;
      let place = j - quad * params.cols;
      let col = i32(place) * params.colStep + params.originX;
      let channel = 4u * quad + vec4u(0, 1, 2, 3);
      var tap = vec4u();
      // Else what is no tap is behind the last channel, too.
      if (params.fold > 1u) { tap = channel / params.channels; }
      let c = channel - tap * params.channels;
      let at = vec4u(col + vec4i(tap) * params.foldStep);
      let i = first + c * plane + at;
      let isThere = vec4<bool>(isRow) & (at < vec4u(params.width)) & (tap < vec4u(params.fold)) & (c < vec4u(params.channels));
      let value = select(vec4f(), vec4f(x[i.x], x[i.y], x[i.z], x[i.w]), isThere);
      image[(line * params.cols + place) * params.quads + quad] = toQuad(value);
    }
  }
}
