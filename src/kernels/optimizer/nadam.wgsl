// NAdam, Adam with Nesterov's momentum: Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
//
//   s0 : m, s1 : v, the running means of g and of g²
//   mu_t = beta1 (1 - 0.96^(t * momentumDecay) / 2)
//   p = p - lr (mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t)) / (sqrt(v / (1 - beta2^t)) + eps)

struct Hyper {
  sign: f32, l2: f32, shrink: f32, lr: f32,
  keep1: f32, take1: f32, keep2: f32, take2: f32, logBeta2: f32, eps: f32,
  logDecay: f32, // of momentumDecay * log(0.96)
}

// muProduct = mu_1 ... mu_step; the parts are what m and g are multiplied by, correction2 = 1 - beta2^step
struct Progress { @align(64) step: f32, muProduct: f32, momentPart: f32, gradientPart: f32, correction2: f32 }

fn mu(step: f32) -> f32 {
  return hyper.keep1 * (1.0 - 0.5 * preciseExp(step * hyper.logDecay));
}

fn next(now: Progress) -> Progress {
  let step = now.step + 1.0;
  let muProduct = mu(step) * select(now.muProduct, 1.0, step == 1.0);
  let momentPart = mu(step + 1.0) / (1.0 - muProduct * mu(step + 1.0));
  let gradientPart = (1.0 - mu(step)) / (1.0 - muProduct);
  return Progress(step, muProduct, momentPart, gradientPart, -expm1(step * hyper.logBeta2));
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  let m = hyper.keep1 * s0[at] + hyper.take1 * g;
  s0[at] = m;
  let v = hyper.keep2 * s1[at] + hyper.take2 * g * g;
  s1[at] = v;
  return weight - hyper.lr * (now.momentPart * m + now.gradientPart * g) / (sqrt(v / now.correction2) + hyper.eps);
}
