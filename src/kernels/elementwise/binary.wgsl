// y = f(a, b), element by element, with broadcasting; and the gradients of the two before they are summed over
// the axes along which an operand was stretched.
//
//   y, dy, da, db : the broadcast shape, [size]
//   a, b          : read with strides, 0 along stretched axes
//
// Appended: alias T (of a and b), alias R (of y), fn f(a: T, b: T) -> R, fn dfa, dfb (a: T, b: T) -> f32.

struct Params { shape: vec4u, aStrides: vec4u, bStrides: vec4u, size: u32 }
var<immediate> params: Params;

// Dimensions after merging; 0 where both operands have the shape of the result.
override RANK: u32;

@group(0) @binding(0) var<storage, read> a: array<T>;
@group(0) @binding(1) var<storage, read> b: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<R>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> da: array<f32>;
@group(0) @binding(5) var<storage, read_write> db: array<f32>;

const THREADS = 64u;

// Where element i of the result reads a (x) and b (y). The outermost dimension is in component x, the others are
// aligned at w.
fn offsets(i: u32) -> vec2u {
  if (RANK == 0u) { return vec2u(i); }
  var rest = i;
  var at = vec2u(0);
  if (RANK > 1u) {
    at += (rest % params.shape.w) * vec2u(params.aStrides.w, params.bStrides.w);
    rest /= params.shape.w;
  }
  if (RANK > 2u) {
    at += (rest % params.shape.z) * vec2u(params.aStrides.z, params.bStrides.z);
    rest /= params.shape.z;
  }
  if (RANK > 3u) {
    at += (rest % params.shape.y) * vec2u(params.aStrides.y, params.bStrides.y);
    rest /= params.shape.y;
  }
  return at + rest * vec2u(params.aStrides.x, params.bStrides.x);
}

// A thread per element of the result.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    let at = offsets(i);
    y[i] = f(a[at.x], b[at.y]);
  }
}

// A thread per element of the result.
@compute @workgroup_size(THREADS)
fn backwardA(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    let at = offsets(i);
    da[i] = dy[i] * dfa(a[at.x], b[at.y]);
  }
}

// A thread per element of the result.
@compute @workgroup_size(THREADS)
fn backwardB(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    let at = offsets(i);
    db[i] = dy[i] * dfb(a[at.x], b[at.y]);
  }
}
