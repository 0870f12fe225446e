// Hinge losses of a row's classes against its labels, and their gradient:
//
//   loss = Σ_j w(y_j) Σ_i max(0, margin - x[y_j] + x[i])^p / classes, i over the classes that are no label of the row
//
//   x, dx      : [rows, classes]
//   labels     : [rows, count]     with LIST up to the first -1, else count = 1
//   weight     : [classes]         w, 1 unless HAS_WEIGHT
//   marks      : [rows, classes]   how often a class is among the labels
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

// A thread per row.
@compute @workgroup_size(THREADS)
fn mark(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var row = gid.x; row < params.rows; row += groups.x * THREADS) {
    let start = row * params.classes;
    for (var c = 0u; c < params.classes; c++) { marks[start + c] = 0u; }
    for (var j = 0u; j < params.count; j++) {
      let label = labels[row * params.count + j];
      if (LIST && label == -1) { break; }
      if (u32(label) < params.classes) {
        marks[start + u32(label)] += 1u;
      } else {
        reportIndexError(params.site, row * params.count + j, label);
      }
    }
  }
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
      if (label >= params.classes) { break; }
      let bound = params.margin - x[start + label];
      var sumOfLabel = 0.0;
      for (var i = lane; i < params.classes; i += WG) {
        if (marked[start + i] == 0u) { sumOfLabel += hinge(bound + x[start + i]); }
      }
      sum += weightOf(label) * sumOfLabel;
    }
    let total = workgroupSum(sum, lane);
    if (lane == 0u) { losses[row] = total / f32(params.classes); }
  }
}

// A thread per element.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var at = gid.x; at < params.rows * params.classes; at += groups.x * THREADS) {
    let row = at / params.classes;
    let start = row * params.classes;
    let occurrences = marked[at];
    var d = 0.0;
    if (occurrences == 0u) {
      for (var j = 0u; j < params.count; j++) {
        let label = u32(labels[row * params.count + j]);
        if (label >= params.classes) { break; }
        d += weightOf(label) * slope(params.margin - x[start + label] + x[at]);
      }
    } else {
      for (var i = 0u; i < params.classes; i++) {
        if (marked[start + i] == 0u) { d -= slope(params.margin - x[at] + x[start + i]); }
      }
      d *= f32(occurrences) * weightOf(at - start);
    }
    dx[at] = dy[row] * d / f32(params.classes);
  }
}
