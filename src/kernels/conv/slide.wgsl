// Sums over a window that slides over an image, as a matrix product per group: what the kernels of both families share.
//
//   out[i, g, column, p] = bias[g, column] + sum over taps t and channels c of
//                          image[g, i, place of p + t, c] * weight[g, t, c, column]
//
//   image  : [groups, images, ..., quads], along the channels; every tap of every position lies in it
//   weight : [groups, tapRows * tapCols * quads * 4, columnQuads], in quads along the columns
//   bias   : [groups, m]
//   out    : [images, groups, m, outPlane], of which each plane's positions are written that
//            lie at outFirst + row * outRowStep + col * outColStep
//
// With it go one of write-*.wgsl and one of half/quads-*.wgsl.

struct Params {
  m: u32, // columns: the output channels of a group
  n: u32, // positions: images * rows * cols
  groups: u32, rows: u32, cols: u32,
  tapRows: u32, tapCols: u32, quads: u32, columnQuads: u32,
  // quads of the image: in one, before the first window, between positions and between taps
  imageQuads: u32, first: u32, rowStep: u32, colStep: u32, tapRowStep: u32, tapColStep: u32,
  outPlane: u32, outFirst: u32, outRowStep: u32, outColStep: u32,
  hasBias: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> image: array<Quad>;
@group(0) @binding(1) var<storage, read> weight: array<Quad>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;

// Loops that go to this bound and leave by themselves are finite for Dawn, which guards the others with a counter.
const FOREVER = 0x7fffffffu;

fn ceilDiv(a: u32, b: u32) -> u32 {
  return (a + b - 1u) / b;
}

struct Position { image: u32, row: u32, col: u32 }

fn positionOf(p: u32) -> Position {
  let plane = params.rows * params.cols;
  let i = p / plane;
  let row = (p - i * plane) / params.cols;
  return Position(i, row, p - i * plane - row * params.cols);
}

// Where the window of position p starts in the image, in quads; for one behind the last, that of the last.
fn placeOf(group: u32, p: u32) -> u32 {
  let at = positionOf(min(p, params.n - 1u));
  let picture = group * (params.n / (params.rows * params.cols)) + at.image;
  return picture * params.imageQuads + params.first + at.row * params.rowStep + at.col * params.colStep;
}

fn biasOf(group: u32, column: u32) -> f32 {
  if (params.hasBias == 0u) { return 0.0; }
  return bias[group * params.m + column];
}

fn lineOf(group: u32, column: u32, i: u32) -> u32 {
  return ((i * params.groups + group) * params.m + column) * params.outPlane;
}
