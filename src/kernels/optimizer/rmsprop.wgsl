// RMSprop: Hinton, lecture 6e, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf. Centered: Graves 2013,
// https://arxiv.org/abs/1308.0850
//
//   s0 : v, the running mean of g²      s1 : a, that of g, if centered      s2 : b, if there is momentum
//   v = keep v + take g²      a = keep a + take g      with keep = alpha, take = 1 - alpha
//   d = g / (sqrt(v) + eps), or centered g / (sqrt(v - a²) + eps)
//   b = momentum b + d      p = p - lr b, or without momentum p - lr d

struct Hyper { sign: f32, l2: f32, shrink: f32, lr: f32, keep: f32, take: f32, eps: f32, momentum: f32 }
struct Progress { @align(64) step: f32 }

override CENTERED: u32;
override MOMENTUM: u32;

fn next(now: Progress) -> Progress {
  return Progress(now.step + 1.0);
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  var v = hyper.keep * s0[at] + hyper.take * g * g;
  s0[at] = v;
  if (CENTERED == 1u) {
    let a = hyper.keep * s1[at] + hyper.take * g;
    s1[at] = a;
    v -= a * a;
    v = select(v, T(), v < T()); // a variance that rounding has made negative
  }
  let d = g / (sqrt(v) + hyper.eps);
  if (MOMENTUM == 0u) { return weight - hyper.lr * d; }
  let b = hyper.momentum * s2[at] + d;
  s2[at] = b;
  return weight - hyper.lr * b;
}
