// Sums over a sliding window for GPUs: the operands of matmul/tiles.wgsl, which multiplies the weights, turned, with the
// windows of the image, as columns. slide.wgsl has the bindings.

const TRANSPOSE_A = true;
const TRANSPOSE_B = true;
const SUM_ROWS = false;

struct Tile { row: u32, col: u32, begin: u32, end: u32, y: u32 } // y: the group

fn countTiles(rows: u32, cols: u32) -> u32 {
  return ceilDiv(params.m, rows) * ceilDiv(params.n, cols) * params.groups;
}

// The tile numbered `tile`: first come those with the same positions.
fn findTile(tile: u32, rows: u32, cols: u32) -> Tile {
  let down = ceilDiv(params.m, rows);
  let across = ceilDiv(params.n, cols);
  let line = tile / down;
  let group = line / across;
  let depth = params.tapRows * params.tapCols * params.quads * 4u;
  return Tile((tile - line * down) * rows, (line - group * across) * cols, 0u, depth, group);
}

// The weights of columns row .. row + 3 at depth k .. k + 3, a column per k.
fn blockOfA(tile: Tile, row: u32, k: u32) -> mat4x4f {
  if (k >= tile.end) { return mat4x4f(); }
  let i = (tile.y * tile.end + k) * params.columnQuads + row / 4u;
  return mat4x4f(
    fromQuad(weight[i]),
    fromQuad(weight[i + params.columnQuads]),
    fromQuad(weight[i + 2u * params.columnQuads]),
    fromQuad(weight[i + 3u * params.columnQuads]),
  );
}

// Channels of the windows of positions col .. col + 3 at depth k .. k + 3, a column per k.
fn blockOfB(tile: Tile, k: u32, col: u32) -> mat4x4f {
  if (k >= tile.end) { return mat4x4f(); }
  let tap = k / 4u / params.quads;
  let tapRow = tap / params.tapCols;
  let i = tapRow * params.tapRowStep + (tap - tapRow * params.tapCols) * params.tapColStep + k / 4u - tap * params.quads;
  return transpose(mat4x4f(
    fromQuad(image[placeOf(tile.y, col) + i]),
    fromQuad(image[placeOf(tile.y, col + 1u) + i]),
    fromQuad(image[placeOf(tile.y, col + 2u) + i]),
    fromQuad(image[placeOf(tile.y, col + 3u) + i]),
  ));
}

fn storeRowSums(tile: Tile, row: u32, count: u32, sums: vec4f) {}
