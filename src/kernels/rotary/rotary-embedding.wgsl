// Rotary position embedding: pair i of the features of a head, (a, b), is turned by an angle in proportion to the position.
//
//   angle = sign * (offset + t) * base^(-2 i / d)      a' = a cos(angle) - b sin(angle)      b' = a sin(angle) + b cos(angle)
//
//   x, y  : [rows, heads, d = 2 half]; row r is at position t = r % positions
//   turns : [2, half] words: base^(-2 i / d) / (2 pi), the turns per position, as a binary fraction of 64 bits
//
// A pair is features i and i + half or, INTERLEAVED, 2 i and 2 i + 1. Heads from `rotated` on stay as they are. Fractions of a
// turn are multiplied in integers, whose overflow is whole turns, so that far positions are as exact as near ones.
//
// Appended: T, WIDTH elements; U, as many words; turnOf, the cosines and sines of WIDTH pairs; apart, which makes of neighbours
// in memory the first and the second elements of pairs; and together, its inverse.

struct Params { rows: u32, positions: u32, heads: u32, rotated: u32, half: u32, offset: u32, sign: f32 }
var<immediate> params: Params;

override INTERLEAVED: bool = false;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> turns: array<U>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;

struct Turn { cos: T, sin: T }
struct Pairs { a: T, b: T }

const THREADS = 64u;
const RADIANS = 0x1.921fb6p-30; // of a turn's 2^32nd part

// Where a position is in its turn.
fn phaseOf(position: u32, high: u32, low: u32) -> u32 {
  return position * high + multiplyHigh(position, low);
}

// The nearest quarter, and the rest of at most an eighth, in radians.
fn angleOf(phase: u32) -> Angle {
  let quadrant = (phase + 0x20000000u) >> 30u;
  return Angle(quadrant, f32(bitcast<i32>(phase - (quadrant << 30u))) * RADIANS);
}

fn cosOf(phase: u32) -> f32 {
  let angle = angleOf(phase);
  let y = select(cosNear0(angle.radians), sinNear0(angle.radians), (angle.quadrant & 1u) == 1u);
  return select(y, -y, ((angle.quadrant + 1u) & 2u) != 0u);
}

fn sinOf(phase: u32) -> f32 {
  let angle = angleOf(phase);
  let y = select(sinNear0(angle.radians), cosNear0(angle.radians), (angle.quadrant & 1u) == 1u);
  return select(y, -y, (angle.quadrant & 2u) != 0u);
}

// A thread per row and WIDTH pairs, which it turns in every head.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let blocks = params.half / WIDTH;
  for (var i = gid.x; i < params.rows * blocks; i += groups.x * THREADS) {
    let row = i / blocks;
    let block = i % blocks;
    let turn = turnOf(params.offset + row % params.positions, block);
    let sin = params.sign * turn.sin;
    let first = select(block, 2u * block, INTERLEAVED);
    let second = select(block + blocks, 2u * block + 1u, INTERLEAVED);
    for (var head = 0u; head < params.heads; head++) {
      let at = (row * params.heads + head) * 2u * blocks;
      var pairs = Pairs(x[at + first], x[at + second]);
      if (head < params.rotated) {
        if (INTERLEAVED) { pairs = apart(pairs); }
        pairs = Pairs(pairs.a * turn.cos - pairs.b * sin, pairs.a * sin + pairs.b * turn.cos);
        if (INTERLEAVED) { pairs = together(pairs); }
      }
      y[at + first] = pairs.a;
      y[at + second] = pairs.b;
    }
  }
}
