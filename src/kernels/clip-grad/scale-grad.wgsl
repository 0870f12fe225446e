// Changes up to seven gradients in place: each is multiplied by one coefficient, divided by the scale of the loss, or held to
// a range.
//
//   g0 ... g6 : the gradients, in Ts; gradient j has sizes[j] elements, an unused one 0
//   result    : [norm, coefficient]
//   scaler    : the scale, first of four
//   found     : the first of four becomes 1 where a scaled gradient is not finite

struct Params { sizes: array<vec4u, 2>, limit: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> g0: array<T>;
@group(0) @binding(1) var<storage, read_write> g1: array<T>;
@group(0) @binding(2) var<storage, read_write> g2: array<T>;
@group(0) @binding(3) var<storage, read_write> g3: array<T>;
@group(0) @binding(4) var<storage, read_write> g4: array<T>;
@group(0) @binding(5) var<storage, read_write> g5: array<T>;
@group(0) @binding(6) var<storage, read_write> g6: array<T>;
@group(0) @binding(7) var<storage, read> result: array<f32>;
@group(0) @binding(8) var<uniform> scaler: vec4f;
@group(0) @binding(9) var<storage, read_write> found: array<atomic<u32>>;

const THREADS = 64u;

fn held(x: T) -> T {
  let limit = T(params.limit);
  return select(select(x, limit, x > limit), -limit, x < -limit); // a NaN is neither
}

// A thread per T, one gradient after the other: a choice among seven bindings would cost all seven.
@compute @workgroup_size(THREADS)
fn scaleAll(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = result[1];
  if (c == 1.0) { return; }
  let step = groups.x * THREADS;
  for (var i = gid.x; i < params.sizes[0].x / WIDTH; i += step) { g0[i] *= c; }
  for (var i = gid.x; i < params.sizes[0].y / WIDTH; i += step) { g1[i] *= c; }
  for (var i = gid.x; i < params.sizes[0].z / WIDTH; i += step) { g2[i] *= c; }
  for (var i = gid.x; i < params.sizes[0].w / WIDTH; i += step) { g3[i] *= c; }
  for (var i = gid.x; i < params.sizes[1].x / WIDTH; i += step) { g4[i] *= c; }
  for (var i = gid.x; i < params.sizes[1].y / WIDTH; i += step) { g5[i] *= c; }
  for (var i = gid.x; i < params.sizes[1].z / WIDTH; i += step) { g6[i] *= c; }
}

// As scaleAll.
@compute @workgroup_size(THREADS)
fn clampAll(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let step = groups.x * THREADS;
  for (var i = gid.x; i < params.sizes[0].x / WIDTH; i += step) { g0[i] = held(g0[i]); }
  for (var i = gid.x; i < params.sizes[0].y / WIDTH; i += step) { g1[i] = held(g1[i]); }
  for (var i = gid.x; i < params.sizes[0].z / WIDTH; i += step) { g2[i] = held(g2[i]); }
  for (var i = gid.x; i < params.sizes[0].w / WIDTH; i += step) { g3[i] = held(g3[i]); }
  for (var i = gid.x; i < params.sizes[1].x / WIDTH; i += step) { g4[i] = held(g4[i]); }
  for (var i = gid.x; i < params.sizes[1].y / WIDTH; i += step) { g5[i] = held(g5[i]); }
  for (var i = gid.x; i < params.sizes[1].z / WIDTH; i += step) { g6[i] = held(g6[i]); }
}

fn unscaled(g: T, inverse: f32) -> T {
  let exponents = U(INFINITY_BITS);
  if (any((bitcast<U>(g) & exponents) == exponents)) { atomicStore(&found[0], 1u); }
  return g * inverse;
}

// As scaleAll.
@compute @workgroup_size(THREADS)
fn unscaleAll(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = 1.0 / scaler.x;
  let step = groups.x * THREADS;
  for (var i = gid.x; i < params.sizes[0].x / WIDTH; i += step) { g0[i] = unscaled(g0[i], c); }
  for (var i = gid.x; i < params.sizes[0].y / WIDTH; i += step) { g1[i] = unscaled(g1[i], c); }
  for (var i = gid.x; i < params.sizes[0].z / WIDTH; i += step) { g2[i] = unscaled(g2[i], c); }
  for (var i = gid.x; i < params.sizes[0].w / WIDTH; i += step) { g3[i] = unscaled(g3[i], c); }
  for (var i = gid.x; i < params.sizes[1].x / WIDTH; i += step) { g4[i] = unscaled(g4[i], c); }
  for (var i = gid.x; i < params.sizes[1].y / WIDTH; i += step) { g5[i] = unscaled(g5[i], c); }
  for (var i = gid.x; i < params.sizes[1].z / WIDTH; i += step) { g6[i] = unscaled(g6[i], c); }
}
