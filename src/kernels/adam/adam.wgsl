// Adam for up to four tensors at once, whose values and moments lie in flat buffers.
//
//   p, m, v        : flat, padded; tensor j of this call is at offsets[j] and has sizes[j] elements, an unused one 0
//   g0, g1, g2, g3 : the gradients, each of its tensor's size
//   steps          : [tensors] of (t, 1 - beta1^t, 1 - beta2^t, 0), one per tensor of the optimizer
//   hyper          : (learning rate, 0, 0, 0)
//
//   m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g²
//   p = p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)

struct Params {
  sizes: vec4u, offsets: vec4u, indices: vec4u,
  beta1: f32, beta2: f32, eps: f32, weightDecay: f32,
}
var<immediate> params: Params;

// 1: the weights shrink by lr * weightDecay (AdamW); 0: weightDecay * p is added to the gradient (Adam).
override DECOUPLED: u32;

@group(0) @binding(0) var<storage, read_write> p: array<f32>;
@group(0) @binding(1) var<storage, read_write> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;
@group(0) @binding(3) var<storage, read> g0: array<f32>;
@group(0) @binding(4) var<storage, read> g1: array<f32>;
@group(0) @binding(5) var<storage, read> g2: array<f32>;
@group(0) @binding(6) var<storage, read> g3: array<f32>;
@group(0) @binding(7) var<storage, read> steps: array<vec4f>;
@group(0) @binding(8) var<uniform> hyper: vec4f;

const THREADS = 64u;

fn change(at: u32, gradient: f32, step: vec4f) {
  let lr = hyper.x;
  var weight = p[at];
  var g = gradient;
  if (DECOUPLED == 1u) { weight -= lr * params.weightDecay * weight; } else { g += params.weightDecay * weight; }
  let first = m[at] + (1.0 - params.beta1) * (g - m[at]);
  let second = params.beta2 * v[at] + (1.0 - params.beta2) * g * g;
  m[at] = first;
  v[at] = second;
  p[at] = weight - lr / step.y * first / (sqrt(second / step.z) + params.eps);
}

// A thread per element, one tensor after the other: a choice among four bindings would cost all four.
@compute @workgroup_size(THREADS)
fn update(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * THREADS;
  let s0 = steps[params.indices.x];
  for (var i = gid.x; i < params.sizes.x; i += stride) { change(params.offsets.x + i, g0[i], s0); }
  let s1 = steps[params.indices.y];
  for (var i = gid.x; i < params.sizes.y; i += stride) { change(params.offsets.y + i, g1[i], s1); }
  let s2 = steps[params.indices.z];
  for (var i = gid.x; i < params.sizes.z; i += stride) { change(params.offsets.z + i, g2[i], s2); }
  let s3 = steps[params.indices.w];
  for (var i = gid.x; i < params.sizes.w; i += stride) { change(params.offsets.w + i, g3[i], s3); }
}
