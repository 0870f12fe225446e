// Matrix products for GPUs; product.wgsl has the bindings.
//
// A workgroup copies a strip of each operand, DEPTH long, into workgroup memory, transposed so that k is the outer
// axis, and each thread adds the products of its rows and columns.

const DEPTH = 16u;
// Rows and columns of a tile: a multiple of 4 BLOCKS, and at least 16 BLOCKS^2, so that there is a thread for each block of a strip.
override TILE: u32;
// A thread has BLOCKS x BLOCKS blocks of 4 x 4 sums: 1 or 2 each way.
override BLOCKS: u32;
override QUADS: u32 = TILE / 4;
override THREADS: u32 = (QUADS / BLOCKS) * (QUADS / BLOCKS);
override STRIP_BLOCKS: u32 = QUADS * (DEPTH / 4);

// [DEPTH, QUADS], where the place of quad q in line k is q ^ swizzle(k).
var<workgroup> stripA: array<vec4f, DEPTH * QUADS>;
var<workgroup> stripB: array<vec4f, DEPTH * QUADS>;

alias Block = array<vec4f, 4>;

// Threads that store blocks of one line of A write to lines of the strip that are 4 apart: this puts them into different banks.
fn swizzle(k: u32) -> u32 {
  return (k >> 2u) << 1u;
}

// A workgroup per tile.
@compute @workgroup_size(THREADS)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) thread: u32) {
  let tiles = countTiles(TILE, TILE);
  let threadRow = thread / (QUADS / BLOCKS);
  let threadCol = thread % (QUADS / BLOCKS);
  for (var t = wid.x; t < tiles; t += groups.x) {
    let tile = findTile(t, TILE, TILE);
    var sums00 = Block();
    var sums01 = Block();
    var sums10 = Block();
    var sums11 = Block();
    var rowSums = vec4f();
    let steps = ceilDiv(tile.end - tile.begin, DEPTH);
    for (var step = 0u; step < FOREVER; step++) {
      if (step == steps) { break; }
      workgroupBarrier(); // the strips of the last step have been read
      copyStrips(tile, tile.begin + step * DEPTH, thread, &rowSums);
      workgroupBarrier();
      for (var k = 0u; k < DEPTH; k++) {
        let line = k * QUADS;
        let a0 = stripA[line + (threadRow ^ swizzle(k))];
        let b0 = stripB[line + (threadCol ^ swizzle(k))];
        addProducts(&sums00, a0, b0);
        if (BLOCKS == 2u) {
          let a1 = stripA[line + ((threadRow + QUADS / 2u) ^ swizzle(k))];
          let b1 = stripB[line + ((threadCol + QUADS / 2u) ^ swizzle(k))];
          addProducts(&sums01, a0, b1);
          addProducts(&sums10, a1, b0);
          addProducts(&sums11, a1, b1);
        }
      }
    }
    let row = tile.row + 4u * threadRow;
    let col = tile.col + 4u * threadCol;
    storeBlock(tile.y, row, col, &sums00);
    if (BLOCKS == 2u) {
      storeBlock(tile.y, row, col + TILE / 2u, &sums01);
      storeBlock(tile.y, row + TILE / 2u, col, &sums10);
      storeBlock(tile.y, row + TILE / 2u, col + TILE / 2u, &sums11);
    }
    if (SUM_ROWS && tile.col == 0u) { addRowSums(tile, thread, rowSums); }
  }
}

// Copies op(A)[tile.row .., k ..] and op(B)[k .., tile.col ..] in blocks of 4 x 4. Neighbouring threads take neighbouring blocks of
// a line; where there are more threads than blocks, half of them copy from A and the others from B. Those that copy from A add their rows' elements to rowSums.
fn copyStrips(tile: Tile, k: u32, thread: u32, rowSums: ptr<function, vec4f>) {
  if (thread < STRIP_BLOCKS) {
    let at = placeInStrip(thread, TRANSPOSE_A);
    let block = blockOfA(tile, tile.row + 4u * at.x, k + 4u * at.y);
    let first = 4u * at.y * QUADS + (at.x ^ swizzle(4u * at.y));
    stripA[first] = block[0];
    stripA[first + QUADS] = block[1];
    stripA[first + 2u * QUADS] = block[2];
    stripA[first + 3u * QUADS] = block[3];
    if (SUM_ROWS) { *rowSums += (block[0] + block[1]) + (block[2] + block[3]); }
  }
  let j = THREADS - 1u - thread;
  if (j < STRIP_BLOCKS) {
    let at = placeInStrip(j, !TRANSPOSE_B);
    let block = blockOfB(tile, k + 4u * at.y, tile.col + 4u * at.x);
    let first = 4u * at.y * QUADS + (at.x ^ swizzle(4u * at.y));
    stripB[first] = block[0];
    stripB[first + QUADS] = block[1];
    stripB[first + 2u * QUADS] = block[2];
    stripB[first + 3u * QUADS] = block[3];
  }
}

// Block i of a strip, as its place across and along k; lines of the operand run across or along k.
fn placeInStrip(i: u32, linesRunAcross: bool) -> vec2u {
  return select(vec2u(i / (DEPTH / 4u), i % (DEPTH / 4u)), vec2u(i % QUADS, i / QUADS), linesRunAcross);
}

fn addProducts(sums: ptr<function, Block>, left: vec4f, right: vec4f) {
  (*sums)[0] += left.x * right;
  (*sums)[1] += left.y * right;
  (*sums)[2] += left.z * right;
  (*sums)[3] += left.w * right;
}

// Adds up the sums of the same rows that several threads have, each over the parts of k that it copied, and stores them.
fn addRowSums(tile: Tile, thread: u32, rowSums: vec4f) {
  workgroupBarrier(); // the strips of the last step have been read
  if (thread < STRIP_BLOCKS) {
    let at = placeInStrip(thread, TRANSPOSE_A);
    stripA[at.y * QUADS + at.x] = rowSums;
  }
  workgroupBarrier();
  if (thread < QUADS) {
    let i = thread;
    let sums = (stripA[i] + stripA[QUADS + i]) + (stripA[2u * QUADS + i] + stripA[3u * QUADS + i]);
    storeRowSums(tile, tile.row + 4u * thread, 4u, sums);
  }
}

// Without a loop, whose index could make a compiler put the sums in memory.
fn storeBlock(start: u32, row: u32, col: u32, sums: ptr<function, Block>) {
  if (row < params.m) { store(start, row, col, (*sums)[0]); }
  if (row + 1u < params.m) { store(start, row + 1u, col, (*sums)[1]); }
  if (row + 2u < params.m) { store(start, row + 2u, col, (*sums)[2]); }
  if (row + 3u < params.m) { store(start, row + 3u, col, (*sums)[3]); }
}
