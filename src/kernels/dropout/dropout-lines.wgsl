// As dropout.wgsl, with one random word for all elements of a line.
//
//   x, y : [lines, length]

struct Params {
  lines: u32, length: u32, chunk: u32,
  stream: u32, threshold: u32, scale: f32, shift: f32, dropped: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;

const THREADS = 64u;

// A thread per `chunk` elements of a line, which evaluates threefry once.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let length = params.length / WIDTH;
  let chunks = (length + params.chunk - 1u) / params.chunk;
  for (var i = gid.x; i < params.lines * chunks; i += groups.x * THREADS) {
    let line = i / chunks;
    let words = randomPair(params.stream, line / 2u);
    let start = line * length + i % chunks * params.chunk;
    let end = min(start + params.chunk, (line + 1u) * length);
    if (words[line % 2u] >= params.threshold) {
      for (var k = start; k < end; k++) { y[k] = x[k] * params.scale + params.shift; }
    } else {
      for (var k = start; k < end; k++) { y[k] = T(params.dropped); }
    }
  }
}
