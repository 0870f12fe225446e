// Adadelta: Zeiler 2012, https://arxiv.org/abs/1212.5701
//
//   s0 : v, s1 : u, the running means of g² and of d²
//   v = keep v + take g²      d = sqrt(u + eps) / sqrt(v + eps) * g      u = keep u + take d²      with keep = rho, take = 1 - rho
//   p = p - lr d

struct Hyper { sign: f32, l2: f32, shrink: f32, lr: f32, keep: f32, take: f32, eps: f32 }
struct Progress { @align(64) step: f32 }

fn next(now: Progress) -> Progress {
  return Progress(now.step + 1.0);
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  let v = hyper.keep * s0[at] + hyper.take * g * g;
  s0[at] = v;
  let u = s1[at];
  let d = sqrt(u + hyper.eps) / sqrt(v + hyper.eps) * g;
  s1[at] = hyper.keep * u + hyper.take * d * d;
  return weight - hyper.lr * d;
}
