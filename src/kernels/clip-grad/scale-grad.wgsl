// Changes up to seven gradients in place: each is multiplied by one coefficient, or held to a range.
//
//   g0 ... g6 : the gradients; ends[j] counts the elements up to the end of gradient j
//   result    : [norm, coefficient]

struct Params { ends: array<vec4u, 2>, count: u32, limit: f32 }
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

fn end(j: u32) -> u32 {
  return params.ends[j / 4u][j % 4u];
}

// A thread per element of all gradients of the call.
@compute @workgroup_size(THREADS)
fn scaleAll(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let coefficient = result[1];
  if (coefficient == 1.0) { return; }
  var j = 0u;
  for (var k = gid.x; k < end(params.count - 1u); k += groups.x * THREADS) {
    while (k >= end(j)) { j++; }
    var i = k;
    if (j > 0u) { i -= end(j - 1u); }
    switch (j) {
      case 0u: { g0[i] *= coefficient; }
      case 1u: { g1[i] *= coefficient; }
      case 2u: { g2[i] *= coefficient; }
      case 3u: { g3[i] *= coefficient; }
      case 4u: { g4[i] *= coefficient; }
      case 5u: { g5[i] *= coefficient; }
      default: { g6[i] *= coefficient; }
    }
  }
}

fn held(x: f32) -> f32 {
  return nanMax(-params.limit, nanMin(params.limit, x));
}

// A thread per element of all gradients of the call.
@compute @workgroup_size(THREADS)
fn clampAll(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  var j = 0u;
  for (var k = gid.x; k < end(params.count - 1u); k += groups.x * THREADS) {
    while (k >= end(j)) { j++; }
    var i = k;
    if (j > 0u) { i -= end(j - 1u); }
    switch (j) {
      case 0u: { g0[i] = held(g0[i]); }
      case 1u: { g1[i] = held(g1[i]); }
      case 2u: { g2[i] = held(g2[i]); }
      case 3u: { g3[i] = held(g3[i]); }
      case 4u: { g4[i] = held(g4[i]); }
      case 5u: { g5[i] = held(g5[i]); }
      default: { g6[i] = held(g6[i]); }
    }
  }
}
