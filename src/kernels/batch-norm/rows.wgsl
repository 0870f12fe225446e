// Normalization of channels whose elements lie side by side; columns.wgsl has those where each lies alone. x is read in
// T's of WIDTH elements, at whose borders a line need not begin or end; there are at least WIDTH elements in a line.
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

// A walk over a line of [runs, lines, length]: a run begins at element `start`, and `slot` counts its T's.
struct Walk { start: u32, slot: u32, length: u32, slots: u32, stride: u32, stepStart: u32, stepSlot: u32 }

// How many T's hold a run, at most: the first and the last may hold elements of its neighbours too.
fn slotsOf(length: u32) -> u32 {
  return select((length + 2u * WIDTH - 2u) / WIDTH, length / WIDTH, length % WIDTH == 0u);
}

// A walk from the line's slot `place` on, in steps of `step` slots.
fn walkFrom(place: u32, step: u32, line: u32, lines: u32, length: u32) -> Walk {
  let slots = slotsOf(length);
  let stride = lines * length;
  let start = place / slots * stride + line * length;
  return Walk(start, place % slots, length, slots, stride, step / slots * stride, step % slots);
}

fn advance(walk: ptr<function, Walk>) {
  (*walk).start += (*walk).stepStart;
  (*walk).slot += (*walk).stepSlot;
  if ((*walk).slot >= (*walk).slots) {
    (*walk).slot -= (*walk).slots;
    (*walk).start += (*walk).stride;
  }
}

// The T that the walk is at; behind the end of the run, its last.
fn placeOf(walk: Walk) -> u32 {
  return min(walk.start / WIDTH + walk.slot, (walk.start + walk.length - 1u) / WIDTH);
}

// v with 0 for elements that are not of the run.
fn own(v: T, walk: Walk) -> T {
  let at = indices(walk.start / WIDTH + walk.slot);
  return select(T(), v, at - U(walk.start) < U(walk.length)); // one before the run wraps around
}

// Moments of set s, from its slot `start` on. Each component takes Welford's steps, so that x is read once.
fn momentsOf(s: u32, start: u32, end: u32, step: u32) -> S {
  let length = params.perSet * params.inner;
  let pivot = component(x[s * length / WIDTH], s * length % WIDTH);
  var count = T();
  var mean = T();
  var squares = T();
  var walk = walkFrom(start, step, s, params.sets, length);
  for (var k = start; k < end; k += step) {
    count += own(T(1.0), walk);
    let delta = own(x[placeOf(walk)] - pivot - mean, walk);
    let change = delta / max(count, T(1.0));
    mean += change;
    squares += delta * (delta - change);
    advance(&walk);
  }
  let all = total(count);
  let average = total(count * mean) / max(all, 1.0);
  let apart = mean - average;
  return S(all, average, total(squares + count * apart * apart));
}

fn storeMoments(m: S, part: u32, s: u32) {
  let to = part * 3u * params.sets + s;
  parts[to] = m.x;
  parts[to + params.sets] = m.y;
  parts[to + 2u * params.sets] = m.z;
}

// A workgroup per part of a set.
@compute @workgroup_size(WG)
fn moments(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  let slots = params.runs * slotsOf(params.perSet * params.inner);
  for (var i = wid.x; i < params.sets * params.splits; i += groups.x) {
    let s = i % params.sets;
    let part = i / params.sets;
    let start = part * params.chunk;
    let end = min(start + params.chunk, slots);
    let m = workgroupCombine(momentsOf(s, start + lane, end, WG), lane);
    if (lane == 0u) { storeMoments(m, part, s); }
  }
}

// A thread per set.
@compute @workgroup_size(THREADS)
fn shortMoments(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let slots = params.runs * slotsOf(params.perSet * params.inner);
  for (var s = gid.x; s < params.sets; s += groups.x * THREADS) { storeMoments(momentsOf(s, 0u, slots, 1u), 0u, s); }
}

// Σ dy and Σ dy (x - mean) of the lines (:, s, p), from their slot `start` on.
fn sumsOf(line: u32, start: u32, end: u32, step: u32) -> S {
  let s = line / params.perSet;
  let pivot = stats[s];
  let offset = stats[params.sets + s];
  var sum = T();
  var product = T();
  var walk = walkFrom(start, step, line, params.sets * params.perSet, params.inner);
  for (var k = start; k < end; k += step) {
    let at = placeOf(walk);
    let g = dy[at];
    sum += own(g, walk);
    product += own(g * (x[at] - pivot - offset), walk);
    advance(&walk);
  }
  return S(total(sum), total(product), 0.0);
}

fn storeSums(sums: S, part: u32, line: u32) {
  let lines = params.sets * params.perSet;
  parts[part * 2u * lines + line] = sums.x;
  parts[(part * 2u + 1u) * lines + line] = sums.y;
}

// A workgroup per part of the lines (:, s, p).
@compute @workgroup_size(WG)
fn sums(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let lines = params.sets * params.perSet;
  for (var i = wid.x; i < lines * params.splits; i += groups.x) {
    let line = i % lines;
    let part = i / lines;
    let start = part * params.chunk;
    let end = min(start + params.chunk, params.runs * slotsOf(params.inner));
    let all = workgroupCombine(sumsOf(line, start + lane, end, WG), lane);
    if (lane == 0u) { storeSums(all, part, line); }
  }
}

// A thread per lines (:, s, p).
@compute @workgroup_size(THREADS)
fn shortSums(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let slots = params.runs * slotsOf(params.inner);
  for (var line = gid.x; line < params.sets * params.perSet; line += groups.x * THREADS) {
    storeSums(sumsOf(line, 0u, slots, 1u), 0u, line);
  }
}

// What a line's elements have in common.
struct Line { pivot: f32, offset: f32, scale: f32, q: f32, shift: f32 }

// rstd * weight
fn scaleOf(line: u32, s: u32) -> f32 {
  let rstd = stats[2u * params.sets + s];
  if (HAS_WEIGHT) { return rstd * weight[line % params.channels]; }
  return rstd;
}

fn forwardLine(line: u32) -> Line {
  let s = line / params.perSet % params.sets;
  var shift = 0.0;
  if (HAS_BIAS) { shift = bias[line % params.channels]; }
  return Line(stats[s], stats[params.sets + s], scaleOf(line, s), 0.0, shift);
}

fn backwardLine(line: u32) -> Line {
  let s = line / params.perSet % params.sets;
  if (!BATCH) { return Line(0.0, 0.0, scaleOf(line, s), 0.0, 0.0); }
  return Line(stats[s], stats[params.sets + s], scaleOf(line, s), coefficients[s], coefficients[params.sets + s]);
}

// A thread per `chunk` T's, which are of one line or of two neighbours:  y = (x - mean) scale + bias
@compute @workgroup_size(THREADS)
fn normalize(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let all = params.runs * params.sets * params.perSet * params.inner / WIDTH;
  for (var i = gid.x; i * params.chunk < all; i += groups.x * THREADS) {
    let start = i * params.chunk;
    let end = min(start + params.chunk, all);
    let line = start * WIDTH / params.inner;
    let border = (line + 1u) * params.inner;
    let a = forwardLine(line);
    var b = a;
    if (border < end * WIDTH) { b = forwardLine(line + 1u); }
    for (var k = start; k < end; k++) {
      let isB = indices(k) >= U(border);
      let d = x[k] - select(T(a.pivot), T(b.pivot), isB) - select(T(a.offset), T(b.offset), isB);
      y[k] = d * select(T(a.scale), T(b.scale), isB) + select(T(a.shift), T(b.shift), isB);
    }
  }
}

// A thread per `chunk` T's, as above:  dx = scale dy, and of x's own statistics + q (x - mean) + r
@compute @workgroup_size(THREADS)
fn backwardInput(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let all = params.runs * params.sets * params.perSet * params.inner / WIDTH;
  for (var i = gid.x; i * params.chunk < all; i += groups.x * THREADS) {
    let start = i * params.chunk;
    let end = min(start + params.chunk, all);
    let line = start * WIDTH / params.inner;
    let border = (line + 1u) * params.inner;
    let a = backwardLine(line);
    var b = a;
    if (border < end * WIDTH) { b = backwardLine(line + 1u); }
    for (var k = start; k < end; k++) {
      let isB = indices(k) >= U(border);
      var v = dy[k] * select(T(a.scale), T(b.scale), isB);
      if (BATCH) {
        let d = x[k] - select(T(a.pivot), T(b.pivot), isB) - select(T(a.offset), T(b.offset), isB);
        v += d * select(T(a.q), T(b.q), isB) + select(T(a.shift), T(b.shift), isB);
      }
      dx[k] = v;
    }
  }
}
