// Four numbers of a packed operand, in float16: two in a word, the first in its lower half. No shader-f16 is needed for this,
// which Dawn hides on NVIDIA's GPUs, and no rounding is left to the driver: WGSL allows it either neighbour.

alias Quad = vec2u;

fn toQuad(x: vec4f) -> Quad {
  let bits = halfBits(x);
  return bits.xz | (bits.yw << vec2u(16));
}

fn fromQuad(quad: Quad) -> vec4f {
  return vec4f(unpack2x16float(quad.x), unpack2x16float(quad.y));
}

// The nearest float16 of each, ties to even; infinity from 65,520 on, which is half-way to the next that there is not.
fn halfBits(x: vec4f) -> vec4u {
  let word = bitcast<vec4u>(x);
  let size = word & vec4u(0x7fffffff);
  // Adding just less than half of what is cut off, or just half where the last bit kept is odd, carries into it.
  let normal = (size + 0xfff + ((size >> vec4u(13)) & vec4u(1)) - 0x38000000) >> vec4u(13);
  // Below 2^-14 there are whole multiples of 2^-24, which the significand is shifted to.
  let shift = min(vec4u(126) - min(size >> vec4u(23), vec4u(112)), vec4u(25));
  let significand = (size & vec4u(0x7fffff)) | vec4u(0x800000);
  let half = (vec4u(1) << (shift - 1)) - 1;
  let small = (significand + half + ((significand >> shift) & vec4u(1))) >> shift;
  var bits = select(small, normal, size >= vec4u(0x38800000));
  bits = select(bits, vec4u(0x7c00), size >= vec4u(0x477ff000));
  bits = select(bits, vec4u(0x7e00), size > vec4u(0x7f800000));
  return bits | ((word >> vec4u(16)) & vec4u(0x8000));
}
