// Pairs of features four at a time, for rotary-embedding.wgsl, where `half` is a multiple of 4.

alias T = vec4f;
alias U = vec4u;
const WIDTH = 4u;

fn turnOf(position: u32, block: u32) -> Turn {
  let high = turns[block];
  let low = turns[params.half / 4u + block];
  let p = vec4u(
    phaseOf(position, high.x, low.x), phaseOf(position, high.y, low.y),
    phaseOf(position, high.z, low.z), phaseOf(position, high.w, low.w));
  return Turn(
    vec4f(cosOf(p.x), cosOf(p.y), cosOf(p.z), cosOf(p.w)),
    vec4f(sinOf(p.x), sinOf(p.y), sinOf(p.z), sinOf(p.w)));
}

fn apart(pairs: Pairs) -> Pairs {
  return Pairs(vec4f(pairs.a.xz, pairs.b.xz), vec4f(pairs.a.yw, pairs.b.yw));
}

fn together(pairs: Pairs) -> Pairs {
  return Pairs(vec4f(pairs.a.x, pairs.b.x, pairs.a.y, pairs.b.y), vec4f(pairs.a.z, pairs.b.z, pairs.a.w, pairs.b.w));
}
