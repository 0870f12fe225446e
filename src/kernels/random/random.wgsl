// Random tensors. A pair of elements shares one evaluation of threefry.
//
//   y, integers : [size]      p : [size]

struct Params { size: u32, stream: u32, offset: f32, scale: f32, low: i32, range: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read_write> integers: array<i32>;
@group(0) @binding(2) var<storage, read> p: array<f32>;

const THREADS = 64u;
const TAU = 6.283185307179586;

fn pairs() -> u32 {
  return params.size / 2u + params.size % 2u;
}

// A thread per pair: offset + scale * u, u uniform in [0, 1).
@compute @workgroup_size(THREADS)
fn uniformNumbers(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var pair = gid.x; pair < pairs(); pair += groups.x * THREADS) {
    let words = randomPair(params.stream, pair);
    y[2u * pair] = params.offset + params.scale * unitFloat(words.x);
    if (2u * pair + 1u < params.size) { y[2u * pair + 1u] = params.offset + params.scale * unitFloat(words.y); }
  }
}

// A thread per pair: offset + scale * z, z standard normal by Box and Muller's transform.
@compute @workgroup_size(THREADS)
fn normal(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var pair = gid.x; pair < pairs(); pair += groups.x * THREADS) {
    let words = randomPair(params.stream, pair);
    // In (0, 1], so that the logarithm is finite.
    let radius = sqrt(-2.0 * preciseLog(f32((words.x >> 8u) + 1u) * 0x1p-24));
    let z = radius * cosSinTurns(unitFloat(words.y));
    y[2u * pair] = params.offset + params.scale * z.x;
    if (2u * pair + 1u < params.size) { y[2u * pair + 1u] = params.offset + params.scale * z.y; }
  }
}

// cos and sin of 2 pi u, for u in [0, 1): an exact reduction to an eighth of a turn, then Taylor's polynomials,
// whose error there is below 1e-8.
fn cosSinTurns(u: f32) -> vec2f {
  let quarter = round(4.0 * u);
  let angle = TAU * (u - 0.25 * quarter); // in [-pi / 4, pi / 4]
  let a2 = angle * angle;
  let c = 1.0 + a2 * (-1.0 / 2.0 + a2 * (1.0 / 24.0 + a2 * (-1.0 / 720.0 + a2 * (1.0 / 40320.0))));
  let s = angle * (1.0 + a2 * (-1.0 / 6.0 + a2 * (1.0 / 120.0 + a2 * (-1.0 / 5040.0 + a2 * (1.0 / 362880.0)))));
  switch (u32(quarter) % 4u) {
    case 0u: { return vec2f(c, s); }
    case 1u: { return vec2f(-s, c); }
    case 2u: { return vec2f(-c, -s); }
    default: { return vec2f(s, -c); }
  }
}

// A thread per pair: low + a whole number below range.
@compute @workgroup_size(THREADS)
fn randomIntegers(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var pair = gid.x; pair < pairs(); pair += groups.x * THREADS) {
    let words = randomPair(params.stream, pair);
    integers[2u * pair] = params.low + i32(words.x % params.range);
    if (2u * pair + 1u < params.size) { integers[2u * pair + 1u] = params.low + i32(words.y % params.range); }
  }
}

// A thread per pair: 1 with probability p, else 0.
@compute @workgroup_size(THREADS)
fn bernoulli(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var pair = gid.x; pair < pairs(); pair += groups.x * THREADS) {
    let words = randomPair(params.stream, pair);
    y[2u * pair] = select(0.0, 1.0, unitFloat(words.x) < p[2u * pair]);
    if (2u * pair + 1u < params.size) { y[2u * pair + 1u] = select(0.0, 1.0, unitFloat(words.y) < p[2u * pair + 1u]); }
  }
}
