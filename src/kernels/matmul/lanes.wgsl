// Matrix products for software adapters; goes with product.wgsl and read-vec4.wgsl.
//
// A workgroup is one subgroup, without barriers and workgroup memory. Its lanes hold four columns of the tile each and
// hand the rows of A round: a load costs as much as thirty multiplications, so each loaded element is used by the whole tile.

const LANES = 8u;
// Rows per lane: 1, 2 or 4.
override ROWS: u32;

alias Sums = array<vec4f, LANES>;

// A subgroup per tile of 8 ROWS rows and 32 columns.
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(subgroup_invocation_id) lane: u32) {
  let tiles = countTiles(LANES * ROWS, LANES * 4u);
  for (var t = wid.x; t < tiles; t += groups.x) {
    let tile = findTile(t, LANES * ROWS, LANES * 4u);
    // The last tile takes one row per lane if that is enough.
    let isShort = params.m - tile.row <= LANES;
    let perLane = select(ROWS, 1u, isShort);
    let row = tile.row + perLane * lane;
    let col = tile.col + 4u * lane;
    // sums0 is of the first row of each lane, and so on.
    var sums0 = Sums();
    var sums1 = Sums();
    var sums2 = Sums();
    var sums3 = Sums();
    let sumsRows = SUM_ROWS && tile.col == 0u;
    var rowSums = vec4f();
    let steps = ceilDiv(tile.end - tile.begin, 4u);
    for (var step = 0u; step < FOREVER; step++) {
      if (step == steps) { break; }
      let k = tile.begin + 4u * step;
      let right = blockOfB(tile, k, col);
      if (ROWS == 4u && !isShort) {
        let block = blockOfA(tile, row, k);
        if (sumsRows) { rowSums += (block[0] + block[1]) + (block[2] + block[3]); }
        let rows = transpose(block);
        addProducts(&sums0, rows[0], right);
        addProducts(&sums1, rows[1], right);
        addProducts(&sums2, rows[2], right);
        addProducts(&sums3, rows[3], right);
      } else {
        let row0 = rowOfA(tile, row, k);
        addProducts(&sums0, row0, right);
        if (sumsRows) { rowSums.x += dot(row0, vec4f(1.0)); }
        if (ROWS == 2u) {
          let row1 = rowOfA(tile, row + 1u, k);
          addProducts(&sums1, row1, right);
          if (sumsRows) { rowSums.y += dot(row1, vec4f(1.0)); }
        }
      }
    }
    if (sumsRows) { storeRowSums(tile, row, perLane, rowSums); }
    // Indexed by a variable, this array is memory; the sums above stay in registers. Copies of `store` would take seconds to
    // compile, so the loop below ends in a way that Mesa does not unroll.
    var sums: array<vec4f, 4u * LANES>;
    for (var i = 0u; i < LANES; i++) {
      sums[i] = sums0[i];
      sums[LANES + i] = sums1[i];
      sums[2u * LANES + i] = sums2[i];
      sums[3u * LANES + i] = sums3[i];
    }
    let rows = min(LANES * ROWS, params.m - tile.row);
    for (var r = 0u; r < FOREVER; r++) {
      if (r == rows) { break; }
      store(tile.y, tile.row + r, col, sums[r % perLane * LANES + r / perLane]);
    }
  }
}

// op(A)[row, k .. k + 3]
fn rowOfA(tile: Tile, row: u32, k: u32) -> vec4f {
  let n = left(k, tile.end);
  if (TRANSPOSE_A) {
    let i = tile.a + k * params.lda + row;
    return vec4f(
      oneOfA(i, n > 0u),
      oneOfA(i + params.lda, n > 1u),
      oneOfA(i + 2u * params.lda, n > 2u),
      oneOfA(i + 3u * params.lda, n > 3u),
    );
  }
  return fourOfA(tile.a + row * params.lda + k, n);
}

// Adds to row i of sums the products of lane i's row with `right`.
fn addProducts(sums: ptr<function, Sums>, row: vec4f, right: mat4x4f) {
  (*sums)[0] = addProduct((*sums)[0], subgroupBroadcast(row, 0), right);
  (*sums)[1] = addProduct((*sums)[1], subgroupBroadcast(row, 1), right);
  (*sums)[2] = addProduct((*sums)[2], subgroupBroadcast(row, 2), right);
  (*sums)[3] = addProduct((*sums)[3], subgroupBroadcast(row, 3), right);
  (*sums)[4] = addProduct((*sums)[4], subgroupBroadcast(row, 4), right);
  (*sums)[5] = addProduct((*sums)[5], subgroupBroadcast(row, 5), right);
  (*sums)[6] = addProduct((*sums)[6], subgroupBroadcast(row, 6), right);
  (*sums)[7] = addProduct((*sums)[7], subgroupBroadcast(row, 7), right);
}

fn addProduct(sum: vec4f, left: vec4f, right: mat4x4f) -> vec4f {
  return sum + left.x * right[0] + left.y * right[1] + left.z * right[2] + left.w * right[3];
}
