// Draws classes with replacement: the first class at which the running sum of the weights passes a random share of their total.
//
//   weights : [rows, classes]      y : [rows, count]

struct Params { rows: u32, classes: u32, count: u32, stream: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

const THREADS = 64u;

// A thread per draw.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.rows * params.count; i += groups.x * THREADS) {
    let start = i / params.count * params.classes;
    var total = 0.0;
    for (var c = 0u; c < params.classes; c++) { total += weights[start + c]; }
    let share = unitFloat(randomPair(params.stream, i / 2u)[i % 2u]) * total;
    var sum = 0.0;
    var drawn = 0u;
    // A class of weight 0 is never drawn, also where rounding leaves the share at the total.
    for (var c = 0u; c < params.classes; c++) {
      let weight = weights[start + c];
      if (weight > 0.0 && sum <= share) { drawn = c; }
      sum += weight;
    }
    y[i] = i32(drawn);
  }
}
