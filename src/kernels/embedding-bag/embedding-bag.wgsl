// The sum, the mean or the largest of a table's rows, for bags of row numbers:
//
//   y[bag] = Σ scale[j] * weight[ids[j]], or that over their number, or the largest in each column,
//
// over the places j of the bag whose row is not `skip`; 0 for a bag without any.
//
//   weight  : [n, features]
//   ids     : [count]           bag after bag
//   offsets : [bags]            where each bag begins; with FIXED every bag has `length` places
//   scale   : [count]           1 unless SCALED
//   y       : [bags, features]
//   bagOf   : [count]           the bag of a place
//   members : [bags]            how many places of a bag count, at least 1
//   winners : [bags, features]  the place that has the largest element
//
// Appended: alias T, of WIDTH elements, which divides features; alias U, as many u32; fn nans(x: T), which of them are NaN.

struct Params {
  bags: u32, count: u32, n: u32, features: u32, length: u32, skip: u32, offsets: u32,
  idSite: u32, offsetSite: u32, firstSite: u32,
}
var<immediate> params: Params; // offsets: how many are given

override MODE: u32; // 0: sum, 1: mean, 2: max
override FIXED: bool;
override SCALED: bool;

@group(0) @binding(0) var<storage, read> weight: array<T>;
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read> offsets: array<i32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<T>;
@group(0) @binding(5) var<storage, read_write> bagOf: array<u32>;
@group(0) @binding(6) var<storage, read_write> members: array<f32>;
@group(0) @binding(7) var<storage, read_write> winners: array<U>;

const THREADS = 64u;
const MEAN = 1u;
const MAX = 2u;

// Where a bag begins; the one behind the last begins at the end.
fn start(bag: u32) -> u32 {
  if (bag == 0u) { return 0u; }
  if (bag >= params.bags) { return params.count; }
  if (FIXED) { return bag * params.length; }
  return min(u32(offsets[bag]), params.count);
}

// A thread per place and per offset: reports those that are out of range, and finds each place's bag.
@compute @workgroup_size(THREADS)
fn place(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < max(params.count, params.offsets); i += groups.x * THREADS) {
    if (i < params.offsets) {
      let offset = offsets[i];
      if (i == 0u && offset != 0) { reportIndexError(params.firstSite, i, offset); }
      if (u32(offset) > params.count) { reportIndexError(params.offsetSite, i, offset); }
    }
    if (i < params.count) {
      if (u32(ids[i]) >= params.n) { reportIndexError(params.idSite, i, ids[i]); }
      var low = 0u; // begins at i or before
      var high = params.bags; // begins behind it
      while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (start(middle) <= i) { low = middle; } else { high = middle; }
      }
      bagOf[i] = low;
    }
  }
}

// A thread per T of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let columns = params.features / WIDTH;
  for (var at = gid.x; at < params.bags * columns; at += groups.x * THREADS) {
    let bag = at / columns;
    let column = at - bag * columns;
    var total = T();
    var winner = U();
    var found = 0u;
    for (var j = start(bag); j < start(bag + 1u); j++) {
      let id = u32(ids[j]);
      if (id >= params.n || id == params.skip) { continue; }
      var x = weight[id * columns + column];
      if (MODE == MAX && found == 0u) {
        total = x;
        winner = U(j);
      } else if (MODE == MAX) {
        let above = (x > total) | nans(x);
        total = select(total, x, above);
        winner = select(winner, U(j), above);
      } else {
        if (SCALED) { x *= scale[j]; }
        total += x;
      }
      found += 1u;
    }
    if (MODE == MEAN) { total /= f32(max(found, 1u)); }
    y[at] = total;
    if (MODE == MAX) { winners[at] = winner; }
    if (MODE == MEAN && column == 0u) { members[bag] = f32(max(found, 1u)); }
  }
}
