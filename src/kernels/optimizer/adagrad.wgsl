// Adagrad: Duchi, Hazan, Singer 2011, https://jmlr.org/papers/v12/duchi11a.html
//
//   s0 : the sum of g², which begins as initialAccumulatorValue
//   p = p - lr / (1 + (t - 1) lrDecay) * g / (sqrt(sum) + eps)

struct Hyper { sign: f32, l2: f32, shrink: f32, lr: f32, lrDecay: f32, eps: f32 }

// slowing = 1 + (step - 1) lrDecay
struct Progress { @align(64) step: f32, slowing: f32 }

fn next(now: Progress) -> Progress {
  return Progress(now.step + 1.0, 1.0 + now.step * hyper.lrDecay);
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  let sum = s0[at] + g * g;
  s0[at] = sum;
  return weight - hyper.lr / now.slowing * g / (sqrt(sum) + hyper.eps);
}
