// Changes up to seven gradients in place: each is multiplied by one coefficient, or held to a range.
//
//   g0 ... g6 : the gradients; gradient j has sizes[j] elements, an unused one 0
//   result    : [norm, coefficient]

struct Params { sizes: array<vec4u, 2>, limit: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> g0: array<f32>;
@group(0) @binding(1) var<storage, read_write> g1: array<f32>;
@group(0) @binding(2) var<storage, read_write> g2: array<f32>;
@group(0) @binding(3) var<storage, read_write> g3: array<f32>;
@group(0) @binding(4) var<storage, read_write> g4: array<f32>;
@group(0) @binding(5) var<storage, read_write> g5: array<f32>;
@group(0) @binding(6) var<storage, read_write> g6: array<f32>;
@group(0) @binding(7) var<storage, read> result: array<f32>;

const THREADS = 64u;

fn held(x: f32) -> f32 {
  return nanMax(-params.limit, nanMin(params.limit, x));
}

// A thread per element, one gradient after the other: a choice among seven bindings would cost all seven.
@compute @workgroup_size(THREADS)
fn scaleAll(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let c = result[1];
  if (c == 1.0) { return; }
  let step = groups.x * THREADS;
  for (var i = gid.x; i < params.sizes[0].x; i += step) { g0[i] *= c; }
  for (var i = gid.x; i < params.sizes[0].y; i += step) { g1[i] *= c; }
  for (var i = gid.x; i < params.sizes[0].z; i += step) { g2[i] *= c; }
  for (var i = gid.x; i < params.sizes[0].w; i += step) { g3[i] *= c; }
  for (var i = gid.x; i < params.sizes[1].x; i += step) { g4[i] *= c; }
  for (var i = gid.x; i < params.sizes[1].y; i += step) { g5[i] *= c; }
  for (var i = gid.x; i < params.sizes[1].z; i += step) { g6[i] *= c; }
}

// As scaleAll.
@compute @workgroup_size(THREADS)
fn clampAll(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let step = groups.x * THREADS;
  for (var i = gid.x; i < params.sizes[0].x; i += step) { g0[i] = held(g0[i]); }
  for (var i = gid.x; i < params.sizes[0].y; i += step) { g1[i] = held(g1[i]); }
  for (var i = gid.x; i < params.sizes[0].z; i += step) { g2[i] = held(g2[i]); }
  for (var i = gid.x; i < params.sizes[0].w; i += step) { g3[i] = held(g3[i]); }
  for (var i = gid.x; i < params.sizes[1].x; i += step) { g4[i] = held(g4[i]); }
  for (var i = gid.x; i < params.sizes[1].y; i += step) { g5[i] = held(g5[i]); }
  for (var i = gid.x; i < params.sizes[1].z; i += step) { g6[i] = held(g6[i]); }
}
