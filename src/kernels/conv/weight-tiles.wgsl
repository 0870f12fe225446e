// The gradient of a convolution's weight for GPUs: the operands of matmul/tiles.wgsl. weight.wgsl has the bindings.

const TRANSPOSE_A = false;
const TRANSPOSE_B = false;
const SUM_ROWS = false;

// Rows row .. row + 3 of y at positions k .. k + 3, a column per position.
fn blockOfA(tile: Tile, row: u32, k: u32) -> mat4x4f {
  if (k >= tile.end) { return mat4x4f(); }
  let i = k / 4u / params.planeQuads;
  let line = ((i * params.groups + tile.group) * params.m + row) * params.planeQuads + k / 4u - i * params.planeQuads;
  return transpose(mat4x4f(
    fromQuad(y[line]),
    fromQuad(y[line + params.planeQuads]),
    fromQuad(y[line + 2u * params.planeQuads]),
    fromQuad(y[line + 3u * params.planeQuads]),
  ));
}

// Taps and channels col .. col + 3 of the windows of positions k .. k + 3, a column per position.
fn blockOfB(tile: Tile, k: u32, col: u32) -> mat4x4f {
  if (k >= tile.end) { return mat4x4f(); }
  let i = k / 4u / params.planeQuads;
  let start = (tile.group * params.images + i) * params.imageQuads + offsetOf(col);
  let p = k - 4u * i * params.planeQuads;
  return mat4x4f(take(start, p), take(start, p + 1u), take(start, p + 2u), take(start, p + 3u));
}

fn take(start: u32, p: u32) -> vec4f {
  let row = p / params.cols;
  let value = fromQuad(image[start + row * params.rowStep + (p - row * params.cols) * params.colStep]);
  return select(vec4f(), value, row < params.rows);
}

fn storeRowSums(tile: Tile, row: u32, count: u32, sums: vec4f) {}
