// The result of a product of any size; the same names as in write-vec4.wgsl.

@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

alias Z = f32;

fn store(start: u32, row: u32, col: u32, sums: vec4f) {
  let isTurned = params.isTurned != 0u;
  for (var j = 0u; j < 4u; j++) {
    if (col + j < params.n) {
      var z = sums[j];
      if (params.hasBias != 0u) { z += bias[select(col + j, row, isTurned)]; }
      let i = start + select(row * params.n + col + j, (col + j) * params.m + row, isTurned);
      keep(i, z);
      y[i] = activate(z);
    }
  }
}
