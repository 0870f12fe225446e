// RAdam: Liu et al. 2019, https://arxiv.org/abs/1908.03265
//
//   s0 : m, s1 : v, the running means of g and of g²
//   rho_t = rho - 2 t beta2^t / (1 - beta2^t)      rho = 2 / (1 - beta2) - 1
//   p = p - lr m / (1 - beta1^t), and where rho_t > 5 the change is multiplied by
//   sqrt((rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t)) * sqrt(1 - beta2^t) / (sqrt(v) + eps)

struct Hyper {
  sign: f32, l2: f32, shrink: f32, lr: f32,
  keep1: f32, take1: f32, keep2: f32, take2: f32, logBeta1: f32, logBeta2: f32, eps: f32,
  rhoFactor: f32, // rho / ((rho - 4) (rho - 2))
}

// correction1 = 1 - beta1^step; rectified is the two square roots, without (sqrt(v) + eps), or 0 where rho_t <= 5
struct Progress { @align(64) step: f32, correction1: f32, rectified: f32 }

// 1 - coth(y) + 1 / y, for y > 0.
fn langevinRest(y: f32) -> f32 {
  let s = y * y;
  let series = y * (0.33333334 - s * (0.022222222 - s * (2.1164021e-3 - s * (2.1164021e-4 - s * 2.1377799e-5))));
  return select(1.0 / y - 2.0 / expm1(min(2.0 * y, 80.0)), 1.0 - series, y < 0.5);
}

// rho_t. With y = -log(beta2) / 2 it is coth(y) - t coth(t y) + t: so nothing large is left to cancel.
fn rhoAt(step: f32) -> f32 {
  let y = -0.5 * hyper.logBeta2;
  return step * langevinRest(step * y) + (1.0 - langevinRest(y));
}

fn next(now: Progress) -> Progress {
  let step = now.step + 1.0;
  let rho = rhoAt(step);
  let correction2 = -expm1(step * hyper.logBeta2);
  let rectified = sqrt((rho - 4.0) * (rho - 2.0) / rho * hyper.rhoFactor * correction2);
  return Progress(step, -expm1(step * hyper.logBeta1), select(0.0, rectified, rho > 5.0));
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  let m = hyper.keep1 * s0[at] + hyper.take1 * g;
  s0[at] = m;
  let v = hyper.keep2 * s1[at] + hyper.take2 * g * g;
  s1[at] = v;
  let direction = hyper.lr / now.correction1 * m;
  if (now.rectified == 0.0) { return weight - direction; }
  return weight - direction * now.rectified / (sqrt(v) + hyper.eps);
}
