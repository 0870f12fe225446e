// y = finished(combination of mapped(x)) over the middle axis of x, which is cut into `splits` parts of `chunk` elements.
//
//   x : [outer, n, inner]      y : [outer, splits, inner]      pivot : [outer, inner], what a map needs to know of its line
//
// Appended: alias T (of x), S (of what is combined), R (of y), L (of what a thread knows of its line);
//   fn initial() -> S, which combines with any value to that value; fn lineOf(at: u32) -> L;
//   fn mapped(x: T, line: L, c: u32) -> S, for the element at place c; fn combine(a: S, b: S) -> S, commutative;
//   fn finished(s: S, at: u32) -> R, for line `at` of [outer, inner].

struct Params { outer: u32, n: u32, inner: u32, splits: u32, chunk: u32, p: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<R>;
@group(0) @binding(2) var<storage, read> pivot: array<f32>;

const THREADS = 64u;
const BLOCK = 4u; // which compilers unroll
const GROUP = 64u;

// Where line `at` begins.
fn startOf(at: u32) -> u32 {
  return at / params.inner * params.n * params.inner + at % params.inner;
}

// Combines the elements base + c * inner, for `count` places c from `first` on, `step` apart: in blocks and groups of blocks,
// so that the error of a sum grows with the depth of this tree and not with the number of elements. The last block may read
// its last element again.
fn fold(base: u32, first: u32, step: u32, count: u32, line: L) -> S {
  var total = initial();
  for (var g = 0u; g < count; g += GROUP) {
    var group = initial();
    for (var b = g; b < min(g + GROUP, count); b += BLOCK) {
      var block = initial();
      for (var k = 0u; k < BLOCK; k++) {
        let c = first + min(b + k, count - 1u) * step;
        block = combine(block, select(initial(), mapped(x[base + c * params.inner], line, c), b + k < count));
      }
      group = combine(group, block);
    }
    total = combine(total, group);
  }
  return total;
}

// A workgroup per part of a row, for inner = 1.
@compute @workgroup_size(WG)
fn rows(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  for (var i = wid.x; i < params.outer * params.splits; i += groups.x) {
    let row = i / params.splits;
    let first = i % params.splits * params.chunk + lane;
    let end = min(first - lane + params.chunk, params.n);
    let count = (end + WG - 1u - first) / WG;
    let s = workgroupCombine(fold(row * params.n, first, WG, count, lineOf(row)), lane);
    if (lane == 0u) { y[i] = finished(s, row); }
  }
}

// A thread per element of y, so that neighbours read neighbours.
@compute @workgroup_size(THREADS)
fn lines(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.outer * params.splits * params.inner; i += groups.x * THREADS) {
    let part = i / params.inner;
    let o = part / params.splits;
    let column = i % params.inner;
    let at = o * params.inner + column;
    let first = part % params.splits * params.chunk;
    let count = min(params.chunk, params.n - first);
    y[i] = finished(fold(o * params.n * params.inner + column, first, 1u, count, lineOf(at)), at);
  }
}
