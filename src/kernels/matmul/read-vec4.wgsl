// The operands of a product whose lines, and k, are multiples of four long; goes with one of quads-*.wgsl.

@group(0) @binding(0) var<storage, read> a: array<Quad>;
@group(0) @binding(1) var<storage, read> b: array<Quad>;

// Elements i to i + 3, which are valid or not together.
fn fourOfA(i: u32, valid: u32) -> vec4f {
  return select(vec4f(), fromQuad(a[i / 4u]), valid > 0u);
}

fn fourOfB(i: u32, valid: u32) -> vec4f {
  return select(vec4f(), fromQuad(b[i / 4u]), valid > 0u);
}

fn oneOfA(i: u32, valid: bool) -> f32 {
  return select(0.0, fromQuad(a[i / 4u])[i % 4u], valid);
}
