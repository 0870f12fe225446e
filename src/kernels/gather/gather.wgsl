// Elements of x by an index along one axis, and sums of elements where an index says.
//
//   x, sum        : [outer, n, inner]
//   index, y, src : [outer, m, inner]   y is 0 where the index is out of range, which is reported
//   keys          : [outer, m, inner]   where each element of the index points in x; -1 out of range
//   hot           : [size / n, n]       for an index of [size / n]
//
// Appended: alias T.

struct Params { size: u32, n: u32, m: u32, inner: u32, site: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;
@group(0) @binding(3) var<storage, read> src: array<T>;
@group(0) @binding(4) var<storage, read_write> sum: array<T>;
@group(0) @binding(5) var<storage, read_write> keys: array<i32>;
@group(0) @binding(6) var<storage, read_write> hot: array<i32>;

const THREADS = 64u;

// Where element e of the index points in x, or -1.
fn key(e: u32) -> i32 {
  let at = index[e];
  if (u32(at) >= params.n) {
    reportIndexError(params.site, e, at);
    return -1;
  }
  return i32((e / (params.m * params.inner) * params.n + u32(at)) * params.inner + e % params.inner);
}

// A thread per element of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var e = gid.x; e < params.size; e += groups.x * THREADS) {
    let at = key(e);
    var value = T();
    if (at >= 0) { value = x[at]; }
    y[e] = value;
  }
}

// A thread per line along the axis, which adds src to sum in its order. size counts the lines.
@compute @workgroup_size(THREADS)
fn addLines(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var line = gid.x; line < params.size; line += groups.x * THREADS) {
    let first = line / params.inner * params.m * params.inner + line % params.inner;
    for (var j = 0u; j < params.m; j++) {
      let e = first + j * params.inner;
      let at = key(e);
      if (at >= 0) { sum[at] += src[e]; }
    }
  }
}

// A thread per element of the index.
@compute @workgroup_size(THREADS)
fn findKeys(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var e = gid.x; e < params.size; e += groups.x * THREADS) { keys[e] = key(e); }
}

// A thread per element of hot.
@compute @workgroup_size(THREADS)
fn oneHot(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var e = gid.x; e < params.size; e += groups.x * THREADS) {
    let at = index[e / params.n];
    if (u32(at) >= params.n) { reportIndexError(params.site, e / params.n, at); }
    hot[e] = select(0, 1, u32(at) == e % params.n);
  }
}
