// Attention for software adapters: no barriers and no workgroup memory. A workgroup is one subgroup of 8 lanes. It owns 8
// rows of the result; of the other operand's rows, each lane holds two neighbours, in turns of 16. Where a product runs
// along the columns of both operands, lane r loads row r, and its elements go round by broadcasts; where it runs along the
// rows, the lanes are columns of the result, four each. Loops whose bodies load stay rolled, since a load is much code.

diagnostic(off, subgroup_uniformity); // the compiler does not see that votes and loads by all lanes alike are uniform

const LANES = 8u;
const ROWS = 8u;
const STEP = 16u;

alias Scores = array<vec2f, ROWS>;          // of row r and this lane's two rows of the other operand
alias Fours = array<vec4f, ROWS>;           // four columns of row r
alias Sums = array<vec4f, ROWS * BLOCKS>;   // columns 32 b + 4 lane and on of row r, at r * BLOCKS + b

// What each lane holds, on every lane.
fn spread(x: vec4f) -> Fours {
  return Fours(
    subgroupBroadcast(x, 0u), subgroupBroadcast(x, 1u), subgroupBroadcast(x, 2u), subgroupBroadcast(x, 3u),
    subgroupBroadcast(x, 4u), subgroupBroadcast(x, 5u), subgroupBroadcast(x, 6u), subgroupBroadcast(x, 7u));
}

fn spreadScalar(x: f32) -> array<f32, ROWS> {
  return array<f32, ROWS>(
    subgroupBroadcast(x, 0u), subgroupBroadcast(x, 1u), subgroupBroadcast(x, 2u), subgroupBroadcast(x, 3u),
    subgroupBroadcast(x, 4u), subgroupBroadcast(x, 5u), subgroupBroadcast(x, 6u), subgroupBroadcast(x, 7u));
}

// x[lane]
fn pick(x: array<f32, ROWS>, lane: u32) -> f32 {
  var y = x[0];
  for (var r = 1u; r < ROWS; r++) { y = select(y, x[r], lane == r); }
  return y;
}

fn laneMax(x: f32) -> f32 {
  var y = max(x, subgroupShuffleXor(x, 1u));
  y = max(y, subgroupShuffleXor(y, 2u));
  return max(y, subgroupShuffleXor(y, 4u));
}

fn laneSum(x: f32) -> f32 {
  var y = x + subgroupShuffleXor(x, 1u);
  y += subgroupShuffleXor(y, 2u);
  return y + subgroupShuffleXor(y, 4u);
}

fn addDots(s: ptr<function, Scores>, rows: Fours, first: vec4f, second: vec4f) {
  for (var r = 0u; r < ROWS; r++) { (*s)[r] += vec2f(dot(rows[r], first), dot(rows[r], second)); }
}

// The weights of row j of the other operand, for every row of the result.
fn weightsOf(s: ptr<function, Scores>, j: u32, half: u32) -> array<f32, ROWS> {
  var weights = array<f32, ROWS>();
  for (var r = 0u; r < ROWS; r++) { weights[r] = subgroupShuffle((*s)[r][half], j); }
  return weights;
}

fn addScaled(sums: ptr<function, Sums>, block: u32, weights: array<f32, ROWS>, x: vec4f) {
  for (var r = 0u; r < ROWS; r++) { (*sums)[r * BLOCKS + block] += weights[r] * x; }
}

// Row r of the sums, in a loop that is not unrolled.
fn rowOf(sums: ptr<function, Sums>, row: u32, block: u32) -> vec4f {
  var y = (*sums)[block];
  for (var r = 1u; r < ROWS; r++) { y = select(y, (*sums)[r * BLOCKS + block], r == row); }
  return y;
}

// Scales the scores and hides what takes no part. The masks of the rows and of the lanes' columns come as what they add;
// `at` and `step` say where one of both dimensions lies, and `count` how many of the rows there are.
fn settle(s: ptr<function, Scores>, ofRows: array<f32, ROWS>, ofColumns: vec2f, at: vec2u, step: u32, count: u32) {
  for (var r = 0u; r < ROWS; r++) {
    let added = ofColumns + vec2f(ofRows[r]);
    (*s)[r] = select((*s)[r] * params.scale + added, vec2f(LOWEST), added <= vec2f(HIDDEN));
  }
  if (has(MASK_QUERY)) {
    for (var row = 0u; row < count; row++) {
      let added = vec2f(maskAt(at.x + row * step), maskAt(at.y + row * step));
      for (var r = 0u; r < ROWS; r++) {
        let hidden = (added <= vec2f(HIDDEN)) | ((*s)[r] <= vec2f(HIDDEN));
        (*s)[r] = select((*s)[r], select((*s)[r] + added, vec2f(LOWEST), hidden), r == row);
      }
    }
  }
}

fn weightsAt(s: vec2f, top: vec2f) -> vec2f {
  return vec2f(weightOf(s.x, top.x), weightOf(s.y, top.y));
}

// Whether any row sees this lane's two.
fn isSeen(s: ptr<function, Scores>) -> vec2u {
  var seen = vec2u();
  for (var r = 0u; r < ROWS; r++) { seen |= select(vec2u(1), vec2u(0), (*s)[r] <= vec2f(HIDDEN)); }
  return seen;
}

// What hides the rows from `count` on.
fn rowsFrom(count: u32) -> array<f32, ROWS> {
  var added = array<f32, ROWS>();
  for (var r = 0u; r < ROWS; r++) { added[r] = select(0.0, LOWEST, r >= count); }
  return added;
}

// What the mask adds for two keys, hidden where they are past the end.
fn keyMask(view: MaskView, keys: vec2u) -> vec2f {
  var added = vec2f();
  if (has(MASKED) && !has(MASK_QUERY)) {
    added = vec2f(maskAt(view.start + keys.x * view.key), maskAt(view.start + keys.y * view.key));
  }
  return select(added, vec2f(LOWEST), keys >= vec2u(params.tk));
}

// Bit r says whether p of query `row` + r stays, for the keys `key` and `key` + 1.
fn keptQueries(pair: u32, row: u32, rows: u32, key: u32) -> vec2u {
  var bits = vec2u();
  for (var r = 0u; r < rows; r++) { bits |= select(vec2u(0), vec2u(1), isKept(pair, row + r, key)) << vec2u(r); }
  return bits;
}

// Bit r says whether p of key `row` + r stays, for two queries.
fn keptKeys(pair: u32, row: u32, rows: u32, queries: vec2u) -> vec2u {
  var bits = vec2u();
  for (var r = 0u; r < rows; r += 2u) {
    let first = select(vec2u(0), vec2u(1, 2), isKept(pair, queries.x, row + r));
    let second = select(vec2u(0), vec2u(1, 2), isKept(pair, queries.y, row + r));
    bits |= vec2u(first.x | first.y, second.x | second.y) << vec2u(r);
  }
  return bits;
}

// x / (1 - p) where bit 0 of `kept` is set, else 0.
fn dropped(x: vec2f, kept: vec2u) -> vec2f {
  return select(vec2f(), x * keptScale(), (kept & vec2u(1)) == vec2u(1));
}

// ds, exactly 0 where s is hidden, whatever the other operands hold.
fn scoreGradient(s: vec2f, weight: vec2f, g: vec2f, e: vec2f) -> vec2f {
  return select(weight * (g - e) * params.scale, vec2f(), s <= vec2f(HIDDEN));
}

// A workgroup per 8 queries and BLOCKS * 32 columns of v.
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  let tiles = tileCount(params.tq, ROWS, dvFours());
  for (var i = wid.x; i < tiles; i += groups.x) {
    let tile = tileAt(i, params.tq, ROWS, dvFours());
    let rows = min(ROWS, params.tq - tile.row);
    let view = maskOf(tile.pair);
    let qAt = qStart(tile.pair) + min(tile.row + lane, params.tq - 1u) * params.qRow;
    var sums = Sums();
    var tops = array<f32, ROWS>();
    var totals = array<f32, ROWS>(); // this lane's part
    for (var r = 0u; r < ROWS; r++) { tops[r] = LOWEST; }

    let end = select(params.tk, min(params.tk, tile.row + ROWS), has(CAUSAL));
    for (var key = 0u; key < end; key += STEP) {
      let keys = key + 2u * lane + vec2u(0, 1);
      let ofKeys = keyMask(view, keys);
      if (subgroupAll(all(ofKeys <= vec2f(HIDDEN)))) { continue; }

      var s = Scores();
      let kAt = params.kOffset + kStart(tile.pair) + min(keys, vec2u(params.tk - 1u)) * params.kRow;
      for (var c = 0u; c < dFours(); c++) { addDots(&s, spread(loadQ(qAt, c)), loadK(kAt.x, c), loadK(kAt.y, c)); }
      settle(&s, rowsFrom(rows), ofKeys, view.start + tile.row * view.query + keys * view.key, view.query, rows);
      if (has(CAUSAL)) {
        for (var r = 0u; r < ROWS; r++) { s[r] = select(s[r], vec2f(LOWEST), keys > vec2u(tile.row + r)); }
      }
      let seen = isSeen(&s);

      let before = pick(tops, lane);
      for (var r = 0u; r < ROWS; r++) { tops[r] = max(tops[r], laneMax(max(s[r].x, s[r].y))); }
      let fades = spreadScalar(preciseExp(before - pick(tops, lane)));
      for (var r = 0u; r < ROWS; r++) {
        s[r] = weightsAt(s[r], vec2f(tops[r]));
        totals[r] = totals[r] * fades[r] + s[r].x + s[r].y;
        for (var b = 0u; b < BLOCKS; b++) { sums[r * BLOCKS + b] *= fades[r]; }
      }
      if (params.dropThreshold > 0u) {
        let kept = keptQueries(tile.pair, tile.row, rows, keys.x);
        for (var r = 0u; r < ROWS; r++) { s[r] = dropped(s[r], kept >> vec2u(r)); }
      }

      for (var j = 0u; j < min(LANES, (params.tk - key + 1u) / 2u); j++) {
        for (var half = 0u; half < 2u; half++) {
          let weights = weightsOf(&s, j, half);
          let isLoaded = subgroupShuffle(seen[half], j) != 0u;
          let at = params.vOffset + vStart(tile.pair) + min(key + 2u * j + half, params.tk - 1u) * params.vRow;
          for (var b = 0u; b < BLOCKS; b++) {
            addScaled(&sums, b, weights, select(vec4f(), loadV(at, tile.column + 8u * b + lane), isLoaded));
          }
        }
      }
    }

    for (var r = 0u; r < ROWS; r++) { totals[r] = laneSum(totals[r]); }
    let total = pick(totals, lane);
    let inverse = select(1.0 / total, 0.0, total == 0.0);
    if (lane < rows && tile.column == 0u) {
      stats[tile.pair * params.tq + tile.row + lane] = vec2f(pick(tops, lane), inverse);
    }
    let at = yStart(tile.pair) + tile.row * yRow();
    for (var r = 0u; r < rows; r++) {
      for (var b = 0u; b < BLOCKS; b++) {
        let c = tile.column + 8u * b + lane;
        let x = rowOf(&sums, r, b) * subgroupShuffle(inverse, r);
        if (c < dvFours()) { storeY(at + r * yRow(), c, x); }
      }
    }
  }
}

// A workgroup per 8 queries and BLOCKS * 32 columns of k.
@compute @workgroup_size(LANES)
fn backwardQuery(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                 @builtin(local_invocation_index) lane: u32) {
  let tiles = tileCount(params.tq, ROWS, dFours());
  for (var i = wid.x; i < tiles; i += groups.x) {
    let tile = tileAt(i, params.tq, ROWS, dFours());
    let rows = min(ROWS, params.tq - tile.row);
    let view = maskOf(tile.pair);
    let query = min(tile.row + lane, params.tq - 1u);
    let qAt = qStart(tile.pair) + query * params.qRow;
    let dyAt = yStart(tile.pair) + query * yRow();
    let ofRows = spread(savedRowStats[tile.pair * params.tq + query]);
    var sums = Sums();

    let end = select(params.tk, min(params.tk, tile.row + ROWS), has(CAUSAL));
    for (var key = 0u; key < end; key += STEP) {
      let keys = key + 2u * lane + vec2u(0, 1);
      let ofKeys = keyMask(view, keys);
      if (subgroupAll(all(ofKeys <= vec2f(HIDDEN)))) { continue; }

      var s = Scores();
      var g = Scores();
      let near = min(keys, vec2u(params.tk - 1u));
      let kAt = params.kOffset + kStart(tile.pair) + near * params.kRow;
      let vAt = params.vOffset + vStart(tile.pair) + near * params.vRow;
      for (var c = 0u; c < dFours(); c++) { addDots(&s, spread(loadQ(qAt, c)), loadK(kAt.x, c), loadK(kAt.y, c)); }
      for (var c = 0u; c < dvFours(); c++) { addDots(&g, spread(loadDy(dyAt, c)), loadV(vAt.x, c), loadV(vAt.y, c)); }
      settle(&s, rowsFrom(rows), ofKeys, view.start + tile.row * view.query + keys * view.key, view.query, rows);
      if (has(CAUSAL)) {
        for (var r = 0u; r < ROWS; r++) { s[r] = select(s[r], vec2f(LOWEST), keys > vec2u(tile.row + r)); }
      }
      let seen = isSeen(&s);
      if (params.dropThreshold > 0u) {
        let kept = keptQueries(tile.pair, tile.row, rows, keys.x);
        for (var r = 0u; r < ROWS; r++) { g[r] = dropped(g[r], kept >> vec2u(r)); }
      }
      for (var r = 0u; r < ROWS; r++) {
        let weight = weightsAt(s[r], vec2f(ofRows[r].x)) * ofRows[r].y;
        s[r] = scoreGradient(s[r], weight, g[r], vec2f(ofRows[r].z));
      }

      for (var j = 0u; j < min(LANES, (params.tk - key + 1u) / 2u); j++) {
        for (var half = 0u; half < 2u; half++) {
          let weights = weightsOf(&s, j, half);
          let isLoaded = subgroupShuffle(seen[half], j) != 0u;
          let at = params.kOffset + kStart(tile.pair) + min(key + 2u * j + half, params.tk - 1u) * params.kRow;
          for (var b = 0u; b < BLOCKS; b++) {
            addScaled(&sums, b, weights, select(vec4f(), loadK(at, tile.column + 8u * b + lane), isLoaded));
          }
        }
      }
    }

    let at = qStart(tile.pair) + tile.row * params.qRow;
    for (var r = 0u; r < rows; r++) {
      for (var b = 0u; b < BLOCKS; b++) {
        let c = tile.column + 8u * b + lane;
        let x = rowOf(&sums, r, b);
        if (c < dFours()) { storeDq(at + r * params.qRow, c, x); }
      }
    }
  }
}

// A workgroup per 8 keys and BLOCKS * 32 columns of both q and dy.
@compute @workgroup_size(LANES)
fn backwardKeyValue(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                    @builtin(local_invocation_index) lane: u32) {
  let fours = max(dFours(), dvFours());
  let tiles = tileCount(params.tk, ROWS, fours);
  for (var i = wid.x; i < tiles; i += groups.x) {
    let tile = tileAt(i, params.tk, ROWS, fours);
    let rows = min(ROWS, params.tk - tile.row);
    let view = maskOf(tile.pair);
    let key = min(tile.row + lane, params.tk - 1u);
    let kAt = params.kOffset + kStart(tile.pair) + key * params.kRow;
    let vAt = params.vOffset + vStart(tile.pair) + key * params.vRow;
    let ofKeys = keyMask(view, vec2u(tile.row + lane)).x;
    let ofRows = spreadScalar(ofKeys);
    var dkSums = Sums();
    var dvSums = Sums();

    let start = select(0u, tile.row / STEP * STEP, has(CAUSAL));
    let end = select(params.tq, 0u, subgroupAll(ofKeys <= HIDDEN));
    for (var query = start; query < end; query += STEP) {
      let queries = query + 2u * lane + vec2u(0, 1);
      let near = min(queries, vec2u(params.tq - 1u));
      let qAt = qStart(tile.pair) + near * params.qRow;
      let dyAt = yStart(tile.pair) + near * yRow();
      let first = savedRowStats[tile.pair * params.tq + near.x];
      let second = savedRowStats[tile.pair * params.tq + near.y];

      var s = Scores();
      var g = Scores();
      for (var c = 0u; c < dFours(); c++) { addDots(&s, spread(loadK(kAt, c)), loadQ(qAt.x, c), loadQ(qAt.y, c)); }
      for (var c = 0u; c < dvFours(); c++) { addDots(&g, spread(loadV(vAt, c)), loadDy(dyAt.x, c), loadDy(dyAt.y, c)); }
      let outside = select(vec2f(), vec2f(LOWEST), queries >= vec2u(params.tq));
      settle(&s, ofRows, outside, view.start + queries * view.query + tile.row * view.key, view.key, rows);
      if (has(CAUSAL)) {
        for (var r = 0u; r < ROWS; r++) { s[r] = select(s[r], vec2f(LOWEST), queries < vec2u(tile.row + r)); }
      }
      let seen = isSeen(&s);

      var kept = vec2u(0xff);
      if (params.dropThreshold > 0u) { kept = keptKeys(tile.pair, tile.row, rows, queries); }
      for (var r = 0u; r < ROWS; r++) {
        let weight = weightsAt(s[r], vec2f(first.x, second.x)) * vec2f(first.y, second.y);
        let bits = kept >> vec2u(r);
        s[r] = scoreGradient(s[r], weight, dropped(g[r], bits), vec2f(first.z, second.z));
        g[r] = dropped(weight, bits);
      }

      for (var j = 0u; j < min(LANES, (params.tq - query + 1u) / 2u); j++) {
        for (var half = 0u; half < 2u; half++) {
          let ds = weightsOf(&s, j, half);
          let weights = weightsOf(&g, j, half);
          let isLoaded = subgroupShuffle(seen[half], j) != 0u;
          let row = min(query + 2u * j + half, params.tq - 1u);
          let qRowAt = qStart(tile.pair) + row * params.qRow;
          let dyRowAt = yStart(tile.pair) + row * yRow();
          for (var b = 0u; b < BLOCKS; b++) {
            let c = tile.column + 8u * b + lane;
            addScaled(&dkSums, b, ds, select(vec4f(), loadQ(qRowAt, c), isLoaded));
            addScaled(&dvSums, b, weights, select(vec4f(), loadDy(dyRowAt, c), isLoaded));
          }
        }
      }
    }

    let dkAt = params.kOffset + kStart(tile.pair) + tile.row * params.kRow;
    let dvAt = params.dvOffset + vStart(tile.pair) + tile.row * params.vRow;
    for (var r = 0u; r < rows; r++) {
      for (var b = 0u; b < BLOCKS; b++) {
        let c = tile.column + 8u * b + lane;
        let dk = rowOf(&dkSums, r, b);
        let dv = rowOf(&dvSums, r, b);
        if (c < dFours()) { storeDk(dkAt + r * params.kRow, c, dk); }
        if (c < dvFours()) { storeDv(dvAt + r * params.vRow, c, dv); }
      }
    }
  }
}
