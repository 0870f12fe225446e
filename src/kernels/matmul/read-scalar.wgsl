// The operands of a product of any size, for tiles.wgsl and combine.wgsl; names as in read-vec4.wgsl.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;

// Elements i to i + 3; 0 where there are no `valid` ones any more.
fn fourOfA(i: u32, valid: u32) -> vec4f {
  return select(vec4f(), vec4f(a[i], a[i + 1u], a[i + 2u], a[i + 3u]), vec4u(0, 1, 2, 3) < vec4u(valid));
}

fn fourOfB(i: u32, valid: u32) -> vec4f {
  return select(vec4f(), vec4f(b[i], b[i + 1u], b[i + 2u], b[i + 3u]), vec4u(0, 1, 2, 3) < vec4u(valid));
}
