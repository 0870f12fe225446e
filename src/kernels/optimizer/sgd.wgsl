// Stochastic gradient descent, with momentum: Sutskever et al. 2013, http://proceedings.mlr.press/v28/sutskever13.html
//
//   s0 : b, which begins as the first gradient
//   b = momentum b + take g      with take = 1 - dampening
//   p = p - lr b, or with Nesterov's momentum p - lr (g + momentum b), or without momentum p - lr g

struct Hyper { sign: f32, l2: f32, shrink: f32, lr: f32, momentum: f32, take: f32 }

// step counts those with momentum.
struct Progress { @align(64) step: f32 }

override MOMENTUM: u32;
override NESTEROV: u32;

fn next(now: Progress) -> Progress {
  return Progress(now.step + f32(MOMENTUM));
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  if (MOMENTUM == 0u) { return weight - hyper.lr * g; }
  let b = select(hyper.momentum * s0[at] + hyper.take * g, g, now.step == 1.0);
  s0[at] = b;
  if (NESTEROV == 0u) { return weight - hyper.lr * b; }
  return weight - hyper.lr * (g + hyper.momentum * b);
}
