// The results of any sums over a sliding window; the same names as in write-vec4.wgsl.

@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn store(group: u32, column: u32, p: u32, sums: vec4f) {
  if (column >= params.m) { return; }
  let end = min(p + 4u, params.n);
  for (var j = p; j < end; j++) {
    let at = positionOf(j);
    let i = params.outFirst + at.row * params.outRowStep + at.col * params.outColStep;
    out[lineOf(group, column, at.image) + i] = sums[j - p] + biasOf(group, column);
  }
}
