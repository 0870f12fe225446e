// The gradient of a convolution's weight as a matrix product per group, whose long inner axis is the positions of y, over all
// of the batch, cut into parts: what the kernels of both families share. add-parts.wgsl adds the parts.
//
//   parts[part, g, row, (t, c)] = sum over the positions p of the part of y[i, g, row, p] * image[g, i, place of p + t, c]
//
//   y     : [images, groups, m, planeQuads], along the positions, with zeros behind the last
//   image : [groups, images, ..., quads], along the channels; every tap of every position lies in it
//   parts : [splits, groups, m, n], in vec4s
//
// With it goes one of half/quads-*.wgsl.

struct Params {
  m: u32, n: u32, // output channels of a group; taps times channels of the image
  groups: u32, images: u32, splits: u32, chunk: u32, // quads of positions of a part
  rows: u32, cols: u32, planeQuads: u32,
  tapCols: u32, quads: u32,
  // quads of the image: in one, between positions and between taps
  imageQuads: u32, rowStep: u32, colStep: u32, tapRowStep: u32, tapColStep: u32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> image: array<Quad>;
@group(0) @binding(1) var<storage, read> y: array<Quad>;
@group(0) @binding(2) var<storage, read_write> parts: array<vec4f>;

// Loops that go to this bound and leave by themselves are finite for Dawn, which guards the others with a counter.
const FOREVER = 0x7fffffffu;

fn ceilDiv(a: u32, b: u32) -> u32 {
  return (a + b - 1u) / b;
}

// A tile of the result of a group, over the positions begin .. end - 1, counted with the zeros behind each plane.
struct Tile { row: u32, col: u32, begin: u32, end: u32, group: u32, y: u32 } // y: the part's and group's lines

fn countTiles(rows: u32, cols: u32) -> u32 {
  return ceilDiv(params.m, rows) * ceilDiv(params.n, cols) * params.groups * params.splits;
}

// The tile numbered `tile`: first come the neighbours to the right.
fn findTile(tile: u32, rows: u32, cols: u32) -> Tile {
  let across = ceilDiv(params.n, cols);
  let down = ceilDiv(params.m, rows);
  let line = tile / across;
  let matrix = line / down;
  let part = matrix / params.groups;
  let begin = 4u * part * params.chunk;
  return Tile(
    (line - matrix * down) * rows,
    (tile - line * across) * cols,
    begin,
    min(begin + 4u * params.chunk, 4u * params.images * params.planeQuads),
    matrix - part * params.groups,
    matrix * params.m,
  );
}

// Where the tap and channels of column `col`, the first of four, lie from the start of a window, in quads of the image.
fn offsetOf(col: u32) -> u32 {
  let tap = col / 4u / params.quads;
  let tapRow = tap / params.tapCols;
  return tapRow * params.tapRowStep + (tap - tapRow * params.tapCols) * params.tapColStep + col / 4u - tap * params.quads;
}

// Columns col to col + 3 of a row, as far as there are such columns.
fn store(lines: u32, row: u32, col: u32, sums: vec4f) {
  if (col < params.n) { parts[((lines + row) * params.n + col) / 4u] = sums; }
}
