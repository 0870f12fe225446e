// Adam: Kingma, Ba 2014, https://arxiv.org/abs/1412.6980. AMSGrad: Reddi, Kale, Kumar 2018, https://arxiv.org/abs/1904.09237
//
//   s0 : m, s1 : v, the running means of g and of g²      s2 : the largest v so far, which AMSGrad takes instead of v
//   m = keep1 m + take1 g      v = keep2 v + take2 g²      with keep = beta, take = 1 - beta
//   p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

struct Hyper {
  sign: f32, l2: f32, shrink: f32, lr: f32,
  keep1: f32, take1: f32, keep2: f32, take2: f32, logBeta1: f32, logBeta2: f32, eps: f32,
}

// correction = 1 - beta^step
struct Progress { @align(64) step: f32, correction1: f32, correction2: f32 }

override AMSGRAD: u32;

fn next(now: Progress) -> Progress {
  let step = now.step + 1.0;
  return Progress(step, -expm1(step * hyper.logBeta1), -expm1(step * hyper.logBeta2));
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  let m = hyper.keep1 * s0[at] + hyper.take1 * g;
  s0[at] = m;
  var v = hyper.keep2 * s1[at] + hyper.take2 * g * g;
  s1[at] = v;
  if (AMSGRAD == 1u) {
    v = select(v, s2[at], s2[at] > v);
    s2[at] = v;
  }
  return weight - hyper.lr / now.correction1 * m / (sqrt(v / now.correction2) + hyper.eps);
}
