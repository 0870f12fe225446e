// Slices of x along one axis, in the order of an index: y[o, j, i] = x[o, index[j], i].
//
//   x     : [outer, n, inner]       words, moved as they are, whatever they mean
//   index : [count]
//   y     : [outer, count, inner]   0 where the index is `skip`, or out of range, which is reported
//
// Appended: alias T, of WIDTH words, which divides inner.

struct Params { size: u32, n: u32, count: u32, inner: u32, skip: u32, site: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;

const THREADS = 64u;

// A thread per T of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let inner = params.inner / WIDTH;
  for (var e = gid.x; e < params.size / WIDTH; e += groups.x * THREADS) {
    // Remainders by multiplication: divisions are dear.
    let row = e / inner;
    let o = row / params.count;
    let j = row - o * params.count;
    let at = index[j];
    var value = T();
    if (u32(at) >= params.n) {
      reportIndexError(params.site, j, at);
    } else if (u32(at) != params.skip) {
      value = x[(o * params.n + u32(at)) * inner + e - row * inner];
    }
    y[e] = value;
  }
}
