// Where each value of an index occurs, in order. Position p holds the ranks[p]-th occurrence (from 0) of its value v, of
// counts[v] in all, and order[starts[v] + rank] is the position of each.
//
//   index          : [count]
//   ranks          : [count]       NONE where the value is `skip`, or out of range, which is reported
//   counts, starts : [n]           undefined for values that do not occur
//   order          : [2 * count]   the range of a value with more than CHUNK occurrences is whole chunks long
//   owners         : [2 * count / CHUNK]   the value with several chunks whose first one is that of order; else NONE
//   used           : [1]           elements of order in use
//
// Which range of order a value gets may differ from run to run; nothing else does.

struct Params { n: u32, count: u32, skip: u32, site: u32, chunks: u32 }
var<immediate> params: Params;

override CHUNK: u32;
override WG: u32 = 256; // lanes of the one workgroup that ranks

@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(1) var<storage, read_write> ranks: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
@group(0) @binding(3) var<storage, read_write> starts: array<u32>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> owners: array<u32>;
@group(0) @binding(6) var<storage, read_write> used: array<atomic<u32>, 1>;

const THREADS = 64u;
const NONE = 0xffffffffu;

// A thread per position: counts of 0 for the values that occur, and no owners.
@compute @workgroup_size(THREADS)
fn reset(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  if (gid.x == 0u) { atomicStore(&used[0], 0u); }
  for (var p = gid.x; p < params.count; p += groups.x * THREADS) {
    let value = index[p];
    if (p < params.chunks) { owners[p] = NONE; }
    if (u32(value) < params.n) {
      counts[u32(value)] = 0u;
    } else if (params.site != NONE) {
      reportIndexError(params.site, p, value);
    }
  }
}

var<workgroup> block: array<u32, WG>;

// One workgroup, block after block: in a block a lane counts its equals, and those before it.
@compute @workgroup_size(WG)
fn rank(@builtin(local_invocation_index) lane: u32) {
  for (var first = 0u; first < params.count; first += WG) {
    let p = first + lane;
    var value = NONE;
    if (p < params.count) { value = u32(index[p]); }
    if (value >= params.n || value == params.skip) { value = NONE; }
    block[lane] = value;
    workgroupBarrier();
    var before = 0u;
    var equals = 0u;
    for (var k = 0u; k < WG; k++) {
      let equal = select(0u, 1u, block[k] == value);
      equals += equal;
      before += select(0u, equal, k < lane);
    }
    var earlier = 0u;
    if (value != NONE) { earlier = counts[value]; }
    if (p < params.count) { ranks[p] = select(earlier + before, NONE, value == NONE); }
    workgroupBarrier(); // the next block overwrites this one
    storageBarrier(); // all have read the counts
    if (value != NONE && before == 0u) { counts[value] = earlier + equals; }
    storageBarrier();
  }
}

// A thread per position: a value's first occurrence takes a range of order for all.
@compute @workgroup_size(THREADS)
fn allocate(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var p = gid.x; p < params.count; p += groups.x * THREADS) {
    if (ranks[p] == 0u) {
      let value = u32(index[p]);
      let length = counts[value];
      if (length > CHUNK) {
        starts[value] = atomicAdd(&used[0], (length + CHUNK - 1u) / CHUNK * CHUNK);
        owners[starts[value] / CHUNK] = value;
      } else {
        starts[value] = atomicAdd(&used[0], length);
      }
    }
  }
}

// A thread per position, which it writes to its place.
@compute @workgroup_size(THREADS)
fn place(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var p = gid.x; p < params.count; p += groups.x * THREADS) {
    if (ranks[p] != NONE) { order[starts[u32(index[p])] + ranks[p]] = p; }
  }
}
