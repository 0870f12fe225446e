// The exponential moving average of weights, as an optimizer: it moves averages p towards weights g.
//
//   d = decay, or with warm-up min(decay, (1 + t) / (10 + t)) for the t-th update counted from 0
//   p = d p + (1 - d) g

struct Hyper { sign: f32, l2: f32, shrink: f32, take: f32 } // take = 1 - decay
struct Progress { @align(64) step: f32, take: f32 }

override WARMUP: u32;

fn next(now: Progress) -> Progress {
  let warm = 9.0 / (10.0 + now.step);
  return Progress(now.step + 1.0, select(hyper.take, max(hyper.take, warm), WARMUP == 1u));
}

fn change(at: u32, weight: T, g: T, now: Progress) -> T {
  return weight + now.take * (g - weight);
}
