// Rows of single elements; the same names as pack-4.wgsl.

alias T = f32;
alias U = u32; // one for each element
const WIDTH = 1u;

fn first(v: T) -> f32 {
  return v;
}

fn total(v: T) -> f32 {
  return v;
}

// Where the elements of the k-th T are.
fn indices(k: u32) -> U {
  return k;
}

fn component(v: T, k: u32) -> f32 {
  return v;
}

// What belongs to the elements of the k-th T, of the pairs of elements from its first one's on: a, and b after it.
fn fromPairs(a: vec2u, b: vec2u, k: u32) -> U {
  return a[k % 2u];
}
