// Scaled dot-product attention, for each pair of a batch entry and a head:
//
//   s = scale * q k^T        p = softmax of each row of s over the keys that take part        y = dropout(p) v
//
//   q, dq : [tq, d]      k, dk : [tk, d]      v, dv : [tk, dv]      y, dy : [tq, dv]
//
// No array of [tq, tk] is ever in memory: the forward pass keeps max(s) and 1 / sum(exp(s - max)) of each row, and the
// backward pass computes p again, tile by tile. With g the gradient of p, and e the sum of dy * y of each row:
//
//   g = dropout(dy v^T)      ds = p * (g - e) * scale      dq = ds k      dk = ds^T q      dv = dropout(p)^T dy
//
// (Dao et al. 2022, https://arxiv.org/abs/2205.14135). This file is what the families share. Rows lie in memory heads first,
// [batch, heads, t, d], or packed, [batch, t, heads * d]; q, k and v may be the thirds of each row of one packed tensor. Their
// gradients share one buffer, laid out likewise.
//
//   stats, savedStats       : [pairs * tq] of (max, 1 / sum), the latter 0 where no key takes part
//   rowStats, savedRowStats : [pairs * tq] of (max, 1 / sum, e, 0)
//   mask                    : u32, true where a key takes part, or f32, added to s; each axis of [batch, heads, tq, tk] or 1
//
// Appended: the bindings of the rows, and loadQ, loadK, loadV, loadY, loadDy, storeY, loadGradient, storeGradient, which move
// the columns 4 c to 4 c + 3 of the row that starts at `at`.

struct Params {
  pairs: u32, heads: u32, tq: u32, tk: u32, d: u32, dv: u32,
  qRow: u32, kRow: u32, vRow: u32, // elements from row to row
  dkOffset: u32, dvOffset: u32,    // in `gradients`
  flags: u32, scale: f32, stream: u32, dropThreshold: u32,
}
var<immediate> params: Params;

@group(0) @binding(7) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(8) var<storage, read> savedStats: array<vec2f>;
@group(0) @binding(9) var<storage, read_write> rowStats: array<vec4f>;
@group(0) @binding(10) var<storage, read> savedRowStats: array<vec4f>;
@group(0) @binding(11) var<storage, read> mask: array<u32>;

const PACKED = 1u;
const ONE = 256u; // q, k and v are the thirds of each row of one tensor
const CAUSAL = 2u;
const MASKED = 4u;
const ADDED = 8u; // the mask is f32
const MASK_BATCH = 16u;
const MASK_HEAD = 32u;
const MASK_QUERY = 64u;
const MASK_KEY = 128u;

// What a mask adds to the score of a key that takes no part. A score at or below HIDDEN is such a key's: no infinities.
const LOWEST = -1e38;
const HIDDEN = -1e30;

fn has(flag: u32) -> bool {
  return (params.flags & flag) != 0u;
}

// --- rows

// Where the rows of a pair start that are `width` wide, `stride` apart, and `t` per batch entry.
fn startOf(pair: u32, t: u32, stride: u32, width: u32) -> u32 {
  if (has(PACKED)) { return pair / params.heads * t * stride + pair % params.heads * width; }
  return pair * t * width;
}

fn qStart(pair: u32) -> u32 { return startOf(pair, params.tq, params.qRow, params.d); }
fn kStart(pair: u32) -> u32 { return thirds(1u) + startOf(pair, params.tk, params.kRow, params.d); }
fn vStart(pair: u32) -> u32 { return thirds(2u) + startOf(pair, params.tk, params.vRow, params.dv); }
fn yStart(pair: u32) -> u32 { return startOf(pair, params.tq, yRow(), params.dv); }
fn dkStart(pair: u32) -> u32 { return params.dkOffset + startOf(pair, params.tk, params.kRow, params.d); }
fn dvStart(pair: u32) -> u32 { return params.dvOffset + startOf(pair, params.tk, params.vRow, params.dv); }
fn thirds(n: u32) -> u32 { return select(0u, n * params.heads * params.d, has(ONE)); }
fn yRow() -> u32 { return select(1u, params.heads, has(PACKED)) * params.dv; }

// Columns in fours.
fn dFours() -> u32 { return (params.d + 3u) / 4u; }
fn dvFours() -> u32 { return (params.dv + 3u) / 4u; }

// --- masks

// Where the mask of a pair starts, and its steps from query to query and from key to key.
struct MaskView { start: u32, query: u32, key: u32 }

fn maskOf(pair: u32) -> MaskView {
  let keys = select(1u, params.tk, has(MASK_KEY));
  let queries = select(1u, params.tq, has(MASK_QUERY));
  let head = select(0u, pair % params.heads, has(MASK_HEAD));
  let batch = select(0u, pair / params.heads, has(MASK_BATCH));
  let matrix = batch * select(1u, params.heads, has(MASK_HEAD)) + head;
  return MaskView(matrix * queries * keys, select(0u, keys, has(MASK_QUERY)), select(0u, 1u, has(MASK_KEY)));
}

fn maskAt(i: u32) -> f32 {
  let word = mask[i];
  return select(select(LOWEST, 0.0, word != 0u), bitcast<f32>(word), has(ADDED));
}

fn withMask(s: f32, added: f32) -> f32 {
  return select(s + added, LOWEST, added <= HIDDEN);
}

// exp(s - top), exactly 0 for a key that takes no part, whatever it holds.
fn weightOf(s: f32, top: f32) -> f32 {
  return select(preciseExp(s - top), 0.0, s <= HIDDEN);
}

// --- dropout

// The number of an element of p, which chooses its random word.
fn elementOf(pair: u32, query: u32, key: u32) -> u32 {
  return (pair * params.tq + query) * params.tk + key;
}

// 1 / (1 - dropThreshold / 2^32)
fn keptScale() -> f32 {
  return select(0x1p32 / f32(0u - params.dropThreshold), 1.0, params.dropThreshold == 0u);
}

// --- the sums of the backward pass

// A thread per row.
@compute @workgroup_size(64)
fn rowSums(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var row = gid.x; row < params.pairs * params.tq; row += groups.x * 64u) {
    let at = yStart(row / params.tq) + row % params.tq * yRow();
    var e = 0.0;
    for (var c = 0u; c < dvFours(); c++) { e += dot(loadDy(at, c), loadY(at, c)); }
    rowStats[row] = vec4f(savedStats[row], e, 0.0);
  }
}
