// Pairs of features one at a time, for rotary-embedding.wgsl.

alias T = f32;
alias U = u32;
const WIDTH = 1u;

fn turnOf(position: u32, pair: u32) -> Turn {
  let phase = phaseOf(position, turns[pair], turns[params.half + pair]);
  return Turn(cosOf(phase), sinOf(phase));
}

fn apart(pairs: Pairs) -> Pairs { return pairs; }
fn together(pairs: Pairs) -> Pairs { return pairs; }
