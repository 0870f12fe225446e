// Attention on GPUs. A workgroup of 8 by 8 threads owns 32 rows of the result and walks the other operand's rows in tiles of
// 32. Each thread has the scores of four queries by four keys, as products along the columns, which pass through workgroup
// memory DEPTH at a time; then the weights go there too, and each thread adds up four rows by four columns of each block of
// 32 columns.
//
// Appended: BLOCKS, how many of them a workgroup computes of a result.

override DEPTH: u32; // a multiple of 4 up to 32

const TILE = 32u;
const THREADS = 64u;
const PITCH = 9u; // vec4s from line to line: 8, and one against bank conflicts
const QUERIES = 0u;
const KEYS = TILE * PITCH;

// Two tiles of rows, either line by column, of [DEPTH, 32 rows], or line by row, of [32, 32 columns].
var<workgroup> operands: array<vec4f, 2u * TILE * PITCH>;
var<workgroup> weights: array<vec4f, TILE * PITCH>; // [32 rows of the other operand, 32 rows of the result]
var<workgroup> tops: array<vec4f, THREADS>;
var<workgroup> seen: array<vec4u, THREADS>;

// Element [i][j] belongs to this thread's query i and key j.
alias Scores = mat4x4f;

// Columns 32 b + 4 column and on of this thread's row r, at 4 b + r.
alias Sums = array<vec4f, 4u * BLOCKS>;

const FOUR = vec4u(0, 1, 2, 3);

// --- tiles

// What a workgroup computes: 32 rows of a pair, and BLOCKS times 32 of the result's columns.
struct Tile { pair: u32, row: u32, column: u32 } // column counts fours

// Of `rows` rows per pair, of `fours` columns in fours.
fn tileCount(rows: u32, fours: u32) -> u32 {
  return params.pairs * ((rows + TILE - 1u) / TILE) * columnTiles(fours);
}

fn columnTiles(fours: u32) -> u32 {
  return (fours + 8u * BLOCKS - 1u) / (8u * BLOCKS);
}

fn tileAt(i: u32, rows: u32, fours: u32) -> Tile {
  let rowTiles = (rows + TILE - 1u) / TILE;
  let rowTile = i / columnTiles(fours);
  return Tile(rowTile / rowTiles, rowTile % rowTiles * TILE, i % columnTiles(fours) * 8u * BLOCKS);
}

// --- rows into workgroup memory

// Where four rows start; those past the end are the last one.
fn rowsAt(start: u32, row: u32, t: u32, stride: u32) -> vec4u {
  return start + min(row + FOUR, vec4u(t - 1u)) * stride;
}

fn rowsOfQ(pair: u32, row: u32, c: u32) -> mat4x4f {
  let at = rowsAt(qStart(pair), row, params.tq, params.qRow);
  if (c >= dFours()) { return mat4x4f(); }
  return mat4x4f(loadQ(at.x, c), loadQ(at.y, c), loadQ(at.z, c), loadQ(at.w, c));
}

fn rowsOfK(pair: u32, row: u32, c: u32) -> mat4x4f {
  let at = rowsAt(kStart(pair), row, params.tk, params.kRow);
  if (c >= dFours()) { return mat4x4f(); }
  return mat4x4f(loadK(at.x, c), loadK(at.y, c), loadK(at.z, c), loadK(at.w, c));
}

fn rowsOfV(pair: u32, row: u32, c: u32) -> mat4x4f {
  let at = rowsAt(vStart(pair), row, params.tk, params.vRow);
  if (c >= dvFours()) { return mat4x4f(); }
  return mat4x4f(loadV(at.x, c), loadV(at.y, c), loadV(at.z, c), loadV(at.w, c));
}

fn rowsOfDy(pair: u32, row: u32, c: u32) -> mat4x4f {
  let at = rowsAt(yStart(pair), row, params.tq, yRow());
  if (c >= dvFours()) { return mat4x4f(); }
  return mat4x4f(loadDy(at.x, c), loadDy(at.y, c), loadDy(at.z, c), loadDy(at.w, c));
}

// Four rows by four columns as lines of columns.
fn stageColumns(tile: u32, rows: u32, columns: u32, x: mat4x4f) {
  let lines = transpose(x);
  for (var i = 0u; i < 4u; i++) { operands[tile + (4u * columns + i) * PITCH + rows] = lines[i]; }
}

// Four rows by four columns as lines of rows; rows that no thread saw are 0, whatever they hold.
fn stageRows(tile: u32, rows: u32, columns: u32, x: mat4x4f) {
  var isSeen = vec4u();
  for (var i = rows; i < rows + THREADS; i += 8u) { isSeen |= seen[i]; }
  for (var i = 0u; i < 4u; i++) {
    operands[tile + (4u * rows + i) * PITCH + columns] = select(vec4f(), x[i], isSeen[i] != 0u);
  }
}

// --- products

// s = q k^T for four of the staged queries and four of the keys.
fn addDots(s: ptr<function, Scores>, queries: u32, keys: u32) {
  for (var e = 0u; e < DEPTH; e++) {
    let a = operands[QUERIES + e * PITCH + queries];
    let b = operands[KEYS + e * PITCH + keys];
    (*s)[0] += a.x * b;
    (*s)[1] += a.y * b;
    (*s)[2] += a.z * b;
    (*s)[3] += a.w * b;
  }
}

// Adds the rows of a staged tile, weighted, to this thread's rows and columns.
fn addWeighted(sums: ptr<function, Sums>, block: u32, tile: u32, rows: u32, columns: u32) {
  var x = mat4x4f((*sums)[4u * block], (*sums)[4u * block + 1u], (*sums)[4u * block + 2u], (*sums)[4u * block + 3u]);
  for (var i = 0u; i < TILE; i++) {
    let w = weights[i * PITCH + rows];
    let line = operands[tile + i * PITCH + columns];
    x[0] += w.x * line;
    x[1] += w.y * line;
    x[2] += w.z * line;
    x[3] += w.w * line;
  }
  for (var r = 0u; r < 4u; r++) { (*sums)[4u * block + r] = x[r]; }
}

// The scores of 32 queries by 32 keys, this thread's part.
fn scoresOf(pair: u32, query: u32, key: u32, queries: u32, keys: u32, lane: u32) -> Scores {
  var s = Scores();
  let rows = lane / 8u;
  let columns = lane % 8u;
  for (var c = 0u; c < dFours(); c += DEPTH / 4u) {
    workgroupBarrier();
    if (columns < DEPTH / 4u) {
      stageColumns(QUERIES, rows, columns, rowsOfQ(pair, query + 4u * rows, c + columns));
      stageColumns(KEYS, rows, columns, rowsOfK(pair, key + 4u * rows, c + columns));
    }
    workgroupBarrier();
    addDots(&s, queries, keys);
  }
  return s;
}

// dy v^T, likewise.
fn weightGradients(pair: u32, query: u32, key: u32, queries: u32, keys: u32, lane: u32) -> Scores {
  var g = Scores();
  let rows = lane / 8u;
  let columns = lane % 8u;
  for (var c = 0u; c < dvFours(); c += DEPTH / 4u) {
    workgroupBarrier();
    if (columns < DEPTH / 4u) {
      stageColumns(QUERIES, rows, columns, rowsOfDy(pair, query + 4u * rows, c + columns));
      stageColumns(KEYS, rows, columns, rowsOfV(pair, key + 4u * rows, c + columns));
    }
    workgroupBarrier();
    addDots(&g, queries, keys);
  }
  return g;
}

// --- scores

// Scales the scores and hides what takes no part.
fn settle(s: ptr<function, Scores>, view: MaskView, query: u32, key: u32) {
  let keys = key + FOUR;
  for (var i = 0u; i < 4u; i++) {
    let first = select(params.tk, min(params.tk, query + i + 1u), has(CAUSAL)); // after the last key in sight
    let hidden = (keys >= vec4u(first)) | vec4<bool>(query + i >= params.tq);
    (*s)[i] = select((*s)[i] * params.scale, vec4f(LOWEST), hidden);
  }
  if (has(MASKED)) {
    // One line of the mask serves all queries where it has no axis of theirs.
    let isLine = has(MASK_QUERY);
    let lines = select(1u, min(query + 4u, max(query, params.tq)) - query, isLine);
    for (var line = 0u; line < lines; line++) {
      let at = view.start + (query + line) * view.query + keys * view.key;
      let added = vec4f(maskAt(at.x), maskAt(at.y), maskAt(at.z), maskAt(at.w));
      for (var i = 0u; i < 4u; i++) {
        let hidden = (added <= vec4f(HIDDEN)) | ((*s)[i] <= vec4f(HIDDEN));
        let masked = select((*s)[i] + added, vec4f(LOWEST), hidden);
        (*s)[i] = select((*s)[i], masked, i == line || !isLine);
      }
    }
  }
}

fn weightsAt(s: vec4f, top: f32) -> vec4f {
  return vec4f(weightOf(s.x, top), weightOf(s.y, top), weightOf(s.z, top), weightOf(s.w, top));
}

// Whether p stays, for a query and two neighbouring keys.
fn isKept(pair: u32, query: u32, key: u32) -> vec2<bool> {
  let element = elementOf(pair, query, key);
  var words = randomPair(params.stream, element / 2u);
  if (element % 2u == 1u) { words = vec2u(words.y, randomPair(params.stream, element / 2u + 1u).x); }
  return words >= vec2u(params.dropThreshold);
}

// Bit 4 i + j says whether p of query i and key j stays.
fn keptBits(pair: u32, query: u32, key: u32) -> u32 {
  if (params.dropThreshold == 0u) { return 0xffffu; }
  var bits = 0u;
  for (var i = 0u; i < 8u; i++) {
    let kept = select(vec2u(), vec2u(1, 2), isKept(pair, query + i / 2u, key + 2u * (i % 2u)));
    bits |= (kept.x | kept.y) << (2u * i);
  }
  return bits;
}

// x / (1 - p) where query i's bit is set, else 0.
fn dropped(x: vec4f, kept: u32, i: u32) -> vec4f {
  return select(vec4f(), x * keptScale(), ((vec4u(kept) >> (4u * i + FOUR)) & vec4u(1)) == vec4u(1));
}

// Row r of the sums, in a loop that is not unrolled.
fn rowOf(sums: ptr<function, Sums>, block: u32, row: u32) -> vec4f {
  var x = (*sums)[4u * block];
  for (var r = 1u; r < 4u; r++) { x = select(x, (*sums)[4u * block + r], r == row); }
  return x;
}

// Tells the threads that stage rows which keys any query saw.
fn noteKeys(s: Scores, rows: u32, columns: u32) {
  var any = vec4u();
  for (var i = 0u; i < 4u; i++) { any |= select(vec4u(1), vec4u(0), s[i] <= vec4f(HIDDEN)); }
  seen[8u * rows + columns] = any;
}

// Or which queries saw any key.
fn noteQueries(s: Scores, rows: u32, columns: u32) {
  var any = vec4u();
  for (var i = 0u; i < 4u; i++) { any[i] = select(1u, 0u, all(s[i] <= vec4f(HIDDEN))); }
  seen[8u * rows + columns] = any;
}

// Whether no query sees any of 32 keys; the same for all threads.
fn isHiddenTile(view: MaskView, key: u32) -> bool {
  if (!has(MASKED) || has(MASK_QUERY)) { return false; }
  for (var j = key; j < min(key + TILE, params.tk); j++) {
    if (maskAt(view.start + j * view.key) > HIDDEN) { return false; }
  }
  return true;
}

// --- entries

// A workgroup per 32 queries and BLOCKS * 32 columns of v.
@compute @workgroup_size(THREADS)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  let rows = lane / 8u;
  let columns = lane % 8u;
  let tiles = tileCount(params.tq, dvFours());
  for (var i = wid.x; i < tiles; i += groups.x) {
    let tile = tileAt(i, params.tq, dvFours());
    let view = maskOf(tile.pair);
    let query = tile.row + 4u * rows;
    var sums = Sums();
    var top = vec4f(LOWEST);
    var total = vec4f(); // of this thread's keys

    let end = select(params.tk, min(params.tk, tile.row + TILE), has(CAUSAL));
    for (var key = 0u; key < end; key += TILE) {
      if (isHiddenTile(view, key)) { continue; }
      var s = scoresOf(tile.pair, tile.row, key, rows, columns, lane);
      settle(&s, view, query, key + 4u * columns);

      let columnsOfS = transpose(s);
      tops[lane] = max(max(columnsOfS[0], columnsOfS[1]), max(columnsOfS[2], columnsOfS[3]));
      noteKeys(s, rows, columns);
      workgroupBarrier();
      let before = top;
      let kept = keptBits(tile.pair, query, key + 4u * columns);
      for (var j = 8u * rows; j < 8u * rows + 8u; j++) { top = max(top, tops[j]); }
      for (var j = 0u; j < 4u; j++) {
        let fade = preciseExp(before[j] - top[j]);
        s[j] = weightsAt(s[j], top[j]);
        total[j] = total[j] * fade + dot(s[j], vec4f(1));
        for (var b = 0u; b < BLOCKS; b++) { sums[4u * b + j] *= fade; }
        s[j] = dropped(s[j], kept, j);
      }
      let ofKeys = transpose(s);
      for (var j = 0u; j < 4u; j++) { weights[(4u * columns + j) * PITCH + rows] = ofKeys[j]; }

      for (var b = 0u; b < BLOCKS; b++) {
        let c = tile.column + 8u * b + columns;
        stageRows(KEYS, rows, columns, rowsOfV(tile.pair, key + 4u * rows, c));
        workgroupBarrier();
        addWeighted(&sums, b, KEYS, rows, columns);
        workgroupBarrier();
      }
    }

    tops[lane] = total;
    workgroupBarrier();
    total = vec4f();
    for (var j = 8u * rows; j < 8u * rows + 8u; j++) { total += tops[j]; }
    workgroupBarrier();
    for (var row = query; row < min(query + 4u, params.tq); row++) {
      let r = row - query;
      let inverse = select(1.0 / total[r], 0.0, total[r] == 0.0);
      if (columns == 0u && tile.column == 0u) { stats[tile.pair * params.tq + row] = vec2f(top[r], inverse); }
      for (var b = 0u; b < BLOCKS; b++) {
        let c = tile.column + 8u * b + columns;
        if (c < dvFours()) { storeY(yStart(tile.pair) + row * yRow(), c, rowOf(&sums, b, r) * inverse); }
      }
    }
  }
}

// ds of one query, exactly 0 where s is hidden, whatever the other operands hold.
fn scoreGradient(s: vec4f, weight: vec4f, g: vec4f, e: f32) -> vec4f {
  return select(weight * (g - e) * params.scale, vec4f(), s <= vec4f(HIDDEN));
}

// A workgroup per 32 queries and BLOCKS * 32 columns of k.
@compute @workgroup_size(THREADS)
fn backwardQuery(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                 @builtin(local_invocation_index) lane: u32) {
  let rows = lane / 8u;
  let columns = lane % 8u;
  let tiles = tileCount(params.tq, dFours());
  for (var i = wid.x; i < tiles; i += groups.x) {
    let tile = tileAt(i, params.tq, dFours());
    let view = maskOf(tile.pair);
    let query = tile.row + 4u * rows;
    var sums = Sums();

    let end = select(params.tk, min(params.tk, tile.row + TILE), has(CAUSAL));
    for (var key = 0u; key < end; key += TILE) {
      if (isHiddenTile(view, key)) { continue; }
      var s = scoresOf(tile.pair, tile.row, key, rows, columns, lane);
      var g = weightGradients(tile.pair, tile.row, key, rows, columns, lane);
      settle(&s, view, query, key + 4u * columns);
      noteKeys(s, rows, columns);
      let kept = keptBits(tile.pair, query, key + 4u * columns);
      for (var j = 0u; j < 4u; j++) {
        let ofRow = savedRowStats[tile.pair * params.tq + min(query + j, params.tq - 1u)];
        s[j] = scoreGradient(s[j], weightsAt(s[j], ofRow.x) * ofRow.y, dropped(g[j], kept, j), ofRow.z);
      }
      let ofKeys = transpose(s);
      for (var j = 0u; j < 4u; j++) { weights[(4u * columns + j) * PITCH + rows] = ofKeys[j]; }
      workgroupBarrier();

      for (var b = 0u; b < BLOCKS; b++) {
        let c = tile.column + 8u * b + columns;
        stageRows(KEYS, rows, columns, rowsOfK(tile.pair, key + 4u * rows, c));
        workgroupBarrier();
        addWeighted(&sums, b, KEYS, rows, columns);
        workgroupBarrier();
      }
    }

    for (var row = query; row < min(query + 4u, params.tq); row++) {
      for (var b = 0u; b < BLOCKS; b++) {
        let c = tile.column + 8u * b + columns;
        let at = qStart(tile.pair) + row * params.qRow;
        if (c < dFours()) { storeGradient(at, c, params.d, rowOf(&sums, b, row - query)); }
      }
    }
  }
}

// A workgroup per 32 keys and BLOCKS * 32 columns of both q and dy.
@compute @workgroup_size(THREADS)
fn backwardKeyValue(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                    @builtin(local_invocation_index) lane: u32) {
  let rows = lane / 8u;
  let columns = lane % 8u;
  let fours = max(dFours(), dvFours());
  let tiles = tileCount(params.tk, fours);
  for (var i = wid.x; i < tiles; i += groups.x) {
    let tile = tileAt(i, params.tk, fours);
    let view = maskOf(tile.pair);
    let key = tile.row + 4u * rows;
    var dkSums = Sums();
    var dvSums = Sums();

    let start = select(0u, tile.row, has(CAUSAL));
    let end = select(params.tq, 0u, isHiddenTile(view, tile.row));
    for (var query = start; query < end; query += TILE) {
      var s = scoresOf(tile.pair, query, tile.row, columns, rows, lane);
      var g = weightGradients(tile.pair, query, tile.row, columns, rows, lane);
      settle(&s, view, query + 4u * columns, key);
      noteQueries(s, rows, columns);
      let kept = keptBits(tile.pair, query + 4u * columns, key);
      for (var j = 0u; j < 4u; j++) {
        let row = query + 4u * columns + j;
        let ofRow = savedRowStats[tile.pair * params.tq + min(row, params.tq - 1u)];
        let weight = weightsAt(s[j], ofRow.x) * ofRow.y;
        s[j] = scoreGradient(s[j], weight, dropped(g[j], kept, j), ofRow.z);
        g[j] = dropped(weight, kept, j);
      }

      for (var j = 0u; j < 4u; j++) { weights[(4u * columns + j) * PITCH + rows] = g[j]; }
      workgroupBarrier();
      for (var b = 0u; b < BLOCKS; b++) {
        stageRows(QUERIES, rows, columns, rowsOfDy(tile.pair, query + 4u * rows, tile.column + 8u * b + columns));
        workgroupBarrier();
        addWeighted(&dvSums, b, QUERIES, rows, columns);
        workgroupBarrier();
      }
      for (var j = 0u; j < 4u; j++) { weights[(4u * columns + j) * PITCH + rows] = s[j]; }
      for (var b = 0u; b < BLOCKS; b++) {
        stageRows(QUERIES, rows, columns, rowsOfQ(tile.pair, query + 4u * rows, tile.column + 8u * b + columns));
        workgroupBarrier();
        addWeighted(&dkSums, b, QUERIES, rows, columns);
        workgroupBarrier();
      }
    }

    for (var row = key; row < min(key + 4u, params.tk); row++) {
      let dkAt = dkStart(tile.pair) + row * params.kRow;
      let dvAt = dvStart(tile.pair) + row * params.vRow;
      for (var b = 0u; b < BLOCKS; b++) {
        let c = tile.column + 8u * b + columns;
        if (c < dFours()) { storeGradient(dkAt, c, params.d, rowOf(&dkSums, b, row - key)); }
        if (c < dvFours()) { storeGradient(dvAt, c, params.dv, rowOf(&dvSums, b, row - key)); }
      }
    }
  }
}
