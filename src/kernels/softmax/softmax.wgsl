// Over the middle axis of x:  y = exp(x - max(x)) / Σ exp(x - max(x)), or its logarithm.
//
//   x, y, dy, dx : [outer, n, inner]
//
// A NaN or an infinity makes its whole line NaN, and so is a line of nothing but -infinity, whose sum is 0.

struct Params { outer: u32, n: u32, inner: u32 }
var<immediate> params: Params;

override LOG: bool; // y is the logarithm

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> saved: array<f32>; // the forward pass's y
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;
const BLOCK = 4u;
const LOWEST = -3.4028234e38;

// The elements that one thread visits: `count` of them from `start` on.
struct Walk { start: u32, stride: u32, count: u32 }

fn laneOfRow(row: u32, lane: u32) -> Walk {
  return Walk(row * params.n + lane, WG, (params.n + WG - 1u - lane) / WG);
}

fn wholeLine(at: u32) -> Walk {
  return Walk(at / params.inner * params.n * params.inner + at % params.inner, params.inner, params.n);
}

// A lower bound m of the largest element x and Σ exp(x - m), in one pass: where m rises, the sum so far is scaled down (Milakov
// and Gimelshein 2018, https://arxiv.org/abs/1805.02867). m begins at the lowest number, since -infinity minus itself is NaN.
fn statsOf(walk: Walk) -> vec2f {
  var m = LOWEST;
  var sum = 0.0;
  for (var b = 0u; b < walk.count; b += BLOCK) {
    var v: array<f32, BLOCK>;
    var largest = m;
    for (var k = 0u; k < BLOCK; k++) {
      v[k] = orBits(x[walk.start + min(b + k, walk.count - 1u) * walk.stride], INFINITY_BITS | SIGN_BIT, b + k >= walk.count);
      largest = nanMax(largest, v[k]);
    }
    var block = 0.0;
    for (var k = 0u; k < BLOCK; k++) { block += preciseExp(v[k] - largest); }
    sum = sum * preciseExp(m - largest) + block;
    m = largest;
  }
  return vec2f(m, sum);
}

fn writeForward(walk: Walk, m: f32, sum: f32) {
  let logSum = orBits(preciseLog(sum), NAN_BITS, sum == 0.0);
  let scale = orBits(1.0 / sum, NAN_BITS, sum == 0.0);
  for (var k = 0u; k < walk.count; k++) {
    let i = walk.start + k * walk.stride;
    let d = x[i] - m;
    if (LOG) { y[i] = d - logSum; } else { y[i] = preciseExp(d) * scale; }
  }
}

// Σ y dy; of the logarithm's gradient, Σ dy.
fn sumOfGradients(walk: Walk) -> f32 {
  var sum = 0.0;
  for (var b = 0u; b < walk.count; b += BLOCK) {
    var block = 0.0;
    for (var k = 0u; k < BLOCK; k++) {
      let i = walk.start + min(b + k, walk.count - 1u) * walk.stride;
      let term = select(saved[i] * dy[i], dy[i], LOG);
      block += select(0.0, term, b + k < walk.count);
    }
    sum += block;
  }
  return sum;
}

// dx = y (dy - Σ y dy); of the logarithm, dx = dy - exp(y) Σ dy.
fn writeBackward(walk: Walk, sum: f32) {
  for (var k = 0u; k < walk.count; k++) {
    let i = walk.start + k * walk.stride;
    if (LOG) { dx[i] = dy[i] - preciseExp(saved[i]) * sum; } else { dx[i] = saved[i] * (dy[i] - sum); }
  }
}

// A workgroup per row, for inner = 1.
@compute @workgroup_size(WG)
fn rowsForward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
               @builtin(local_invocation_index) lane: u32) {
  for (var row = wid.x; row < params.outer; row += groups.x) {
    let walk = laneOfRow(row, lane);
    let stats = statsOf(walk);
    let m = workgroupMax(stats.x, lane);
    writeForward(walk, m, workgroupSum(stats.y * preciseExp(stats.x - m), lane));
  }
}

// A workgroup per row, for inner = 1.
@compute @workgroup_size(WG)
fn rowsBackward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                @builtin(local_invocation_index) lane: u32) {
  for (var row = wid.x; row < params.outer; row += groups.x) {
    let walk = laneOfRow(row, lane);
    writeBackward(walk, workgroupSum(sumOfGradients(walk), lane));
  }
}

// A thread per line, so that neighbours read neighbours.
@compute @workgroup_size(THREADS)
fn linesForward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var at = gid.x; at < params.outer * params.inner; at += groups.x * THREADS) {
    let walk = wholeLine(at);
    let stats = statsOf(walk);
    writeForward(walk, stats.x, stats.y);
  }
}

// A thread per line.
@compute @workgroup_size(THREADS)
fn linesBackward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var at = gid.x; at < params.outer * params.inner; at += groups.x * THREADS) {
    let walk = wholeLine(at);
    writeBackward(walk, sumOfGradients(walk));
  }
}
