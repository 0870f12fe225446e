// Lion: Chen et al. 2023, https://arxiv.org/abs/2302.06675, algorithm 2
//
//   s0 : m, a running mean of g
//   p = p - lr sign(keep1 m + take1 g)      then m = keep2 m + take2 g      with keep = beta, take = 1 - beta

struct Hyper { sign: f32, l2: f32, shrink: f32, lr: f32, keep1: f32, take1: f32, keep2: f32, take2: f32 }
struct Progress { @align(64) step: f32 }

fn next(now: Progress) -> Progress {
  return Progress(now.step + 1.0);
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  let m = s0[at];
  let c = hyper.keep1 * m + hyper.take1 * g;
  s0[at] = hyper.keep2 * m + hyper.take2 * g;
  // WGSL's sign loses a NaN.
  let direction = select(select(c, T(1.0), c > T()), T(-1.0), c < T());
  return weight - hyper.lr * direction;
}
