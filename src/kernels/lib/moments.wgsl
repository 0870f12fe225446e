// A sample's moments (count, mean, Σ (x - mean)²), of which a count of 0 changes no other.

// The moments of two samples together (Chan, Golub and LeVeque 1979, https://doi.org/10.1007/978-3-642-51461-6_3).
fn combineMoments(a: vec3f, b: vec3f) -> vec3f {
  let count = a.x + b.x;
  let share = b.x / max(count, 1.0);
  let delta = b.y - a.y;
  return vec3f(count, a.y + delta * share, a.z + b.z + delta * delta * a.x * share);
}
