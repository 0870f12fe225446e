// Sums over a sliding window for software adapters; slide.wgsl has the bindings.
//
// A workgroup is one subgroup, without barriers and workgroup memory. Its lanes load the windows of four positions each, hand
// them round, and have four columns each: a load costs as much as thirty multiplications, so each is used by the whole tile.

const LANES = 8u;

alias Sums = array<vec4f, LANES>;

// A subgroup per tile of 32 positions and 32 columns.
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(subgroup_invocation_id) lane: u32) {
  let across = ceilDiv(params.m, 4u * LANES);
  let down = ceilDiv(params.n, 4u * LANES);
  // Params take a load at each use.
  let quads = params.quads;
  let next = params.columnQuads;
  let tapCols = params.tapCols;
  let steps = params.tapRows * tapCols * quads;
  let depth = 4u * steps;
  let tapStep = params.tapColStep - quads + 1u;
  let rowStep = params.tapRowStep - tapCols * params.tapColStep;
  for (var t = wid.x; t < params.groups * down * across; t += groups.x) {
    let line = t / across;
    let group = line / down;
    let p = 4u * LANES * (line - group * down);
    let column = 4u * LANES * (t - line * across) + 4u * lane;
    let mine = p + 4u * lane;
    let places = vec4u(placeOf(group, mine), placeOf(group, mine + 1u), placeOf(group, mine + 2u), placeOf(group, mine + 3u));
    // sums0 is of the first position of each lane, and so on.
    var sums0 = Sums();
    var sums1 = Sums();
    var sums2 = Sums();
    var sums3 = Sums();
    var right = group * depth * next + column / 4u;
    // Where in the window the next channels are.
    var quad = 0u;
    var tapCol = 0u;
    var left = places;
    for (var step = 0u; step < FOREVER; step++) {
      if (step == steps) { break; }
      let weights = mat4x4f(
        fromQuad(weight[right]),
        fromQuad(weight[right + next]),
        fromQuad(weight[right + 2u * next]),
        fromQuad(weight[right + 3u * next]),
      );
      addProducts(&sums0, fromQuad(image[left.x]), weights);
      addProducts(&sums1, fromQuad(image[left.y]), weights);
      addProducts(&sums2, fromQuad(image[left.z]), weights);
      addProducts(&sums3, fromQuad(image[left.w]), weights);
      right += 4u * next;
      quad += 1u;
      let isTap = quad == quads;
      tapCol += select(0u, 1u, isTap);
      let isRow = tapCol == tapCols;
      left += select(1u, tapStep, isTap) + select(0u, rowStep, isRow);
      quad = select(quad, 0u, isTap);
      tapCol = select(tapCol, 0u, isRow);
    }
    // Indexed by a variable, this array is memory; the sums above stay in registers. Copies of `store` would take seconds to
    // compile, so the loop below ends in a way that Mesa does not unroll.
    var sums: array<vec4f, 4u * LANES>;
    for (var i = 0u; i < LANES; i++) {
      let columns = transpose(mat4x4f(sums0[i], sums1[i], sums2[i], sums3[i]));
      sums[4u * i] = columns[0];
      sums[4u * i + 1u] = columns[1];
      sums[4u * i + 2u] = columns[2];
      sums[4u * i + 3u] = columns[3];
    }
    let stores = 4u * ceilDiv(min(4u * LANES, params.n - p), 4u);
    for (var s = 0u; s < FOREVER; s++) {
      if (s == stores) { break; }
      store(group, column + s % 4u, p + s / 4u * 4u, sums[s]);
    }
  }
}

// Adds to element i of sums the products of lane i's channels with the weights.
fn addProducts(sums: ptr<function, Sums>, channels: vec4f, weights: mat4x4f) {
  (*sums)[0] = addProduct((*sums)[0], subgroupBroadcast(channels, 0), weights);
  (*sums)[1] = addProduct((*sums)[1], subgroupBroadcast(channels, 1), weights);
  (*sums)[2] = addProduct((*sums)[2], subgroupBroadcast(channels, 2), weights);
  (*sums)[3] = addProduct((*sums)[3], subgroupBroadcast(channels, 3), weights);
  (*sums)[4] = addProduct((*sums)[4], subgroupBroadcast(channels, 4), weights);
  (*sums)[5] = addProduct((*sums)[5], subgroupBroadcast(channels, 5), weights);
  (*sums)[6] = addProduct((*sums)[6], subgroupBroadcast(channels, 6), weights);
  (*sums)[7] = addProduct((*sums)[7], subgroupBroadcast(channels, 7), weights);
}

fn addProduct(sum: vec4f, left: vec4f, right: mat4x4f) -> vec4f {
  return sum + left.x * right[0] + left.y * right[1] + left.z * right[2] + left.w * right[3];
}
