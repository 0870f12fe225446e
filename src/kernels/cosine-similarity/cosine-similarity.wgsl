// The cosine of the angle between the lines of x1 and of x2 along an axis, and its gradients.
//
//   x1, x2, dx1, dx2 : [outer, n, inner]      line o * inner + i is x[o, :, i]
//   y, dy            : [lines]
//   stats, saved     : [lines, 4]             (1 / (l1 l2), y / l1², y / l2², 0), where the lengths l are not held to eps
//
//   y   = x1 · x2 / (l1 l2), where l = max(|x|, eps), or with ADDED sqrt(|x|² + eps)
//   dx1 = dy (x2 / (l1 l2) - x1 y / l1²), and dx2 likewise
//
// saved is what an earlier entry wrote to stats. T is of WIDTH elements of the axis, for inner = 1.

struct Params { lines: u32, n: u32, inner: u32, eps: f32 }
var<immediate> params: Params;

override ADDED: bool;

@group(0) @binding(0) var<storage, read> x1: array<T>;
@group(0) @binding(1) var<storage, read> x2: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec4f>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read> saved: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dx1: array<T>;
@group(0) @binding(7) var<storage, read_write> dx2: array<T>;

const THREADS = 64u;

struct Sums { both: T, first: T, second: T }

// The products of a line's elements, of every `step`-th from `start`.
fn sums(line: u32, start: u32, step: u32) -> Sums {
  let columns = params.n / WIDTH;
  let base = line / params.inner * columns * params.inner + line % params.inner;
  var result = Sums(T(), T(), T());
  for (var c = start; c < columns; c += step) {
    let a = x1[base + c * params.inner];
    let b = x2[base + c * params.inner];
    result.both += a * b;
    result.first += a * a;
    result.second += b * b;
  }
  return result;
}

fn lengthOf(squared: f32) -> f32 {
  if (ADDED) { return sqrt(squared + params.eps); }
  return nanMax(sqrt(squared), params.eps);
}

fn finish(line: u32, both: f32, first: f32, second: f32) {
  let l1 = lengthOf(first);
  let l2 = lengthOf(second);
  let cosine = both / (l1 * l2);
  let held1 = !ADDED && l1 == params.eps;
  let held2 = !ADDED && l2 == params.eps;
  y[line] = cosine;
  stats[line] = vec4f(1.0 / (l1 * l2), select(cosine / (l1 * l1), 0.0, held1), select(cosine / (l2 * l2), 0.0, held2), 0.0);
}

// A workgroup per line.
@compute @workgroup_size(WG)
fn forwardRows(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
               @builtin(local_invocation_index) lane: u32) {
  for (var line = wid.x; line < params.lines; line += groups.x) {
    let own = sums(line, lane, WG);
    let both = workgroupSum(total(own.both), lane);
    let first = workgroupSum(total(own.first), lane);
    let second = workgroupSum(total(own.second), lane);
    if (lane == 0u) { finish(line, both, first, second); }
  }
}

// A thread per line.
@compute @workgroup_size(THREADS)
fn forwardColumns(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var line = gid.x; line < params.lines; line += groups.x * THREADS) {
    let own = sums(line, 0u, 1u);
    finish(line, total(own.both), total(own.first), total(own.second));
  }
}

fn lineOf(at: u32) -> u32 {
  let columns = params.n / WIDTH;
  return at / (columns * params.inner) * params.inner + at % params.inner;
}

// A thread per T.
@compute @workgroup_size(THREADS)
fn backwardFirst(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var at = gid.x; at < params.lines * (params.n / WIDTH); at += groups.x * THREADS) {
    let line = lineOf(at);
    let s = saved[line];
    dx1[at] = dy[line] * (s.x * x2[at] - s.y * x1[at]);
  }
}

// A thread per T.
@compute @workgroup_size(THREADS)
fn backwardSecond(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var at = gid.x; at < params.lines * (params.n / WIDTH); at += groups.x * THREADS) {
    let line = lineOf(at);
    let s = saved[line];
    dx2[at] = dy[line] * (s.x * x1[at] - s.z * x2[at]);
  }
}
