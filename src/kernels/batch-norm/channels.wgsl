// What normalization does once per set and once per channel; rows.wgsl says what sets and parts are.
//
//   x                       : [runs, sets, length]       only the first element of a set is read
//   parts                   : [splits, 3, sets] of moments, [splits, 2, sets * perSet] of sums
//   stats                   : [4, sets]                  pivot, mean - pivot, rstd, variance; rstd = 1 / sqrt(variance + eps)
//   saved                   : [4, sets]                  stats, where they are read
//   runningMean, runningVar : [channels]
//   batches                 : [1]                        how many have been averaged
//   weight, dweight, dbias  : [channels]
//   coefficients            : [2, sets]

struct Params {
  sets: u32, perSet: u32, channels: u32, length: u32, splits: u32,
  count: u32, // elements of a set
  eps: f32, momentum: f32,
}
var<immediate> params: Params;

override HAS_WEIGHT: bool;
override CUMULATIVE: bool; // the running statistics are the plain average over batches

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> saved: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> savedMean: array<f32>;
@group(0) @binding(5) var<storage, read> savedVar: array<f32>;
@group(0) @binding(6) var<storage, read_write> stats: array<f32>;
@group(0) @binding(7) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(8) var<storage, read_write> runningVar: array<f32>;
@group(0) @binding(9) var<storage, read_write> batches: array<i32>;
@group(0) @binding(10) var<storage, read_write> coefficients: array<f32>;
@group(0) @binding(11) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(12) var<storage, read_write> dbias: array<f32>;

const THREADS = 64u;

fn store(s: u32, pivot: f32, offset: f32, variance: f32) {
  stats[s] = pivot;
  stats[params.sets + s] = offset;
  stats[2u * params.sets + s] = 1.0 / sqrt(variance + params.eps);
  stats[3u * params.sets + s] = variance;
}

fn momentsAt(at: u32) -> vec3f {
  return vec3f(parts[at], parts[at + params.sets], parts[at + 2u * params.sets]);
}

// A thread per set; one of them counts the batch.
@compute @workgroup_size(THREADS)
fn statsOfMoments(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if (gid.x == 0u) { batches[0] += 1; }
  for (var s = gid.x; s < params.sets; s += groups.x * THREADS) {
    var m = momentsAt(s);
    for (var part = 1u; part < params.splits; part++) {
      m = combineMoments(m, momentsAt(part * 3u * params.sets + s));
    }
    store(s, x[s * params.length], m.y, m.z / m.x);
  }
}

// A thread per channel, which is a set.
@compute @workgroup_size(THREADS)
fn statsOfRunning(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var s = gid.x; s < params.sets; s += groups.x * THREADS) {
    store(s, savedMean[s], 0.0, savedVar[s]);
  }
}

// A thread per channel, whose sets are averaged:  running = (1 - momentum) running + momentum new, with unbiased variances
@compute @workgroup_size(THREADS)
fn updateRunning(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let ofChannel = params.sets / params.channels;
  let count = f32(params.count);
  var momentum = params.momentum;
  if (CUMULATIVE) { momentum = 1.0 / f32(batches[0]); }
  for (var channel = gid.x; channel < params.channels; channel += groups.x * THREADS) {
    var mean = 0.0;
    var variance = 0.0;
    for (var k = 0u; k < ofChannel; k++) {
      let s = k * params.channels + channel;
      mean += saved[s] + saved[params.sets + s];
      variance += saved[3u * params.sets + s];
    }
    mean /= f32(ofChannel);
    variance *= count / (count - 1.0) / f32(ofChannel);
    runningMean[channel] = (1.0 - momentum) * runningMean[channel] + momentum * mean;
    runningVar[channel] = (1.0 - momentum) * runningVar[channel] + momentum * variance;
  }
}

// The sums of the lines (:, s, p) over all parts: Σ dy and Σ dy (x - mean).
fn sumsOf(line: u32) -> vec2f {
  let lines = params.sets * params.perSet;
  var sum = vec2f();
  for (var part = 0u; part < params.splits; part++) {
    let at = part * 2u * lines + line;
    sum += vec2f(parts[at], parts[at + lines]);
  }
  return sum;
}

// A thread per set:  q = -rstd³ avg(weight dy (x - mean)), r = -rstd avg(weight dy)
@compute @workgroup_size(THREADS)
fn backwardStats(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var s = gid.x; s < params.sets; s += groups.x * THREADS) {
    var sum = vec2f();
    for (var line = s * params.perSet; line < (s + 1u) * params.perSet; line++) {
      var m = sumsOf(line);
      if (HAS_WEIGHT) { m *= weight[line % params.channels]; }
      sum += m;
    }
    let rstd = saved[2u * params.sets + s];
    let average = sum / f32(params.count);
    coefficients[s] = -rstd * rstd * rstd * average.y;
    coefficients[params.sets + s] = -rstd * average.x;
  }
}

// A thread per channel:  dweight = Σ dy (x - mean) rstd, dbias = Σ dy, over its lines
@compute @workgroup_size(THREADS)
fn backwardAffine(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var channel = gid.x; channel < params.channels; channel += groups.x * THREADS) {
    var sum = vec2f();
    for (var line = channel; line < params.sets * params.perSet; line += params.channels) {
      sum += sumsOf(line) * vec2f(1.0, saved[2u * params.sets + line / params.perSet]);
    }
    dweight[channel] = sum.y;
    dbias[channel] = sum.x;
  }
}
