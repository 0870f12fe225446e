// Rows of single elements; the same names as pack-4.wgsl.

alias T = f32;
const WIDTH = 1u;

fn first(v: T) -> f32 {
  return v;
}

fn total(v: T) -> f32 {
  return v;
}
