// Where an operand that was stretched to the result's shape is read. The kernel declares params.shape:
// x is the number of iterations, y z w are the sizes of the inner dimensions after merging, aligned at w.

override RANK: u32; // dimensions after merging, at most 4

// How an operand is read: at the iteration's own index, always at 0, or by strides.
const WHOLE = 0u;
const SINGLE = 1u;

// The coordinates of iteration i: the outermost dimension's in x, the others aligned at w.
fn coordinates(i: u32) -> vec4u {
  var at = vec4u(i, 0u, 0u, 0u);
  if (RANK > 1u) {
    at.w = at.x % params.shape.w;
    at.x /= params.shape.w;
  }
  if (RANK > 2u) {
    at.z = at.x % params.shape.z;
    at.x /= params.shape.z;
  }
  if (RANK > 3u) {
    at.y = at.x % params.shape.y;
    at.x /= params.shape.y;
  }
  return at;
}

// The coordinates of the iteration after that at `at`.
fn next(at: vec4u) -> vec4u {
  if (RANK < 2u) { return at + vec4u(1u, 0u, 0u, 0u); }
  var to = at + vec4u(0u, 0u, 0u, 1u);
  if (to.w < params.shape.w) { return to; }
  to.w = 0u;
  if (RANK < 3u) { return to + vec4u(1u, 0u, 0u, 0u); }
  to.z += 1u;
  if (to.z < params.shape.z) { return to; }
  to.z = 0u;
  if (RANK < 4u) { return to + vec4u(1u, 0u, 0u, 0u); }
  to.y += 1u;
  if (to.y < params.shape.y) { return to; }
  to.y = 0u;
  return to + vec4u(1u, 0u, 0u, 0u);
}

// Where an operand is read in iteration i, which is at `at`.
fn offset(i: u32, at: vec4u, access: u32, strides: vec4u) -> u32 {
  if (access == WHOLE) { return i; }
  if (access == SINGLE) { return 0u; }
  return dot(at, strides);
}
