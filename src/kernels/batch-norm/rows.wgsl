// Normalization of channels whose elements lie side by side; columns.wgsl has those where each lies alone.
//
//   x, y, dy, dx : [runs, sets, perSet, inner]   x[:, s] is a set: what one mean and one variance are taken of
//   weight, bias : [channels]                    of line (r, s, p), of `inner` elements: channel (s * perSet + p) % channels
//   stats        : [4, sets]                     pivot, mean - pivot, rstd, variance; channels.wgsl makes them of moments
//   parts        : [splits, 3, sets]             moments: count, mean - pivot, Σ (x - mean)² of a part of a set
//                  [splits, 2, sets * perSet]    sums: Σ dy, Σ dy (x - mean) of a part of the lines (:, s, p)
//   coefficients : [2, sets]                     q, r: what dx has of the statistics, q (x - mean) + r
//
// The pivot is the set's first element. Where |mean| is much larger than std, a float32 mean has too few digits to be
// subtracted, while differences from the pivot are nearly exact.

struct Params { runs: u32, sets: u32, perSet: u32, inner: u32, channels: u32, splits: u32, chunk: u32 }
var<immediate> params: Params;

override HAS_WEIGHT: bool;
override HAS_BIAS: bool;
override BATCH: bool; // the statistics are x's own
override SUMS: bool; // what `combine` combines

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<T>;
@group(0) @binding(5) var<storage, read> coefficients: array<f32>;
@group(0) @binding(6) var<storage, read_write> parts: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<T>;
@group(0) @binding(8) var<storage, read_write> dx: array<T>;

const THREADS = 64u;

alias S = vec3f;

fn combine(a: S, b: S) -> S {
  if (SUMS) { return a + b; }
  return combineMoments(a, b);
}

// A lane's walk over line `line` of [runs, lines, length], in steps of WG elements of type T.
struct Walk { at: u32, column: u32, length: u32, stepAt: u32, stepColumn: u32, gap: u32 }

fn walkFrom(place: u32, line: u32, lines: u32, length: u32) -> Walk {
  let column = place % length;
  let at = (place / length * lines + line) * length + column;
  let stepColumn = WG % length;
  return Walk(at, column, length, WG / length * lines * length + stepColumn, stepColumn, (lines - 1u) * length);
}

fn advance(walk: ptr<function, Walk>) {
  (*walk).at += (*walk).stepAt;
  (*walk).column += (*walk).stepColumn;
  if ((*walk).column >= (*walk).length) {
    (*walk).column -= (*walk).length;
    (*walk).at += (*walk).gap;
  }
}

// A workgroup per part of a set. Each of a lane's components takes Welford's steps, so that x is read once.
@compute @workgroup_size(WG)
fn moments(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  let length = params.perSet * params.inner / WIDTH;
  for (var i = wid.x; i < params.sets * params.splits; i += groups.x) {
    let s = i % params.sets;
    let start = i / params.sets * params.chunk;
    let end = min(start + params.chunk, params.runs * length);
    let pivot = first(x[s * length]);

    var count = 0.0;
    var mean = T();
    var squares = T();
    var walk = walkFrom(start + lane, s, params.sets, length);
    for (var k = start + lane; k < end; k += WG) {
      count += 1.0;
      let d = x[walk.at] - pivot;
      let delta = d - mean;
      mean += delta / count;
      squares += delta * (d - mean);
      advance(&walk);
    }

    let average = total(mean) / f32(WIDTH);
    let apart = mean - average;
    let own = S(count * f32(WIDTH), average, total(squares) + count * total(apart * apart));
    let all = workgroupCombine(own, lane);
    if (lane == 0u) {
      let to = i / params.sets * 3u * params.sets + s;
      parts[to] = all.x;
      parts[to + params.sets] = all.y;
      parts[to + 2u * params.sets] = all.z;
    }
  }
}

fn weightOf(channel: u32) -> f32 {
  if (HAS_WEIGHT) { return weight[channel]; }
  return 1.0;
}

// A thread per `chunk` elements of a line.
@compute @workgroup_size(THREADS)
fn normalize(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let length = params.inner / WIDTH;
  let chunks = (length + params.chunk - 1u) / params.chunk;
  for (var i = gid.x; i < params.runs * params.sets * params.perSet * chunks; i += groups.x * THREADS) {
    let line = i / chunks;
    let channel = line % params.channels;
    let s = line / params.perSet % params.sets;
    let pivot = stats[s];
    let offset = stats[params.sets + s];
    let scale = stats[2u * params.sets + s] * weightOf(channel);
    var shift = 0.0;
    if (HAS_BIAS) { shift = bias[channel]; }

    let start = line * length + i % chunks * params.chunk;
    let end = min(start + params.chunk, (line + 1u) * length);
    for (var k = start; k < end; k++) { y[k] = (x[k] - pivot - offset) * scale + shift; }
  }
}

// A workgroup per part of the lines (:, s, p).
@compute @workgroup_size(WG)
fn sums(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let length = params.inner / WIDTH;
  let lines = params.sets * params.perSet;
  for (var i = wid.x; i < lines * params.splits; i += groups.x) {
    let line = i % lines;
    let s = line / params.perSet;
    let start = i / lines * params.chunk;
    let end = min(start + params.chunk, params.runs * length);
    let pivot = stats[s];
    let offset = stats[params.sets + s];

    var sum = T();
    var product = T();
    var walk = walkFrom(start + lane, line, lines, length);
    for (var k = start + lane; k < end; k += WG) {
      let g = dy[walk.at];
      sum += g;
      product += g * (x[walk.at] - pivot - offset);
      advance(&walk);
    }

    let all = workgroupCombine(S(total(sum), total(product), 0.0), lane);
    if (lane == 0u) {
      let to = i / lines * 2u * lines + line;
      parts[to] = all.x;
      parts[to + lines] = all.y;
    }
  }
}

// A thread per `chunk` elements of a line:  dx = rstd weight dy, and of x's own statistics + q (x - mean) + r
@compute @workgroup_size(THREADS)
fn backwardInput(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let length = params.inner / WIDTH;
  let chunks = (length + params.chunk - 1u) / params.chunk;
  for (var i = gid.x; i < params.runs * params.sets * params.perSet * chunks; i += groups.x * THREADS) {
    let line = i / chunks;
    let s = line / params.perSet % params.sets;
    let scale = stats[2u * params.sets + s] * weightOf(line % params.channels);

    let start = line * length + i % chunks * params.chunk;
    let end = min(start + params.chunk, (line + 1u) * length);
    if (BATCH) {
      let pivot = stats[s];
      let offset = stats[params.sets + s];
      let q = coefficients[s];
      let r = coefficients[params.sets + s];
      for (var k = start; k < end; k++) { dx[k] = dy[k] * scale + (x[k] - pivot - offset) * q + r; }
    } else {
      for (var k = start; k < end; k++) { dx[k] = dy[k] * scale; }
    }
  }
}
