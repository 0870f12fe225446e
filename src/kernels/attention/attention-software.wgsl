// Attention for software adapters: no barriers and no workgroup memory. A workgroup is one subgroup of 8 lanes. It keeps
// some rows in registers, their columns spread over the lanes, four each; the other operand's rows come one by one. Their
// products are summed over the lanes in such a way that lane r ends up with the scores of rows GROUPS * r and on; the
// weights go round by broadcasts. A row is thus loaded once for several products. Loops whose bodies load stay rolled,
// since a load is much code.
//
// Appended: BLOCKS, the columns of a row in blocks of 32, and GROUPS.

diagnostic(off, subgroup_uniformity); // the compiler does not see that votes are uniform

const LANES = 8u;
const ROWS = LANES * GROUPS;

alias Line = array<vec4f, BLOCKS>; // columns 32 b + 4 lane and on of a row, at [b]

// Of row GROUPS * r + g, at [r][g].
alias Lines = array<array<Line, GROUPS>, LANES>;

// --- rows

fn lineOfQ(at: u32, lane: u32) -> Line {
  var x = Line();
  for (var b = 0u; b < BLOCKS; b++) { x[b] = select(vec4f(), loadQ(at, 8u * b + lane), 8u * b + lane < dFours()); }
  return x;
}

fn lineOfK(at: u32, lane: u32) -> Line {
  var x = Line();
  for (var b = 0u; b < BLOCKS; b++) { x[b] = select(vec4f(), loadK(at, 8u * b + lane), 8u * b + lane < dFours()); }
  return x;
}

fn lineOfV(at: u32, lane: u32) -> Line {
  var x = Line();
  for (var b = 0u; b < BLOCKS; b++) { x[b] = select(vec4f(), loadV(at, 8u * b + lane), 8u * b + lane < dvFours()); }
  return x;
}

fn lineOfDy(at: u32, lane: u32) -> Line {
  var x = Line();
  for (var b = 0u; b < BLOCKS; b++) { x[b] = select(vec4f(), loadDy(at, 8u * b + lane), 8u * b + lane < dvFours()); }
  return x;
}

fn storeLine(at: u32, lane: u32, width: u32, x: Line) {
  for (var b = 0u; b < BLOCKS; b++) {
    if (4u * (8u * b + lane) < width) { storeGradient(at, 8u * b + lane, width, x[b]); }
  }
}

// Row n of some, for an n that is not known to the compiler.
fn lineAt(lines: ptr<function, Lines>, n: u32) -> Line {
  var x = Line();
  for (var r = 0u; r < LANES; r++) {
    for (var g = 0u; g < GROUPS; g++) {
      for (var b = 0u; b < BLOCKS; b++) { x[b] = select(x[b], (*lines)[r][g][b], GROUPS * r + g == n); }
    }
  }
  return x;
}

fn putLine(lines: ptr<function, Lines>, n: u32, x: Line) {
  for (var r = 0u; r < LANES; r++) {
    for (var g = 0u; g < GROUPS; g++) {
      for (var b = 0u; b < BLOCKS; b++) {
        (*lines)[r][g][b] = select((*lines)[r][g][b], x[b], GROUPS * r + g == n);
      }
    }
  }
}

// --- products

// What each lane holds, on every lane.
fn spread(x: f32) -> array<f32, LANES> {
  return array<f32, LANES>(
    subgroupBroadcast(x, 0u), subgroupBroadcast(x, 1u), subgroupBroadcast(x, 2u), subgroupBroadcast(x, 3u),
    subgroupBroadcast(x, 4u), subgroupBroadcast(x, 5u), subgroupBroadcast(x, 6u), subgroupBroadcast(x, 7u));
}

// a summed over two lanes where the lane's bit is 0, b where it is 1.
fn meet(a: f32, b: f32, lane: u32, bit: u32) -> f32 {
  let isSet = (lane & bit) != 0u;
  return select(a, b, isSet) + subgroupShuffleXor(select(b, a, isSet), bit);
}

// On lane r, the dot product of a line with row GROUPS * r + group.
fn dotOf(lines: ptr<function, Lines>, line: Line, group: u32, lane: u32) -> f32 {
  var x = array<f32, LANES>();
  for (var r = 0u; r < LANES; r++) {
    for (var b = 0u; b < BLOCKS; b++) { x[r] += dot((*lines)[r][group][b], line[b]); }
  }
  let low = meet(meet(x[0], x[1], lane, 1u), meet(x[2], x[3], lane, 1u), lane, 2u);
  let high = meet(meet(x[4], x[5], lane, 1u), meet(x[6], x[7], lane, 1u), lane, 2u);
  return meet(low, high, lane, 4u);
}

// Adds to rows GROUPS * r + group a line, scaled for each.
fn addScaled(lines: ptr<function, Lines>, group: u32, scales: array<f32, LANES>, line: Line) {
  for (var r = 0u; r < LANES; r++) {
    for (var b = 0u; b < BLOCKS; b++) { (*lines)[r][group][b] += scales[r] * line[b]; }
  }
}

// Adds those rows, scaled, to a line.
fn addRows(line: ptr<function, Line>, lines: ptr<function, Lines>, group: u32, scales: array<f32, LANES>) {
  for (var r = 0u; r < LANES; r++) {
    for (var b = 0u; b < BLOCKS; b++) { (*line)[b] += scales[r] * (*lines)[r][group][b]; }
  }
}

// --- scores

// `ofKey` is what the mask adds for all queries, if it has no axis of them.
fn scoreOf(product: f32, ofKey: f32, view: MaskView, query: u32, key: u32) -> f32 {
  var added = ofKey;
  if (has(MASK_QUERY)) { added = maskAt(view.start + query * view.query + key * view.key); }
  let hidden = added <= HIDDEN || query >= params.tq || key >= params.tk || (has(CAUSAL) && key > query);
  return select(product * params.scale + added, LOWEST, hidden);
}

fn maskOfKey(view: MaskView, key: u32) -> f32 {
  if (!has(MASKED) || has(MASK_QUERY)) { return 0.0; }
  return maskAt(view.start + key * view.key);
}

// The random words that a lane drew last, and for which pair of elements.
struct Drawn { pair: u32, words: vec2u }

// What dropout multiplies p with: 0 or 1 / (1 - p).
fn keptOf(drawn: ptr<function, Drawn>, pair: u32, query: u32, key: u32) -> f32 {
  if (params.dropThreshold == 0u) { return 1.0; }
  let element = elementOf(pair, query, key);
  if (element / 2u != (*drawn).pair) { *drawn = Drawn(element / 2u, randomPair(params.stream, element / 2u)); }
  return select(0.0, keptScale(), select((*drawn).words.x, (*drawn).words.y, element % 2u == 1u) >= params.dropThreshold);
}

const NOTHING_DRAWN = Drawn(0xffffffffu, vec2u());

// Scores may exceed the one that they are compared with by so much, before sums are scaled down.
const SLACK = 8.0;

// A workgroup per ROWS queries.
@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  let tiles = (params.tq + ROWS - 1u) / ROWS;
  for (var tile = wid.x; tile < params.pairs * tiles; tile += groups.x) {
    let pair = tile / tiles;
    let first = tile % tiles * ROWS;
    let rowEnd = min(first + ROWS, params.tq);
    let view = maskOf(pair);
    var qs = Lines();
    for (var row = first; row < rowEnd; row++) {
      putLine(&qs, row - first, lineOfQ(qStart(pair) + row * params.qRow, lane));
    }
    var sums = Lines();
    var tops = array<f32, GROUPS>();
    var totals = array<f32, GROUPS>();
    var drawn = array<Drawn, GROUPS>();
    for (var g = 0u; g < GROUPS; g++) {
      tops[g] = LOWEST;
      drawn[g] = NOTHING_DRAWN;
    }

    let end = select(params.tk, min(params.tk, first + ROWS), has(CAUSAL));
    for (var key = 0u; key < end; key++) {
      let ofKey = maskOfKey(view, key);
      if (ofKey <= HIDDEN) { continue; }
      let x = lineOfK(kStart(pair) + key * params.kRow, lane);
      let z = lineOfV(vStart(pair) + key * params.vRow, lane);
      var s = array<f32, GROUPS>();
      var isSeen = false;
      var isHigher = false;
      for (var g = 0u; g < GROUPS; g++) {
        s[g] = scoreOf(dotOf(&qs, x, g, lane), ofKey, view, first + GROUPS * lane + g, key);
        isSeen = isSeen || !(s[g] <= HIDDEN);
        isHigher = isHigher || s[g] > tops[g] + SLACK;
      }
      if (!subgroupAny(isSeen)) { continue; }
      if (subgroupAny(isHigher)) {
        for (var g = 0u; g < GROUPS; g++) {
          // Of other rows' scores a row must not know, lest its last bits depend on its neighbours.
          let top = select(tops[g], s[g], s[g] > tops[g] + SLACK);
          let fade = preciseExp(tops[g] - top);
          tops[g] = top;
          totals[g] *= fade;
          let fades = spread(fade);
          for (var r = 0u; r < LANES; r++) {
            for (var b = 0u; b < BLOCKS; b++) { sums[r][g][b] *= fades[r]; }
          }
        }
      }
      for (var g = 0u; g < GROUPS; g++) {
        let weight = weightOf(s[g], tops[g]);
        totals[g] += weight;
        let weights = spread(weight * keptOf(&drawn[g], pair, first + GROUPS * lane + g, key));
        addScaled(&sums, g, weights, z);
      }
    }

    var inverses = array<f32, GROUPS>();
    for (var g = 0u; g < GROUPS; g++) {
      inverses[g] = select(1.0 / totals[g], 0.0, totals[g] == 0.0);
      let row = first + GROUPS * lane + g;
      if (row < params.tq) { stats[pair * params.tq + row] = vec2f(tops[g], inverses[g]); }
    }
    for (var row = first; row < rowEnd; row++) {
      let n = row - first;
      var inverse = 0.0;
      for (var g = 0u; g < GROUPS; g++) { inverse = select(inverse, inverses[g], n % GROUPS == g); }
      inverse = subgroupShuffle(inverse, n / GROUPS);
      let x = lineAt(&sums, n);
      for (var b = 0u; b < BLOCKS; b++) {
        let at = yStart(pair) + row * yRow();
        if (8u * b + lane < dvFours()) { storeY(at, 8u * b + lane, x[b] * inverse); }
      }
    }
  }
}

// Whether a key takes part for any query.
fn isKeySeen(ofKey: f32, view: MaskView, key: u32) -> bool {
  if (ofKey <= HIDDEN || key >= params.tk || (has(CAUSAL) && key >= params.tq)) { return false; }
  var isSeen = !has(MASK_QUERY);
  for (var query = select(0u, key, has(CAUSAL)); query < params.tq && !isSeen; query++) {
    isSeen = maskAt(view.start + query * view.query + key * view.key) > HIDDEN;
  }
  return isSeen;
}

// A workgroup per pair. It walks the keys in tiles of ROWS, whose rows and gradients it has in registers, and the queries for
// each; dq it sums up in memory, where each lane has columns of its own.
@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
            @builtin(local_invocation_index) lane: u32) {
  for (var pair = wid.x; pair < params.pairs; pair += groups.x) {
    let view = maskOf(pair);
    for (var query = 0u; query < params.tq; query++) {
      storeLine(qStart(pair) + query * params.qRow, lane, params.d, Line());
    }
    for (var first = 0u; first < params.tk; first += ROWS) {
      let rowEnd = min(first + ROWS, params.tk);
      var seen = vec2u();
      var ofKeys = array<f32, GROUPS>();
      for (var g = 0u; g < GROUPS; g++) {
        let key = first + GROUPS * lane + g;
        ofKeys[g] = maskOfKey(view, key);
        seen[g] = select(0u, 1u, isKeySeen(ofKeys[g], view, key));
      }
      var ks = Lines();
      var vs = Lines();
      for (var row = first; row < rowEnd; row++) {
        let n = row - first;
        if (subgroupShuffle(select(seen.x, seen.y, n % GROUPS == 1u), n / GROUPS) == 1u) {
          putLine(&ks, n, lineOfK(kStart(pair) + row * params.kRow, lane));
          putLine(&vs, n, lineOfV(vStart(pair) + row * params.vRow, lane));
        }
      }
      var dks = Lines();
      var dvs = Lines();

      let start = select(0u, first, has(CAUSAL));
      let end = select(0u, params.tq, subgroupAny(any(seen != vec2u())));
      for (var query = start; query < end; query++) {
        let qAt = qStart(pair) + query * params.qRow;
        let x = lineOfQ(qAt, lane);
        let z = lineOfDy(yStart(pair) + query * yRow(), lane);
        let ofRow = savedRowStats[pair * params.tq + query];
        var s = array<f32, GROUPS>();
        var isSeen = false;
        for (var g = 0u; g < GROUPS; g++) {
          s[g] = scoreOf(dotOf(&ks, x, g, lane), ofKeys[g], view, query, first + GROUPS * lane + g);
          isSeen = isSeen || !(s[g] <= HIDDEN);
        }
        if (!subgroupAny(isSeen)) { continue; }
        var drawn = NOTHING_DRAWN;
        var dq = Line();
        for (var b = 0u; b < BLOCKS; b++) { dq[b] = loadGradient(qAt, 8u * b + lane, params.d); }
        for (var g = 0u; g < GROUPS; g++) {
          let p = weightOf(s[g], ofRow.x) * ofRow.y;
          let kept = keptOf(&drawn, pair, query, first + GROUPS * lane + g);
          let ds = spread(select(p * (dotOf(&vs, z, g, lane) * kept - ofRow.z) * params.scale, 0.0, s[g] <= HIDDEN));
          let weights = spread(p * kept);
          addScaled(&dks, g, ds, x);
          addScaled(&dvs, g, weights, z);
          addRows(&dq, &ks, g, ds);
        }
        storeLine(qAt, lane, params.d, dq);
      }

      for (var row = first; row < rowEnd; row++) {
        storeLine(dkStart(pair) + row * params.kRow, lane, params.d, lineAt(&dks, row - first));
        storeLine(dvStart(pair) + row * params.vRow, lane, params.dv, lineAt(&dvs, row - first));
      }
    }
  }
}
