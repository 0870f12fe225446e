// What all optimizers have in common: parameters are changed by their gradients, up to four in one dispatch.
//
//   p              : the parameters, one after the other with padding; parameter j has sizes[j] words from offsets[j] on
//   s0, s1, s2     : what an optimizer remembers of each element, laid out as p; a stub where it does not need it
//   g0, g1, g2, g3 : the gradients, each of its parameter's size; a parameter without one has size 0
//   progress       : how far each of the four parameters has come; counts : the same, of all parameters of a group
//   enabled        : [parameters] whether a parameter has a gradient in this step
//   found          : x is not 0 where the step is left out: a gradient of a scaled loss was not finite
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

// Parameters per dispatch, 4 or 1: on a software adapter a choice among four gradients would cost all four.
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
@group(0) @binding(12) var<uniform> found: vec4u;

const THREADS = 64u;

// A thread per parameter.
@compute @workgroup_size(THREADS)
fn advance(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if (found.x != 0u) { return; }
  for (var i = gid.x; i < params.parameters; i += groups.x * THREADS) {
    if (enabled[i] != 0u) { counts[i] = next(counts[i]); }
  }
}

fn visit(at: u32, gradient: T, now: Progress) {
  let weight = p[at];
  p[at] = change(at, weight - hyper.shrink * weight, hyper.sign * gradient + hyper.l2 * weight, now);
}

fn gradient(j: u32, i: u32) -> T {
  switch (j) {
    case 1u: { return g1[i]; }
    case 2u: { return g2[i]; }
    case 3u: { return g3[i]; }
    default: { return g0[i]; }
  }
}

// A thread per T, one parameter after the other.
@compute @workgroup_size(THREADS)
fn update(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if (found.x != 0u) { return; }
  for (var j = 0u; j < TOGETHER; j++) {
    let size = params.sizes[j] / WIDTH;
    let offset = params.offsets[j] / WIDTH;
    let now = progress[params.place + j];
    for (var i = gid.x; i < size; i += groups.x * THREADS) { visit(offset + i, gradient(j, i), now); }
  }
}
