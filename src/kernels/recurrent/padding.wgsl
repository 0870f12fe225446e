// What recurrent networks need to know of sequences that are shorter than the batch's longest.
//
//   given    : [b]               i32, as the caller has it
//   lengths  : [b]               the same, and 0 for what is not from 0 to t, which is reported
//   x        : [b, t, cols]
//   y        : [b, t, cols]
//   first    : [b, cols]         the state before a row's first step
//   last     : [b, cols]         the state after its last step
//   states   : [2, b, cols]      the states before even and odd steps
//
// A row walks its steps forwards in time or, if `isReverse`, from its last element.

struct Params { b: u32, t: u32, cols: u32, isReverse: u32, site: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> given: array<i32>;
@group(0) @binding(1) var<storage, read_write> lengths: array<i32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> first: array<f32>;
@group(0) @binding(5) var<storage, read> states: array<f32>;
@group(0) @binding(6) var<storage, read_write> last: array<f32>;

const THREADS = 64u;

// A thread per row.
@compute @workgroup_size(THREADS)
fn checkLengths(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var row = gid.x; row < params.b; row += groups.x * THREADS) {
    let length = given[row];
    let isValid = u32(length) <= params.t;
    if (!isValid) { reportIndexError(params.site, row, length); }
    lengths[row] = select(0, length, isValid);
  }
}

// y = x, and 0 past a row's length. A thread per element.
@compute @workgroup_size(THREADS)
fn clearPadding(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var e = gid.x; e < params.b * params.t * params.cols; e += groups.x * THREADS) {
    let line = e / params.cols;
    let row = line / params.t;
    y[e] = select(0.0, x[e], line - row * params.t < u32(given[row]));
  }
}

// The state before each step, y, from those after each, x. A thread per element.
@compute @workgroup_size(THREADS)
fn previousStates(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var e = gid.x; e < params.b * params.t * params.cols; e += groups.x * THREADS) {
    let line = e / params.cols;
    let col = e - line * params.cols;
    let row = line / params.t;
    let t = line - row * params.t;
    let length = u32(given[row]);
    let isReverse = params.isReverse != 0u;
    if (t >= length) {
      y[e] = 0.0;
    } else if (t == select(0u, length - 1u, isReverse)) {
      y[e] = first[row * params.cols + col];
    } else {
      y[e] = x[select(e - params.cols, e + params.cols, isReverse)];
    }
  }
}

// A thread per element.
@compute @workgroup_size(THREADS)
fn lastStates(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let size = params.b * params.cols;
  for (var e = gid.x; e < size; e += groups.x * THREADS) {
    last[e] = states[u32(given[e / params.cols]) % 2u * size + e];
  }
}
