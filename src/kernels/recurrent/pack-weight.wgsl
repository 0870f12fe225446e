// Lays the weights of a recurrent product out, so that neighbours load neighbours: y[k / 4, i] has the weights between
// elements k to k + 3 of what is multiplied, and element i of the result.
//
//   x : [gates * hidden, hidden]         W_hh
//   y : [gates * hidden / 4, hidden]     in vec4s. To go forward, for each gate, k is an element of h; on the way back, k is a gate's

struct Params { gates: u32, hidden: u32, isBackward: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

const THREADS = 64u;

// A thread per vec4.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let hidden = params.hidden;
  let quads = hidden / 4u;
  for (var e = gid.x; e < params.gates * quads * hidden; e += groups.x * THREADS) {
    let line = e / hidden;
    let i = e - line * hidden;
    let gate = line / quads;
    let isBackward = params.isBackward != 0u;
    let first = select((gate * hidden + i) * hidden + 4u * (line - gate * quads), 4u * line * hidden + i, isBackward);
    let stride = select(1u, hidden, isBackward);
    y[e] = vec4f(x[first], x[first + stride], x[first + 2u * stride], x[first + 3u * stride]);
  }
}
