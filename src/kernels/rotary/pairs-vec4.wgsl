// Pairs of features four at a time, for rotary-embedding.wgsl, where `half` is a multiple of 4.

alias T = vec4f;
alias U = vec4u;
const WIDTH = 4u;

fn turnOf(position: u32, block: u32) -> Turn {
  let high = turns[block];
  let low = turns[params.half / 4u + block];
  var turn = Turn();
  for (var i = 0u; i < 4u; i++) {
    let phase = phaseOf(position, high[i], low[i]);
    turn.cos[i] = cosOf(phase);
    turn.sin[i] = sinOf(phase);
  }
  return turn;
}

fn apart(pairs: Pairs) -> Pairs {
  return Pairs(vec4f(pairs.a.xz, pairs.b.xz), vec4f(pairs.a.yw, pairs.b.yw));
}

fn together(pairs: Pairs) -> Pairs {
  return Pairs(vec4f(pairs.a.x, pairs.b.x, pairs.a.y, pairs.b.y), vec4f(pairs.a.z, pairs.b.z, pairs.a.w, pairs.b.w));
}
