// The order of the elements along the middle axis of x, as far as the first k: by ranks where the axis is short, else by
// merging sorted runs, of which only the first k elements are kept. The order is that of sort-key.wgsl, or its reverse; equal
// elements keep their order.
//
//   x, dx                  : [outer, n, inner]
//   places, indices, y, dy : [outer, k, inner]      y = x[indices]
//   pairs                  : [outer * inner, length], (key, place): the runs of a line, all of `run` pairs but the last
//   merged                 : [outer * inner, mergedLength], the same for `mergedRuns` runs of `mergedRun` pairs
//
// Appended: alias T; fn keyOf(x: T) -> u32.

struct Params {
  outer: u32, n: u32, inner: u32, k: u32,
  length: u32, run: u32, mergedLength: u32, mergedRun: u32, mergedRuns: u32,
}
var<immediate> params: Params;

override DESCENDING: bool;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> pairs: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> merged: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> places: array<i32>;
@group(0) @binding(4) var<storage, read> indices: array<i32>;
@group(0) @binding(5) var<storage, read_write> y: array<T>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;
const BLOCK = 8u; // elements that a thread sorts
const STRETCH = 16u; // elements that a thread merges

fn orderOf(x: T) -> u32 {
  return select(keyOf(x), ~keyOf(x), DESCENDING);
}

// Where element c of line `at` of [outer, inner] is in a tensor with `size` elements per line.
fn indexOf(at: u32, c: u32, size: u32) -> u32 {
  return (at / params.inner * size + c) * params.inner + at % params.inner;
}

// A thread per element: its place is the number of elements before it.
@compute @workgroup_size(THREADS)
fn ranks(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let lines = params.outer * params.inner;
  for (var i = gid.x; i < lines * params.n; i += groups.x * THREADS) {
    let at = i % lines;
    let place = i / lines;
    let key = orderOf(x[indexOf(at, place, params.n)]);
    var rank = 0u;
    for (var c = 0u; c < params.n; c++) {
      let other = orderOf(x[indexOf(at, c, params.n)]);
      rank += select(0u, 1u, other < key || (other == key && c < place));
    }
    if (rank < params.k) { places[indexOf(at, rank, params.k)] = i32(place); }
  }
}

// A thread per BLOCK elements of a line, which become a run: sorted by exchanges of neighbours that are in the wrong order.
@compute @workgroup_size(THREADS)
fn blocks(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let lines = params.outer * params.inner;
  for (var i = gid.x; i < lines * params.mergedRuns; i += groups.x * THREADS) {
    let at = i % lines;
    let first = i / lines * BLOCK;
    var run: array<vec2u, BLOCK>;
    for (var c = 0u; c < BLOCK; c++) {
      let place = first + c;
      run[c] = vec2u(0xffffffffu, place); // behind the end of the line
      if (place < params.n) { run[c].x = orderOf(x[indexOf(at, place, params.n)]); }
    }
    for (var round = 0u; round < BLOCK; round++) {
      for (var c = round % 2u; c + 1u < BLOCK; c += 2u) {
        let a = run[c];
        let b = run[c + 1u];
        run[c] = select(a, b, a.x > b.x);
        run[c + 1u] = select(b, a, a.x > b.x);
      }
    }
    let count = min(params.n - first, params.mergedRun);
    for (var c = 0u; c < BLOCK; c++) {
      if (c < count) { merged[at * params.mergedLength + i / lines * params.mergedRun + c] = run[c]; }
    }
  }
}

// A thread per STRETCH pairs of a merged run. Which pairs of the two runs lie before them, a bisection finds ("merge path",
// Green, McColl and Bader 2012, https://doi.org/10.1145/2304576.2304621).
@compute @workgroup_size(THREADS)
fn merge(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stretches = (params.mergedRun + STRETCH - 1u) / STRETCH;
  let perLine = params.mergedRuns * stretches;
  for (var i = gid.x; i < params.outer * params.inner * perLine; i += groups.x * THREADS) {
    let line = i / perLine;
    let run = i % perLine / stretches;
    let firstA = 2u * run * params.run;
    let countA = min(params.run, params.length - firstA);
    let countB = min(2u * params.run, params.length - firstA) - countA;
    let before = i % stretches * STRETCH;
    let end = min(before + STRETCH, min(countA + countB, params.mergedRun));
    if (before >= end) { continue; }
    let startA = line * params.length + firstA;
    let startB = startA + countA;

    var a = before - min(before, countB);
    var most = min(before, countA);
    while (a < most) {
      let middle = (a + most) / 2u;
      if (pairs[startA + middle].x <= pairs[startB + before - 1u - middle].x) { a = middle + 1u; } else { most = middle; }
    }
    var b = before - a;
    var to = line * params.mergedLength + run * params.mergedRun + before;
    for (var d = before; d < end; d++) {
      let pairA = pairs[startA + min(a, countA - 1u)];
      let pairB = pairs[select(startA, startB + min(b, countB - 1u), countB > 0u)];
      let takeA = b >= countB || (a < countA && pairA.x <= pairB.x);
      merged[to] = select(pairB, pairA, takeA);
      a += select(0u, 1u, takeA);
      b += select(1u, 0u, takeA);
      to++;
    }
  }
}

// A thread per place of the one run that is left.
@compute @workgroup_size(THREADS)
fn unpack(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let lines = params.outer * params.inner;
  for (var i = gid.x; i < lines * params.k; i += groups.x * THREADS) {
    let at = i / params.k;
    places[indexOf(at, i % params.k, params.k)] = i32(pairs[i].y);
  }
}

// A thread per element of y.
@compute @workgroup_size(THREADS)
fn take(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.outer * params.k * params.inner; i += groups.x * THREADS) {
    let at = i / (params.k * params.inner) * params.inner + i % params.inner;
    y[i] = x[indexOf(at, u32(indices[i]), params.n)];
  }
}

// A thread per element of dy. No index occurs twice on a line.
@compute @workgroup_size(THREADS)
fn put(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.outer * params.k * params.inner; i += groups.x * THREADS) {
    let at = i / (params.k * params.inner) * params.inner + i % params.inner;
    dx[indexOf(at, u32(indices[i]), params.n)] = dy[i];
  }
}
