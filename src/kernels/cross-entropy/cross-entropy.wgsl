// The cross-entropy between a target distribution over the classes and softmax(logits), and its gradients.
//
//   logits, dlogits       : [outer, classes, inner]    row o * inner + i is logits[o, :, i]
//   labels                : the class numbers, i32 [rows]; with PROBABILITIES f32 [outer, classes, inner]; here as bits
//   dlabels               : [outer, classes, inner]
//   weight                : [classes]
//   losses                : [rows]
//   stats, saved          : [rows, 4]     (max, log Σ exp(logits - max), mass, 1 or 0 for a row without a loss)
//   partials, allPartials : [parts, 2]    (Σ loss, Σ weight of the label) over a part's rows
//   y, scale, savedScale  : scalars: the reduced loss, and its derivative by a row's loss
//   dy                    : [rows], or a scalar for a reduced loss
//   saved, savedScale and allPartials are what an earlier entry wrote to stats, scale and partials.
//
//   share(c) = weight[c] * (keep * target(c) + spread), where keep = 1 - smoothing, spread = smoothing / classes
//   loss     = Σ share(c) * (log Σ exp(logits) - logits[c])
//   dlogits  = dy * (mass * softmax(logits) - share), where mass = Σ share(c)
//
// With LOG_PROBS the logits are log-probabilities already: loss = -Σ share(c) * logits[c].

struct Params {
  rows: u32, classes: u32, inner: u32, parts: u32,
  keep: f32, spread: f32, ignoreIndex: i32, site: u32,
  reduction: u32, // 0: none, 1: sum, 2: mean
}
var<immediate> params: Params;

override PROBABILITIES: bool;
override LOG_PROBS: bool;
override HAS_WEIGHT: bool;
// Whether classes besides the label have a share: with PROBABILITIES, and with smoothing.
override DENSE: bool;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(6) var<storage, read> allPartials: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<storage, read_write> scale: array<f32>;
@group(0) @binding(9) var<storage, read> saved: array<vec4f>;
@group(0) @binding(10) var<storage, read> savedScale: array<f32>;
@group(0) @binding(11) var<storage, read> dy: array<f32>;
@group(0) @binding(12) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(13) var<storage, read_write> dlabels: array<f32>;

const THREADS = 64u;

struct Row { start: u32, label: u32, valid: bool }

// The label has no meaning with PROBABILITIES.
fn rowAt(i: u32) -> Row {
  return Row(i / params.inner * params.classes * params.inner + i % params.inner, labels[i], true);
}

// The row, with class 0 for a label that is ignored or out of range.
fn checkedRow(i: u32) -> Row {
  var row = rowAt(i);
  if (PROBABILITIES) { return row; }
  let ignored = bitcast<i32>(row.label) == params.ignoreIndex;
  row.valid = !ignored && row.label < params.classes;
  if (!ignored && !row.valid) { reportIndexError(params.site, i, bitcast<i32>(row.label)); }
  row.label = select(0u, row.label, row.valid);
  return row;
}

fn element(row: Row, c: u32) -> u32 {
  return row.start + c * params.inner;
}

fn share(row: Row, c: u32) -> f32 {
  var part = select(0.0, 1.0, c == row.label);
  if (PROBABILITIES) { part = bitcast<f32>(labels[element(row, c)]); }
  part = part * params.keep + params.spread;
  if (HAS_WEIGHT) { part *= weight[c]; }
  return part;
}

// The loops of one invocation: over every `step`-th class from `first`.

fn largest(row: Row, first: u32, step: u32) -> f32 {
  var most = -3.4028234e38; // a NaN that is passed over here comes back in sumExp
  for (var c = first; c < params.classes; c += step) {
    let x = logits[element(row, c)];
    most = select(most, x, x > most);
  }
  return most;
}

fn sumExp(row: Row, most: f32, first: u32, step: u32) -> f32 {
  var sum = 0.0;
  for (var c = first; c < params.classes; c += step) { sum += preciseExp(logits[element(row, c)] - most); }
  return sum;
}

// (Σ share, Σ share * (most - logits)); a class without a share may have any logit.
fn sumShares(row: Row, most: f32, first: u32, step: u32) -> vec2f {
  var sums = vec2f();
  for (var c = first; c < params.classes; c += step) {
    let part = share(row, c);
    sums += select(vec2f(), vec2f(part, part * (most - logits[element(row, c)])), part != 0.0);
  }
  return sums;
}

fn sharesOfLabel(row: Row, most: f32) -> vec2f {
  let part = share(row, row.label);
  return select(vec2f(), vec2f(part, part * (most - logits[element(row, row.label)])), part != 0.0);
}

// Writes the results of row i; what it adds to its part's sums.
fn finishRow(i: u32, row: Row, most: f32, logSum: f32, shares: vec2f) -> vec2f {
  let loss = select(0.0, shares.y + shares.x * logSum, row.valid);
  losses[i] = loss;
  stats[i] = vec4f(most, logSum, shares.x, select(0.0, 1.0, row.valid));
  var count = select(0.0, 1.0, row.valid);
  if (HAS_WEIGHT && !PROBABILITIES) { count *= weight[row.label]; }
  return vec2f(loss, count);
}

// A workgroup per part, for all lanes of which each of its rows is; for many classes and inner = 1.
@compute @workgroup_size(WG)
fn forwardRows(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
               @builtin(local_invocation_index) lane: u32) {
  for (var p = wid.x; p < params.parts; p += groups.x) {
    var sums = vec2f();
    for (var i = p; i < params.rows; i += params.parts) {
      let row = checkedRow(i);
      var most = 0.0;
      var logSum = 0.0;
      if (!LOG_PROBS) {
        most = workgroupMax(largest(row, lane, WG), lane);
        logSum = preciseLog(workgroupSum(sumExp(row, most, lane, WG), lane));
      }
      var shares: vec2f;
      if (DENSE) {
        let own = sumShares(row, most, lane, WG);
        shares = vec2f(workgroupSum(own.x, lane), workgroupSum(own.y, lane));
      } else {
        shares = sharesOfLabel(row, most);
      }
      if (lane == 0u) { sums += finishRow(i, row, most, logSum, shares); }
    }
    if (lane == 0u) { partials[p] = sums; }
  }
}

// A workgroup per part, a lane per row.
@compute @workgroup_size(WG)
fn forwardColumns(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                  @builtin(local_invocation_index) lane: u32) {
  for (var p = wid.x; p < params.parts; p += groups.x) {
    var sums = vec2f();
    for (var i = p * WG + lane; i < params.rows; i += params.parts * WG) {
      let row = checkedRow(i);
      var most = 0.0;
      var logSum = 0.0;
      if (!LOG_PROBS) {
        most = largest(row, 0u, 1u);
        logSum = preciseLog(sumExp(row, most, 0u, 1u));
      }
      var shares: vec2f;
      if (DENSE) { shares = sumShares(row, most, 0u, 1u); } else { shares = sharesOfLabel(row, most); }
      sums += finishRow(i, row, most, logSum, shares);
    }
    let total = vec2f(workgroupSum(sums.x, lane), workgroupSum(sums.y, lane));
    if (lane == 0u) { partials[p] = total; }
  }
}

// One workgroup.
@compute @workgroup_size(WG)
fn reduce(@builtin(local_invocation_index) lane: u32) {
  var sums = vec2f();
  for (var p = lane; p < params.parts; p += WG) { sums += allPartials[p]; }
  let loss = workgroupSum(sums.x, lane);
  let count = select(1.0, workgroupSum(sums.y, lane), params.reduction == 2u);
  if (lane == 0u) {
    y[0] = loss / count;
    scale[0] = 1.0 / count;
  }
}

// The gradient of row i's loss.
fn upstream(i: u32) -> f32 {
  if (params.reduction == 0u) { return dy[i]; }
  return dy[0] * savedScale[0];
}

// The gradient of row i's logits, at every `step`-th class from `first`.
fn writeGradient(i: u32, first: u32, step: u32) {
  let row = rowAt(i);
  let s = saved[i];
  let g = upstream(i);
  for (var c = first; c < params.classes; c += step) {
    let at = element(row, c);
    var d = -share(row, c);
    if (!LOG_PROBS) { d += s.z * preciseExp(logits[at] - s.x - s.y); }
    dlogits[at] = select(0.0, g * d, s.w != 0.0);
  }
}

// A workgroup per row; for many classes and inner = 1.
@compute @workgroup_size(WG)
fn backwardRows(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                @builtin(local_invocation_index) lane: u32) {
  for (var i = wid.x; i < params.rows; i += groups.x) { writeGradient(i, lane, WG); }
}

// A thread per row.
@compute @workgroup_size(THREADS)
fn backwardColumns(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.rows; i += groups.x * THREADS) { writeGradient(i, 0u, 1u); }
}

// A thread per element: dlabels = dy * keep * weight * -log softmax(logits).
@compute @workgroup_size(THREADS)
fn backwardLabels(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var at = gid.x; at < params.rows * params.classes; at += groups.x * THREADS) {
    let i = at / (params.classes * params.inner) * params.inner + at % params.inner;
    let s = saved[i];
    var d = upstream(i) * params.keep * (s.x - logits[at] + s.y);
    if (HAS_WEIGHT) { d *= weight[at / params.inner % params.classes]; }
    dlabels[at] = d;
  }
}
