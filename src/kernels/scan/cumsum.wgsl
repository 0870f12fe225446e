// y = running sums of x over its middle axis, from the first element on or, reversed, from the last. A long axis is cut into
// `splits` parts of `chunk` elements: the sums of the parts, their running sums, and then each part from where it begins.
//
//   x, y        : [outer, n, inner]
//   sums, carry : [outer, splits, inner]      carry = running sums of sums
//
// Appended: alias T.

struct Params { outer: u32, n: u32, inner: u32, splits: u32, chunk: u32 }
var<immediate> params: Params;

override REVERSE: bool;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<storage, read_write> sums: array<T>;
@group(0) @binding(3) var<storage, read> carry: array<T>;

const THREADS = 64u;

struct Part { start: u32, count: u32, number: u32 }

fn partOf(i: u32) -> Part {
  let line = i / params.inner;
  let number = line % params.splits;
  let first = number * params.chunk;
  return Part((line / params.splits * params.n + first) * params.inner + i % params.inner,
    min(params.chunk, params.n - first), number);
}

fn scan(part: Part, before: T) {
  var sum = before;
  for (var k = 0u; k < part.count; k++) {
    let i = part.start + select(k, part.count - 1u - k, REVERSE) * params.inner;
    sum += x[i];
    y[i] = sum;
  }
}

// A thread per line, for splits = 1.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.outer * params.inner; i += groups.x * THREADS) { scan(partOf(i), T(0)); }
}

// A thread per part.
@compute @workgroup_size(THREADS)
fn partSums(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.outer * params.splits * params.inner; i += groups.x * THREADS) {
    let part = partOf(i);
    var sum = T(0);
    for (var k = 0u; k < part.count; k++) { sum += x[part.start + k * params.inner]; }
    sums[i] = sum;
  }
}

// A thread per part.
@compute @workgroup_size(THREADS)
fn parts(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.outer * params.splits * params.inner; i += groups.x * THREADS) {
    let part = partOf(i);
    var before = T(0);
    if (REVERSE) {
      if (part.number + 1u < params.splits) { before = carry[i + params.inner]; }
    } else if (part.number > 0u) {
      before = carry[i - params.inner];
    }
    scan(part, before);
  }
}
