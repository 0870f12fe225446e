// Adds slices where an index says: y[o, index[j], i] += src[o, j, i] for every j, in the order of j for each value of the
// index. Of the occurrences of a value, CHUNK are added up at a time, and then these sums.
//
//   y        : [outer, n, inner]
//   src      : [outer, count, inner]
//   partials : [2 * count / CHUNK, outer, inner]   sums of chunks, of values with several
//
// index, ranks, counts, starts, order, owners: as group-index.wgsl makes them.
//
// Appended: alias T, of WIDTH elements, which divides inner.

struct Params { n: u32, count: u32, inner: u32, columns: u32, blocks: u32, chunks: u32 }
var<immediate> params: Params; // columns = outer * inner, shared out to `blocks` workgroups

override CHUNK: u32;
override WG: u32 = 64;

@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(1) var<storage, read> ranks: array<u32>;
@group(0) @binding(2) var<storage, read> counts: array<u32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read> src: array<T>;
@group(0) @binding(6) var<storage, read_write> y: array<T>;
@group(0) @binding(7) var<storage, read_write> partials: array<T>;
@group(0) @binding(8) var<storage, read> owners: array<u32>;

// A workgroup per first occurrence in a chunk and block of columns.
@compute @workgroup_size(WG)
fn chunks(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
          @builtin(local_invocation_index) lane: u32) {
  let inner = params.inner / WIDTH;
  let columns = params.columns / WIDTH;
  for (var w = wid.x; w < params.count * params.blocks; w += groups.x) {
    let rank = ranks[w / params.blocks];
    if (rank % CHUNK != 0u) { continue; } // so is NONE
    let value = u32(index[w / params.blocks]);
    let length = counts[value];
    let first = starts[value] + rank;
    let last = first + min(length - rank, CHUNK);
    for (var c = w % params.blocks * WG + lane; c < columns; c += params.blocks * WG) {
      let o = c / inner;
      var sum = T();
      for (var s = first; s < last; s++) { sum += src[(o * params.count + order[s]) * inner + c % inner]; }
      if (length > CHUNK) {
        partials[first / CHUNK * columns + c] = sum;
      } else {
        y[(o * params.n + value) * inner + c % inner] += sum;
      }
    }
  }
}

// A workgroup per chunk, of which those act that are the first of several of a value, and block of columns.
@compute @workgroup_size(WG)
fn totals(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
          @builtin(local_invocation_index) lane: u32) {
  let inner = params.inner / WIDTH;
  let columns = params.columns / WIDTH;
  for (var w = wid.x; w < params.chunks * params.blocks; w += groups.x) {
    let first = w / params.blocks;
    let value = owners[first];
    if (value >= params.n) { continue; }
    let last = first + (counts[value] + CHUNK - 1u) / CHUNK;
    for (var c = w % params.blocks * WG + lane; c < columns; c += params.blocks * WG) {
      var sum = T();
      for (var k = first; k < last; k++) { sum += partials[k * columns + c]; }
      y[(c / inner * params.n + value) * inner + c % inner] += sum;
    }
  }
}
