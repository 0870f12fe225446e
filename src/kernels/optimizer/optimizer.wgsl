// What all optimizers have in common: parameters are changed by their gradients, up to four in one dispatch.
//
//   p              : the parameters, one after the other with padding; parameter j has sizes[j] words from offsets[j] on
//   s0, s1, s2     : what an optimizer remembers of each element, laid out as p; a stub where it does not need it
//   g0, g1, g2, g3 : the gradients, each of its parameter's size; a parameter without one has size 0
//   progress       : how far each of the four parameters has come; counts : the same, of all parameters of a group
//   enabled        : [parameters] whether a parameter has a gradient in this step
//   hyper          : the options. What may change from step to step is here, so that a recorded step stays right
//
//   g = sign * gradient + l2 * p        p = change(p - shrink * p, g)
//
// Appended for each optimizer: struct Hyper and struct Progress, of f32; fn next(now: Progress) -> Progress, which counts a
// step; fn change(at: u32, weight: T, g: T, now: Progress) -> T, which gives the new weight of the element `at`. T is f32,
// or vec4f where the sizes of all four are divisible by four.

// place : which of the four in progress the first of this dispatch is
struct Params { sizes: vec4u, offsets: vec4u, place: u32, parameters: u32 }
var<immediate> params: Params;

// Parameters per dispatch, 4 or 1. A software adapter compiles for one in a quarter of the time.
override TOGETHER: u32;

@group(0) @binding(0) var<storage, read_write> p: array<T>;
@group(0) @binding(1) var<storage, read_write> s0: array<T>;
@group(0) @binding(2) var<storage, read_write> s1: array<T>;
@group(0) @binding(3) var<storage, read_write> s2: array<T>;
@group(0) @binding(4) var<storage, read> g0: array<T>;
@group(0) @binding(5) var<storage, read> g1: array<T>;
@group(0) @binding(6) var<storage, read> g2: array<T>;
@group(0) @binding(7) var<storage, read> g3: array<T>;
@group(0) @binding(8) var<uniform> progress: array<Progress, 4>;
@group(0) @binding(9) var<uniform> hyper: Hyper;
@group(0) @binding(10) var<storage, read_write> counts: array<Progress>;
@group(0) @binding(11) var<storage, read> enabled: array<u32>;

const THREADS = 64u;

// A thread per parameter.
@compute @workgroup_size(THREADS)
fn advance(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.parameters; i += groups.x * THREADS) {
    if (enabled[i] != 0u) { counts[i] = next(counts[i]); }
  }
}

fn visit(at: u32, gradient: T, now: Progress) {
  let weight = p[at];
  p[at] = change(at, weight - hyper.shrink * weight, hyper.sign * gradient + hyper.l2 * weight, now);
}

// A thread per T, one parameter after the other: a choice among four bindings would cost all four.
@compute @workgroup_size(THREADS)
fn update(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * THREADS;
  let sizes = params.sizes / WIDTH;
  let offsets = params.offsets / WIDTH;
  for (var i = gid.x; i < sizes.x; i += stride) { visit(offsets.x + i, g0[i], progress[params.place]); }
  if (TOGETHER == 1u) { return; }
  for (var i = gid.x; i < sizes.y; i += stride) { visit(offsets.y + i, g1[i], progress[1]); }
  for (var i = gid.x; i < sizes.z; i += stride) { visit(offsets.z + i, g2[i], progress[2]); }
  for (var i = gid.x; i < sizes.w; i += stride) { visit(offsets.w + i, g3[i], progress[3]); }
}
