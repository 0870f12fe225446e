// The lower or upper triangles of matrices, with zeros in the other: y[r, c] = x[r, c] where c - r is on its side of
// `diagonal` or on it.
//
//   x, y : [size / (rows * cols), rows, cols]   words, moved as they are, whatever they mean

struct Params { size: u32, rows: u32, cols: u32, diagonal: i32 }
var<immediate> params: Params;

override UPPER: u32;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

const THREADS = 64u;

// A thread per element.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    let right = i32(i % params.cols) - i32(i / params.cols % params.rows);
    let kept = select(right <= params.diagonal, right >= params.diagonal, UPPER != 0u);
    y[i] = select(0u, x[i], kept);
  }
}
