// Hinge losses of a row's classes against its labels, and their gradient:
//
//   loss = Σ_j w(y_j) Σ_i max(0, margin - x[y_j] + x[i])^p / classes, i over the classes that are no label of the row
//
//   x, dx      : [rows, classes]
//   labels     : [rows, count]     with LIST up to the first -1, else count = 1
//   weight     : [classes]         w, 1 unless HAS_WEIGHT
//   marks      : [rows, classes]   with LIST, how often a class is among the labels
//   losses, dy : [rows]

struct Params { rows: u32, classes: u32, count: u32, margin: f32, site: u32 }
var<immediate> params: Params;

override LIST: bool;
override HAS_WEIGHT: bool;
override SQUARED: bool; // p = 2, else 1

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> marks: array<u32>;
@group(0) @binding(4) var<storage, read> marked: array<u32>; // what an earlier entry wrote to marks
@group(0) @binding(5) var<storage, read_write> losses: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;

// A thread per row, with LIST.
@compute @workgroup_size(THREADS)
fn mark(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var row = gid.x; row < params.rows; row += groups.x * THREADS) {
    let start = row * params.classes;
    for (var c = 0u; c < params.classes; c++) { marks[start + c] = 0u; }
    for (var j = 0u; j < params.count; j++) {
      let label = labels[row * params.count + j];
      if (label == -1) { break; }
      if (u32(label) < params.classes) {
        marks[start + u32(label)] += 1u;
      } else {
        reportIndexError(params.site, row * params.count + j, label);
      }
    }
  }
}

fn isLabel(at: u32, labelAt: u32) -> bool {
  if (LIST) { return marked[at] > 0u; }
  return at == labelAt;
}

fn weightOf(label: u32) -> f32 {
  if (HAS_WEIGHT) { return weight[label]; }
  return 1.0;
}

fn hinge(z: f32) -> f32 {
  let positive = nanMax(z, 0.0);
  return select(positive, positive * positive, SQUARED);
}

fn slope(z: f32) -> f32 {
  return select(0.0, select(1.0, 2.0 * z, SQUARED), z > 0.0);
}

// A workgroup per row.
@compute @workgroup_size(WG)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  for (var row = wid.x; row < params.rows; row += groups.x) {
    let start = row * params.classes;
    var sum = 0.0;
    for (var j = 0u; j < params.count; j++) {
      let label = u32(labels[row * params.count + j]);
      if (label >= params.classes) {
        if (!LIST && lane == 0u) { reportIndexError(params.site, row, i32(label)); }
        break;
      }
      let labelAt = start + label;
      let bound = params.margin - x[labelAt];
      var sumOfLabel = 0.0;
      for (var at = start + lane; at < start + params.classes; at += WG) {
        if (!isLabel(at, labelAt)) { sumOfLabel += hinge(bound + x[at]); }
      }
      sum += weightOf(label) * sumOfLabel;
    }
    let total = workgroupSum(sum, lane);
    if (lane == 0u) { losses[row] = total / f32(params.classes); }
  }
}

// A workgroup per row, of which each lane writes its own classes, and what all of them add up to for a label.
@compute @workgroup_size(WG)
fn backward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
            @builtin(local_invocation_index) lane: u32) {
  for (var row = wid.x; row < params.rows; row += groups.x) {
    let start = row * params.classes;
    let upstream = dy[row] / f32(params.classes);
    var j = 0u;
    for (; j < params.count; j++) {
      let label = u32(labels[row * params.count + j]);
      if (label >= params.classes) { break; }
      let labelAt = start + label;
      let bound = params.margin - x[labelAt];
      let scale = upstream * weightOf(label);
      var sum = 0.0;
      for (var at = start + lane; at < start + params.classes; at += WG) {
        var d = 0.0;
        if (!isLabel(at, labelAt)) { d = slope(bound + x[at]); }
        sum += d;
        if (j == 0u) { dx[at] = scale * d; } else { dx[at] += scale * d; }
      }
      let total = workgroupSum(sum, lane);
      if (lane == label % WG) { dx[labelAt] -= scale * total; }
    }
    if (j == 0u) {
      for (var at = start + lane; at < start + params.classes; at += WG) { dx[at] = 0.0; }
    }
  }
}
