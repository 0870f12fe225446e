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

fn offset(i: u32, access: u32, strides: vec4u) -> u32 {
  if (access == WHOLE) { return i; }
  if (access == SINGLE) { return 0u; }
  return dot(coordinates(i), strides);
}
