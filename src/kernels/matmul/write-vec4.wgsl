// The result of a product whose n is a multiple of four.
//
// Appended: fn activate(x: f32) -> f32, fn keep(i: u32, z: Z), which stores what the activation is applied to, or does not.

@group(0) @binding(2) var<storage, read> bias: array<vec4f>; // [n]
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

alias Z = vec4f;

// y[row, col .. col + 3] of the matrix that starts at `start`, as far as there are such columns.
fn store(start: u32, row: u32, col: u32, sums: vec4f) {
  if (col < params.n) {
    var z = sums;
    if (params.hasBias != 0u) { z += bias[col / 4u]; }
    let i = (start + row * params.n + col) / 4u;
    keep(i, z);
    y[i] = vec4f(activate(z.x), activate(z.y), activate(z.z), activate(z.w));
  }
}
