// Recurrent networks on GPUs; recurrent.wgsl has the bindings. A workgroup has ROWS rows of the batch, whose states or gradients
// it copies into workgroup memory in chunks, transposed. A thread has one element of the new states for all of these rows.

const ROWS = 4u;
const CHUNK = 256u;

override THREADS: u32;

alias T = f32;
const WIDTH = 1u;

// The bound of loops over gates, which compilers may unroll.
const ROLLED = GATES;

// Element k of each row, at [k].
var<workgroup> chunk: array<vec4f, CHUNK>;

// Of each gate, the products of the four rows.
var<private> products: array<vec4f, GATES>;

fn product(gate: u32, r: u32) -> f32 {
  return products[gate][r];
}

fn countTiles() -> u32 {
  return (params.b + ROWS - 1u) / ROWS * params.parts;
}

fn firstRow(tile: u32) -> u32 {
  return tile / params.parts * ROWS;
}

fn firstUnit(tile: u32) -> u32 {
  return tile % params.parts * params.blocks * THREADS;
}

// A workgroup per rows and part of their states.
@compute @workgroup_size(THREADS)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  let hidden = params.hidden;
  for (var tile = wid.x; tile < countTiles(); tile += groups.x) {
    let first = firstRow(tile);
    for (var n = 0u; n < FOREVER; n++) {
      if (n == params.steps) { break; }
      let s = params.step + n;
      storageBarrier(); // the last step has stored its states
      for (var block = 0u; block < FOREVER; block++) {
        if (block == params.blocks) { break; }
        let unit = firstUnit(tile) + block * THREADS + lane;
        for (var gate = 0u; gate < GATES; gate++) { products[gate] = vec4f(); }
        for (var start = 0u; start < hidden; start += CHUNK) {
          workgroupBarrier(); // the last chunk has been read
          for (var k = start + lane; k < min(start + CHUNK, hidden); k += THREADS) {
            var rows = vec4f();
            for (var r = 0u; r < ROWS; r++) {
              if (first + r < params.b) { rows[r] = states[statesBefore(s) + (first + r) * hidden + k]; }
            }
            chunk[k - start] = rows;
          }
          workgroupBarrier();
          if (unit < hidden) {
            for (var gate = 0u; gate < GATES; gate++) { addProducts(gate, gate * hidden + start, unit, hidden - start); }
          }
        }
        if (unit < hidden) {
          for (var r = 0u; r < ROWS; r++) {
            if (first + r < params.b) {
              for (var gate = 0u; gate < GATES; gate++) { takeStep(first + r, s, unit, gate, r); }
            }
          }
        }
      }
    }
  }
}

// The same, back from the last step.
@compute @workgroup_size(THREADS)
fn backward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
            @builtin(local_invocation_index) lane: u32) {
  let hidden = params.hidden;
  for (var tile = wid.x; tile < countTiles(); tile += groups.x) {
    let first = firstRow(tile);
    for (var n = 0u; n < FOREVER; n++) {
      if (n == params.steps) { break; }
      let later = params.t - params.step - n;
      storageBarrier(); // the last step has stored its gradients
      for (var block = 0u; block < FOREVER; block++) {
        if (block == params.blocks) { break; }
        let unit = firstUnit(tile) + block * THREADS + lane;
        products[0] = vec4f();
        for (var start = 0u; start < GATES * hidden; start += CHUNK) {
          workgroupBarrier(); // the last chunk has been read
          for (var k = start + lane; k < min(start + CHUNK, GATES * hidden); k += THREADS) {
            var rows = vec4f();
            for (var r = 0u; r < ROWS; r++) { rows[r] = gradientAt(first + r, later, k); }
            chunk[k - start] = rows;
          }
          workgroupBarrier();
          if (unit < hidden) { addProducts(0u, start, unit, GATES * hidden - start); }
        }
        if (unit < hidden) {
          for (var r = 0u; r < ROWS; r++) {
            if (first + r < params.b) { takeStepBack(first + r, later, unit, r); }
          }
        }
      }
    }
  }
}

// 0 if the row has no such step.
fn gradientAt(row: u32, s: u32, k: u32) -> f32 {
  if (row >= params.b) { return 0.0; }
  let length = lengthOf(row);
  if (s >= length) { return 0.0; }
  return dGates[lineOf(row, s, length) * GATES * params.hidden + k];
}

// Adds the products of the chunk, as far as there are `left` elements of it, with packed lines `first` / 4 and on.
fn addProducts(gate: u32, first: u32, unit: u32, left: u32) {
  var sums = products[gate];
  for (var q = 0u; q < CHUNK / 4u; q++) {
    if (4u * q >= left) { break; }
    let w = weight[(first / 4u + q) * params.hidden + unit];
    sums += w.x * chunk[4u * q];
    sums += w.y * chunk[4u * q + 1u];
    sums += w.z * chunk[4u * q + 2u];
    sums += w.w * chunk[4u * q + 3u];
  }
  products[gate] = sums;
}

fn unlessFaded(x: f32) -> f32 {
  return x;
}

// --- activations of a T

fn sigmoids(x: f32) -> f32 {
  return sigmoid(x);
}

fn tanhs(x: f32) -> f32 {
  return preciseTanh(x);
}

fn rectified(x: f32) -> f32 {
  return select(x, 0.0, x <= 0.0);
}

fn whereNot0(x: f32, y: f32) -> f32 {
  return select(x, 0.0, y == 0.0);
}
