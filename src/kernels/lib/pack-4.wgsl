// Rows read four elements at a time, for rows whose length is a multiple of four.

alias T = vec4f;
const WIDTH = 4u;

fn first(v: T) -> f32 {
  return v.x;
}

fn total(v: T) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}
