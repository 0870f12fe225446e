// Adamax: Kingma, Ba 2014, section 7.1, https://arxiv.org/abs/1412.6980
//
//   s0 : m, the running mean of g      s1 : u, the fading maximum of |g|
//   m = keep1 m + take1 g      u = max(keep2 u, |g| + eps)      with keep = beta, take = 1 - beta
//   p = p - lr m / (1 - beta1^t) / u

struct Hyper { sign: f32, l2: f32, shrink: f32, lr: f32, keep1: f32, take1: f32, keep2: f32, logBeta1: f32, eps: f32 }

// correction1 = 1 - beta1^step
struct Progress { @align(64) step: f32, correction1: f32 }

fn next(now: Progress) -> Progress {
  let step = now.step + 1.0;
  return Progress(step, -expm1(step * hyper.logBeta1));
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  let m = hyper.keep1 * s0[at] + hyper.take1 * g;
  s0[at] = m;
  let faded = hyper.keep2 * s1[at];
  let magnitude = abs(g) + hyper.eps;
  let u = select(magnitude, faded, faded > magnitude);
  s1[at] = u;
  return weight - hyper.lr / now.correction1 * m / u;
}
