// loss = f(x, t), element by element or summed, and dx = dy * df/dx, dt = dy * df/dt.
//
//   x, t, losses, dx, dt : [size]
//   partials             : [parts], scale times the sum over elements p * WG + lane + k * parts * WG
//   dy                   : [size], or for a summed loss a scalar
//
// Appended: fn f, fn dfx, fn dft (x: f32, t: f32) -> f32.

struct Params { size: u32, parts: u32, reduced: u32, scale: f32, p: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> t: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dt: array<f32>;

const THREADS = 64u;

// A thread per element.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) { losses[i] = f(x[i], t[i]); }
}

// A workgroup per part.
@compute @workgroup_size(WG)
fn forwardReduced(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                  @builtin(local_invocation_index) lane: u32) {
  for (var part = wid.x; part < params.parts; part += groups.x) {
    var sum = 0.0;
    for (var i = part * WG + lane; i < params.size; i += params.parts * WG) { sum += f(x[i], t[i]); }
    let total = workgroupSum(sum, lane);
    if (lane == 0u) { partials[part] = total * params.scale; }
  }
}

// The gradient of element i's loss.
fn upstream(i: u32) -> f32 {
  if (params.reduced == 1u) { return dy[0] * params.scale; }
  return dy[i];
}

// A thread per element.
@compute @workgroup_size(THREADS)
fn backwardX(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) { dx[i] = upstream(i) * dfx(x[i], t[i]); }
}

// A thread per element.
@compute @workgroup_size(THREADS)
fn backwardT(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) { dt[i] = upstream(i) * dft(x[i], t[i]); }
}
