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
  let depth = params.tapRows * params.tapCols * params.quads * 4u;
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
    var right = group * depth * params.columnQuads + column / 4u;
    for (var tapRow = 0u; tapRow < FOREVER; tapRow++) {
      if (tapRow == params.tapRows) { break; }
      for (var tapCol = 0u; tapCol < FOREVER; tapCol++) {
        if (tapCol == params.tapCols) { break; }
        var left = places + tapRow * params.tapRowStep + tapCol * params.tapColStep;
        for (var quad = 0u; quad < FOREVER; quad++) {
          if (quad == params.quads) { break; }
          let weights = mat4x4f(
            weight[right],
            weight[right + params.columnQuads],
            weight[right + 2u * params.columnQuads],
            weight[right + 3u * params.columnQuads],
          );
          addProducts(&sums0, image[left.x], weights);
          addProducts(&sums1, image[left.y], weights);
          addProducts(&sums2, image[left.z], weights);
          addProducts(&sums3, image[left.w], weights);
          left += 1u;
          right += 4u * params.columnQuads;
        }
      }
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
