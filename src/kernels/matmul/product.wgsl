// What the kernels of a matrix product share: y = activation(op(A) op(B) + bias), for each matrix of a batch, where op
// transposes or not. A tile of y is computed over k from `begin` to `end`: all of it, or one of `splits` parts whose sums
// combine.wgsl adds.
//
//   a, b : [.., m, k] and [.., k, n], or transposed, with lines of `lda` and `ldb` elements
//   y    : [splits, batches, m, n]
//
// With it goes one of read-*.wgsl and one of write-*.wgsl, which declare the bindings.

struct Params {
  m: u32, n: u32, k: u32,
  splits: u32, chunk: u32, // k of a part
  lda: u32, ldb: u32,
  batches: u32, batchInner: u32, // a batch number is an outer and an inner one, of batchInner
  aOuter: u32, aInner: u32, bOuter: u32, bInner: u32, // elements between matrices
  hasBias: u32,
  isTurned: u32, // whether what is computed is the transpose of y
}
var<immediate> params: Params;

override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;
// Whether a step along k may reach past `end`, where the operands count as 0.
override K_EDGE: bool;
// Whether the sums of the rows of op(A) are wanted too, which the tiles of the first columns store.
override SUM_ROWS: bool;

// Loops that go to this bound and leave by themselves are finite for Dawn, which guards the others with a counter.
const FOREVER = 0x7fffffffu;

struct Tile { row: u32, col: u32, begin: u32, end: u32, a: u32, b: u32, y: u32 }

fn countTiles(rows: u32, cols: u32) -> u32 {
  return ceilDiv(params.m, rows) * ceilDiv(params.n, cols) * params.batches * params.splits;
}

// The tile of rows x cols numbered `tile`: first come the neighbours to the right.
fn findTile(tile: u32, rows: u32, cols: u32) -> Tile {
  let across = ceilDiv(params.n, cols);
  let down = ceilDiv(params.m, rows);
  let line = tile / across;
  let matrix = line / down;
  let part = matrix / params.batches;
  let batch = matrix - part * params.batches;
  let outer = batch / params.batchInner;
  let inner = batch - outer * params.batchInner;
  let begin = part * params.chunk;
  return Tile(
    (line - matrix * down) * rows,
    (tile - line * across) * cols,
    begin,
    min(begin + params.chunk, params.k),
    outer * params.aOuter + inner * params.aInner,
    outer * params.bOuter + inner * params.bInner,
    matrix * params.m * params.n,
  );
}

// Has the sums of `count` rows of op(A) from `row` on, over a part of k, kept: rowSums is [splits, m].
fn storeRowSums(tile: Tile, row: u32, count: u32, sums: vec4f) {
  for (var i = 0u; i < 4u; i++) {
    if (i < count && row + i < params.m) { keepRowSum(tile.y / params.n + row + i, sums[i]); }
  }
}

fn ceilDiv(a: u32, b: u32) -> u32 {
  return (a + b - 1u) / b;
}

// How many of k, k + 1, k + 2, k + 3 lie before `end`, or more.
fn left(k: u32, end: u32) -> u32 {
  return select(4u, end - min(k, end), K_EDGE);
}

// op(A)[row .. row + 3, k .. k + 3], a column per k. What lies past the last row is arbitrary: nobody stores it.
fn blockOfA(tile: Tile, row: u32, k: u32) -> mat4x4f {
  if (TRANSPOSE_A) {
    let i = tile.a + k * params.lda + row;
    return mat4x4f(
      fourOfA(i, 4u * left(k, tile.end)),
      fourOfA(i + params.lda, 4u * left(k + 1u, tile.end)),
      fourOfA(i + 2u * params.lda, 4u * left(k + 2u, tile.end)),
      fourOfA(i + 3u * params.lda, 4u * left(k + 3u, tile.end)),
    );
  }
  let i = tile.a + row * params.lda + k;
  let n = left(k, tile.end);
  return transpose(mat4x4f(
    fourOfA(i, n),
    fourOfA(i + params.lda, n),
    fourOfA(i + 2u * params.lda, n),
    fourOfA(i + 3u * params.lda, n),
  ));
}

// op(B)[k .. k + 3, col .. col + 3], a column per k.
fn blockOfB(tile: Tile, k: u32, col: u32) -> mat4x4f {
  if (!TRANSPOSE_B) {
    let i = tile.b + k * params.ldb + col;
    return mat4x4f(
      fourOfB(i, 4u * left(k, tile.end)),
      fourOfB(i + params.ldb, 4u * left(k + 1u, tile.end)),
      fourOfB(i + 2u * params.ldb, 4u * left(k + 2u, tile.end)),
      fourOfB(i + 3u * params.ldb, 4u * left(k + 3u, tile.end)),
    );
  }
  let i = tile.b + col * params.ldb + k;
  let n = left(k, tile.end);
  return transpose(mat4x4f(
    fourOfB(i, n),
    fourOfB(i + params.ldb, n),
    fourOfB(i + 2u * params.ldb, n),
    fourOfB(i + 3u * params.ldb, n),
  ));
}
