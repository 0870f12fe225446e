// Adam for up to four tensors at once, whose values and moments lie in flat buffers.
//
//   p, m, v        : flat, padded; tensor j of this call is at offsets[j], and ends[j] counts the elements up to its end
//   g0, g1, g2, g3 : the gradients, each of its tensor's size
//   steps          : [tensors] of (t, 1 - beta1^t, 1 - beta2^t, 0), one per tensor of the optimizer
//   hyper          : (learning rate, 0, 0, 0)
//
//   m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g²
//   p = p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)

struct Params {
  ends: vec4u, offsets: vec4u, indices: vec4u,
  beta1: f32, beta2: f32, eps: f32, weightDecay: f32,
}
var<immediate> params: Params;

// 1: the weights shrink by lr * weightDecay (AdamW); 0: weightDecay * p is added to the gradient (Adam).
override DECOUPLED: u32;
override COUNT: u32; // tensors in this call

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

fn gradient(j: u32, i: u32) -> f32 {
  switch (j) {
    case 0u: { return g0[i]; }
    case 1u: { return g1[i]; }
    case 2u: { return g2[i]; }
    default: { return g3[i]; }
  }
}

// A thread per element of all tensors of the call.
@compute @workgroup_size(THREADS)
fn update(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let size = params.ends[COUNT - 1u];
  for (var k = gid.x; k < size; k += groups.x * THREADS) {
    let j = u32(k >= params.ends.x) + u32(k >= params.ends.y) + u32(k >= params.ends.z);
    let start = select(params.ends[max(j, 1u) - 1u], 0u, j == 0u);
    let at = params.offsets[j] + k - start;
    let step = steps[params.indices[j]];
    let lr = hyper.x;

    var weight = p[at];
    var g = gradient(j, k - start);
    if (DECOUPLED == 1u) { weight -= lr * params.weightDecay * weight; } else { g += params.weightDecay * weight; }
    let first = m[at] + (1.0 - params.beta1) * (g - m[at]);
    let second = params.beta2 * v[at] + (1.0 - params.beta2) * g * g;
    m[at] = first;
    v[at] = second;
    p[at] = weight - lr / step.y * first / (sqrt(second / step.z) + params.eps);
  }
}
