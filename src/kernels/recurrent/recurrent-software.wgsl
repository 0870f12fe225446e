// Recurrent networks on software adapters; recurrent.wgsl has the bindings. A workgroup is one subgroup of 8 lanes, no barriers. It has
// 8 GROUPS rows of the batch, whose states the lanes hand round: lane i loads those of rows i, 8 + i and so on. Each lane has four
// neighbouring elements of the new states, for all rows, so that a loaded weight is used for all of them.
//
// Appended: GROUPS, 1, 2 or 4.

const LANES = 8u;
const ROWS = LANES * GROUPS;

alias T = vec4f;
const WIDTH = 4u;

// The bound of loops over gates that shall stay loops, since their bodies take long to compile.
const ROLLED = FOREVER;

alias Sums = array<vec4f, LANES>;

// Of the gate at hand. Indexed by a variable, this is memory.
var<private> products: array<vec4f, ROWS>;

fn product(gate: u32, r: u32) -> vec4f {
  return products[r];
}

fn countTiles() -> u32 {
  return (params.b + ROWS - 1u) / ROWS * params.parts;
}

fn firstRow(tile: u32) -> u32 {
  return tile / params.parts * ROWS;
}

fn firstUnit(tile: u32) -> u32 {
  return tile % params.parts * params.blocks * LANES;
}

// A subgroup per rows and part of their states. Its lanes run in step: what one has stored, the others load without a barrier.
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(subgroup_invocation_id) lane: u32) {
  let size = stateSize();
  for (var tile = wid.x; tile < countTiles(); tile += groups.x) {
    let first = firstRow(tile);
    let longest = longestOf(first, ROWS);
    for (var n = 0u; n < FOREVER; n++) {
      if (n == params.steps) { break; }
      let s = params.step + n;
      for (var block = 0u; block < FOREVER; block++) {
        if (block == params.blocks) { break; }
        let unit = firstUnit(tile) + block * LANES + lane;
        for (var gate = 0u; gate < ROLLED; gate++) {
          if (gate == GATES) { break; }
          var sums0 = Sums();
          var sums1 = Sums();
          var sums2 = Sums();
          var sums3 = Sums();
          if (s < longest) {
            let before = statesBefore(s) + (first + lane) * size;
            for (var k = 0u; k < FOREVER; k++) {
              if (k == size) { break; }
              let right = weightsOf(gate * size + k, unit);
              addProducts(&sums0, states[before + k], right);
              if (GROUPS >= 2u) { addProducts(&sums1, states[before + LANES * size + k], right); }
              if (GROUPS == 4u) {
                addProducts(&sums2, states[before + 2u * LANES * size + k], right);
                addProducts(&sums3, states[before + 3u * LANES * size + k], right);
              }
            }
          }
          putProducts(&sums0, &sums1, &sums2, &sums3);
          if (unit < size) {
            let rows = min(ROWS, params.b - first);
            for (var r = 0u; r < FOREVER; r++) {
              if (r == rows) { break; }
              takeStep(first + r, s, unit, gate, r);
            }
          }
        }
      }
    }
  }
}

// The same, back from the last step.
@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
            @builtin(subgroup_invocation_id) lane: u32) {
  let size = stateSize();
  for (var tile = wid.x; tile < countTiles(); tile += groups.x) {
    let first = firstRow(tile);
    let longest = longestOf(first, ROWS);
    for (var n = 0u; n < FOREVER; n++) {
      if (n == params.steps) { break; }
      let later = params.t - params.step - n;
      let row0 = gradientOf(first + lane, later);
      let row1 = gradientOf(first + LANES + lane, later);
      let row2 = gradientOf(first + 2u * LANES + lane, later);
      let row3 = gradientOf(first + 3u * LANES + lane, later);
      for (var block = 0u; block < FOREVER; block++) {
        if (block == params.blocks) { break; }
        let unit = firstUnit(tile) + block * LANES + lane;
        var sums0 = Sums();
        var sums1 = Sums();
        var sums2 = Sums();
        var sums3 = Sums();
        if (later < longest) {
          for (var k = 0u; k < FOREVER; k++) {
            if (k == GATES * size) { break; }
            let right = weightsOf(k, unit);
            addProducts(&sums0, gradientAt(row0, k), right);
            if (GROUPS >= 2u) { addProducts(&sums1, gradientAt(row1, k), right); }
            if (GROUPS == 4u) {
              addProducts(&sums2, gradientAt(row2, k), right);
              addProducts(&sums3, gradientAt(row3, k), right);
            }
          }
        }
        putProducts(&sums0, &sums1, &sums2, &sums3);
        if (unit < size) {
          let rows = min(ROWS, params.b - first);
          for (var r = 0u; r < FOREVER; r++) {
            if (r == rows) { break; }
            takeStepBack(first + r, later, unit, r);
          }
        }
      }
    }
  }
}

const NONE = 0xffffffffu;

// Where the gradients of a row's gates in a step are; NONE if it has no such step.
fn gradientOf(row: u32, s: u32) -> u32 {
  let length = lengthOf(min(row, params.b - 1u));
  return select(lineOf(row, s, length) * GATES * stateSize(), NONE, row >= params.b || s >= length);
}

fn gradientAt(first: u32, k: u32) -> vec4f {
  return select(dGates[select(first, 0u, first == NONE) + k], vec4f(), first == NONE);
}

// Of packed line k, the columns of `unit`: an element of h or dGates per column.
fn weightsOf(k: u32, unit: u32) -> mat4x4f {
  let i = k * params.hidden + 4u * unit;
  return transpose(mat4x4f(weight[i], weight[i + 1u], weight[i + 2u], weight[i + 3u]));
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

fn putProducts(
  sums0: ptr<function, Sums>, sums1: ptr<function, Sums>, sums2: ptr<function, Sums>, sums3: ptr<function, Sums>,
) {
  for (var i = 0u; i < LANES; i++) {
    products[i] = (*sums0)[i];
    if (GROUPS >= 2u) { products[LANES + i] = (*sums1)[i]; }
    if (GROUPS == 4u) {
      products[2u * LANES + i] = (*sums2)[i];
      products[3u * LANES + i] = (*sums3)[i];
    }
  }
}

// A gradient that shrinks with each step becomes subnormal, for which processors take up to a hundred times as long, here and in
// the products of what leaves this kernel. WGSL lets any operation give 0 for a subnormal result; products with weights
// and inputs of at least 2^-16 are that from here on.
fn unlessFaded(x: vec4f) -> vec4f {
  return select(x, vec4f(), abs(x) < vec4f(0x1p-110));
}

// --- activations of a T

fn sigmoids(x: vec4f) -> vec4f {
  return vec4f(sigmoid(x.x), sigmoid(x.y), sigmoid(x.z), sigmoid(x.w));
}

fn tanhs(x: vec4f) -> vec4f {
  return vec4f(preciseTanh(x.x), preciseTanh(x.y), preciseTanh(x.z), preciseTanh(x.w));
}

fn rectified(x: vec4f) -> vec4f {
  return select(x, vec4f(), x <= vec4f());
}

fn whereNot0(x: vec4f, y: vec4f) -> vec4f {
  return select(x, vec4f(), y == vec4f());
}
