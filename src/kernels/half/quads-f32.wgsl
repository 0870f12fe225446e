// Four numbers of a packed operand, in float32; the same names as in quads-f16.wgsl.

alias Quad = vec4f;

fn toQuad(x: vec4f) -> Quad {
  return x;
}

fn fromQuad(quad: Quad) -> vec4f {
  return quad;
}
