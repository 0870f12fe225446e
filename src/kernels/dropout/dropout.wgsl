// y = scale x + shift where the element's random word is at least `threshold`, else `dropped`.
//
//   x, y : [size]

struct Params { size: u32, stream: u32, threshold: u32, scale: f32, shift: f32, dropped: f32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

const THREADS = 64u;

fn kept(i: u32, word: u32) -> f32 {
  return select(params.dropped, x[i] * params.scale + params.shift, word >= params.threshold);
}

// A thread per pair of elements, which share one evaluation of threefry.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let pairs = params.size / 2u + params.size % 2u;
  for (var pair = gid.x; pair < pairs; pair += groups.x * THREADS) {
    let words = randomPair(params.stream, pair);
    let i = 2u * pair;
    y[i] = kept(i, words.x);
    if (i + 1u < params.size) { y[i + 1u] = kept(i + 1u, words.y); }
  }
}
