// Batch normalization of rows, where every element of a row is of another channel: the entries of rows.wgsl with
// sets = channels and perSet = inner = 1.
//
//   x, y, dy, dx         : [runs, channels]
//   weight, bias         : [channels]
//   stats, coefficients  : [4, channels], [2, channels]    as in rows.wgsl
//   parts                : [splits, 3, channels] of moments, [splits, 2, channels] of sums

struct Params { runs: u32, channels: u32, splits: u32, chunk: u32 }
var<immediate> params: Params;

override HAS_WEIGHT: bool;
override HAS_BIAS: bool;
override BATCH: bool; // the statistics are x's own

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> weight: array<T>;
@group(0) @binding(2) var<storage, read> bias: array<T>;
@group(0) @binding(3) var<storage, read> stats: array<T>;
@group(0) @binding(4) var<storage, read> dy: array<T>;
@group(0) @binding(5) var<storage, read> coefficients: array<T>;
@group(0) @binding(6) var<storage, read_write> parts: array<T>;
@group(0) @binding(7) var<storage, read_write> y: array<T>;
@group(0) @binding(8) var<storage, read_write> dx: array<T>;

const THREADS = 64u;

// A thread per T of channels and `chunk` rows, so that neighbours read neighbours. Welford's steps read x once.
@compute @workgroup_size(THREADS)
fn moments(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let columns = params.channels / WIDTH;
  for (var i = gid.x; i < columns * params.splits; i += groups.x * THREADS) {
    let column = i % columns;
    let start = i / columns * params.chunk;
    let end = min(start + params.chunk, params.runs);
    let pivot = x[column];

    var count = 0.0;
    var mean = T();
    var squares = T();
    for (var row = start; row < end; row++) {
      count += 1.0;
      let d = x[row * columns + column] - pivot;
      let delta = d - mean;
      mean += delta / count;
      squares += delta * (d - mean);
    }

    let to = i / columns * 3u * columns + column;
    parts[to] = T(count);
    parts[to + columns] = mean;
    parts[to + 2u * columns] = squares;
  }
}

// rstd * weight
fn scaleOf(column: u32) -> T {
  let rstd = stats[2u * (params.channels / WIDTH) + column];
  if (HAS_WEIGHT) { return rstd * weight[column]; }
  return rstd;
}

// A thread per T of channels and `chunk` rows.
@compute @workgroup_size(THREADS)
fn normalize(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let columns = params.channels / WIDTH;
  let chunks = (params.runs + params.chunk - 1u) / params.chunk;
  for (var i = gid.x; i < columns * chunks; i += groups.x * THREADS) {
    let column = i % columns;
    let start = i / columns * params.chunk;
    let end = min(start + params.chunk, params.runs);
    let pivot = stats[column];
    let offset = stats[columns + column];
    let scale = scaleOf(column);
    var shift = T();
    if (HAS_BIAS) { shift = bias[column]; }

    for (var row = start; row < end; row++) {
      let k = row * columns + column;
      y[k] = (x[k] - pivot - offset) * scale + shift;
    }
  }
}

// A thread per T of channels and `chunk` rows.
@compute @workgroup_size(THREADS)
fn sums(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let columns = params.channels / WIDTH;
  for (var i = gid.x; i < columns * params.splits; i += groups.x * THREADS) {
    let column = i % columns;
    let start = i / columns * params.chunk;
    let end = min(start + params.chunk, params.runs);
    let pivot = stats[column];
    let offset = stats[columns + column];

    var sum = T();
    var product = T();
    for (var row = start; row < end; row++) {
      let k = row * columns + column;
      sum += dy[k];
      product += dy[k] * (x[k] - pivot - offset);
    }

    let to = i / columns * 2u * columns + column;
    parts[to] = sum;
    parts[to + columns] = product;
  }
}

// A thread per T of channels and `chunk` rows:  dx = rstd weight dy, and of x's own statistics + q (x - mean) + r
@compute @workgroup_size(THREADS)
fn backwardInput(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let columns = params.channels / WIDTH;
  let chunks = (params.runs + params.chunk - 1u) / params.chunk;
  for (var i = gid.x; i < columns * chunks; i += groups.x * THREADS) {
    let column = i % columns;
    let start = i / columns * params.chunk;
    let end = min(start + params.chunk, params.runs);
    let scale = scaleOf(column);
    if (BATCH) {
      let pivot = stats[column];
      let offset = stats[columns + column];
      let q = coefficients[column];
      let r = coefficients[columns + column];
      for (var row = start; row < end; row++) {
        let k = row * columns + column;
        dx[k] = dy[k] * scale + (x[k] - pivot - offset) * q + r;
      }
    } else {
      for (var row = start; row < end; row++) { dx[row * columns + column] = dy[row * columns + column] * scale; }
    }
  }
}
