// Rows read four elements at a time, for rows whose length is a multiple of four.

alias T = vec4f;
alias U = vec4u; // one for each element
const WIDTH = 4u;

fn first(v: T) -> f32 {
  return v.x;
}

fn total(v: T) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

// Where the elements of the k-th T are.
fn indices(k: u32) -> U {
  return 4u * k + vec4u(0u, 1u, 2u, 3u);
}

fn component(v: T, k: u32) -> f32 {
  return v[k];
}

// What belongs to the elements of the k-th T, of the pairs of elements from its first one's on: a, and b after it.
fn fromPairs(a: vec2u, b: vec2u, k: u32) -> U {
  return vec4u(a, b);
}
