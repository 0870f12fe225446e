// The results of sums over a sliding window that are whole planes, a multiple of four long.

@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

// Positions p to p + 3 of a column.
fn store(group: u32, column: u32, p: u32, sums: vec4f) {
  if (column < params.m && p < params.n) {
    let i = p / params.outPlane;
    out[(lineOf(group, column, i) + p - i * params.outPlane) / 4u] = sums + biasOf(group, column);
  }
}
