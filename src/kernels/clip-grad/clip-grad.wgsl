// The norm of all gradients together, and the scaling that holds it to a bound. Up to seven gradients per dispatch; a
// gradient is cut into blocks of BLOCK elements, and ends[j] counts the blocks up to the end of gradient j.
//
//   g0 ... g6 : the gradients        sizes : their elements (in params)
//   partials  : [blocks of all gradients]
//   result    : [norm, coefficient]  the coefficient is min(1, maxNorm / (norm + 1e-6))

struct Params {
  ends: array<vec4u, 2>, sizes: array<vec4u, 2>,
  first: u32, // the first block of this dispatch in partials
  blocks: u32, // of this dispatch; for finish: of all
  power: f32, maxNorm: f32,
}
var<immediate> params: Params;

// The largest magnitude instead of the root of a sum of powers.
override LARGEST: u32 = 0u;

@group(0) @binding(0) var<storage, read> g0: array<f32>;
@group(0) @binding(1) var<storage, read> g1: array<f32>;
@group(0) @binding(2) var<storage, read> g2: array<f32>;
@group(0) @binding(3) var<storage, read> g3: array<f32>;
@group(0) @binding(4) var<storage, read> g4: array<f32>;
@group(0) @binding(5) var<storage, read> g5: array<f32>;
@group(0) @binding(6) var<storage, read> g6: array<f32>;
@group(0) @binding(7) var<storage, read_write> partials: array<f32>;
@group(0) @binding(8) var<storage, read_write> result: array<f32>;

const BLOCK = 1024u;

fn gradient(j: u32, i: u32) -> f32 {
  switch (j) {
    case 0u: { return g0[i]; }
    case 1u: { return g1[i]; }
    case 2u: { return g2[i]; }
    case 3u: { return g3[i]; }
    case 4u: { return g4[i]; }
    case 5u: { return g5[i]; }
    default: { return g6[i]; }
  }
}

fn term(x: f32) -> f32 {
  if (params.power == 2.0) { return x * x; }
  if (params.power == 1.0 || LARGEST == 1u) { return abs(x); }
  return pow(abs(x), params.power);
}

fn join(a: f32, b: f32) -> f32 {
  if (LARGEST == 1u) { return nanMax(a, b); }
  return a + b;
}

fn joinLanes(value: f32, lane: u32) -> f32 {
  if (LARGEST == 1u) { return workgroupMax(value, lane); }
  return workgroupSum(value, lane);
}

// A workgroup per block.
@compute @workgroup_size(WG)
fn blocks(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
          @builtin(local_invocation_index) lane: u32) {
  for (var block = wid.x; block < params.blocks; block += groups.x) {
    var j = 0u;
    while (block >= params.ends[j / 4u][j % 4u]) { j++; }
    var start = 0u;
    if (j > 0u) { start = params.ends[(j - 1u) / 4u][(j - 1u) % 4u]; }
    let begin = (block - start) * BLOCK;
    let stop = min(begin + BLOCK, params.sizes[j / 4u][j % 4u]);
    var total = 0.0;
    for (var i = begin + lane; i < stop; i += WG) { total = join(total, term(gradient(j, i))); }
    let joined = joinLanes(total, lane);
    if (lane == 0u) { partials[params.first + block] = joined; }
  }
}

// One workgroup.
@compute @workgroup_size(WG)
fn finish(@builtin(local_invocation_index) lane: u32) {
  var total = 0.0;
  for (var i = lane; i < params.blocks; i += WG) { total = join(total, partials[i]); }
  var norm = joinLanes(total, lane);
  if (LARGEST == 0u && params.power == 2.0) { norm = sqrt(norm); }
  else if (LARGEST == 0u && params.power != 1.0) { norm = pow(norm, 1.0 / params.power); }
  if (lane == 0u) {
    result[0] = norm;
    result[1] = nanMin(1.0, params.maxNorm / (norm + 1e-6));
  }
}
