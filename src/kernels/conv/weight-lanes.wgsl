// The gradient of a convolution's weight for software adapters; weight.wgsl has the bindings.
//
// A workgroup is one subgroup, without barriers and workgroup memory. Its lanes hold four columns of the tile each, load four
// rows of y each, and hand these round.

const LANES = 8u;

alias Sums = array<vec4f, LANES>;

// The walk over the positions: the next one's column, and where its window starts in the image.
struct Walk { col: u32, place: u32 }

// How it goes on: columns, and quads of the image to the next one and from the last one to the first of the next row.
struct Steps { cols: u32, next: u32, wrap: u32 }

// A subgroup per tile of 32 rows and 32 columns.
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(subgroup_invocation_id) lane: u32) {
  let tiles = countTiles(4u * LANES, 4u * LANES);
  // Params take a load at each use.
  let plane = params.rows * params.cols;
  let pitch = params.planeQuads;
  let steps = Steps(params.cols, params.colStep, params.rowStep - (params.cols - 1u) * params.colStep);
  for (var t = wid.x; t < tiles; t += groups.x) {
    let tile = findTile(t, 4u * LANES, 4u * LANES);
    let row = tile.row + 4u * lane;
    let col = tile.col + 4u * lane;
    let offset = offsetOf(col);
    var i = tile.begin / 4u / params.planeQuads;
    var p = tile.begin - 4u * i * params.planeQuads;
    var start = (tile.group * params.images + i) * params.imageQuads;
    var walk = Walk(p % params.cols, start + p / params.cols * params.rowStep + p % params.cols * params.colStep);
    var line = ((i * params.groups + tile.group) * params.m + row) * params.planeQuads + p / 4u;
    // sums0 is of the first row of each lane, and so on.
    var sums0 = Sums();
    var sums1 = Sums();
    var sums2 = Sums();
    var sums3 = Sums();
    let quads = (tile.end - tile.begin) / 4u;
    for (var q = 0u; q < FOREVER; q++) {
      if (q == quads) { break; }
      let right = mat4x4f(
        take(&walk, steps, offset, p < plane),
        take(&walk, steps, offset, p + 1u < plane),
        take(&walk, steps, offset, p + 2u < plane),
        take(&walk, steps, offset, p + 3u < plane),
      );
      addProducts(&sums0, fromQuad(y[line]), right);
      addProducts(&sums1, fromQuad(y[line + pitch]), right);
      addProducts(&sums2, fromQuad(y[line + 2u * pitch]), right);
      addProducts(&sums3, fromQuad(y[line + 3u * pitch]), right);
      p += 4u;
      line += 1u;
      if (p >= plane) {
        p = 0u;
        line += (params.groups * params.m - 1u) * params.planeQuads;
        start += params.imageQuads;
        walk = Walk(0u, start);
      }
    }
    // Indexed by a variable, this array is memory; the sums above stay in registers. Copies of `store` would take seconds to
    // compile, so the loop below ends in a way that Mesa does not unroll.
    var sums: array<vec4f, 4u * LANES>;
    for (var i = 0u; i < LANES; i++) {
      sums[i] = sums0[i];
      sums[LANES + i] = sums1[i];
      sums[2u * LANES + i] = sums2[i];
      sums[3u * LANES + i] = sums3[i];
    }
    let rows = min(4u * LANES, params.m - tile.row);
    for (var r = 0u; r < FOREVER; r++) {
      if (r == rows) { break; }
      store(tile.y, tile.row + r, col, sums[r % 4u * LANES + r / 4u]);
    }
  }
}

// Four channels at a tap of the next position's window, 0 if it is behind the last.
fn take(walk: ptr<function, Walk>, steps: Steps, offset: u32, isThere: bool) -> vec4f {
  let value = fromQuad(image[(*walk).place + offset]);
  let isLast = (*walk).col + 1u == steps.cols;
  (*walk).col = select((*walk).col + 1u, 0u, isLast);
  (*walk).place += select(steps.next, steps.wrap, isLast);
  return select(vec4f(), value, isThere);
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
