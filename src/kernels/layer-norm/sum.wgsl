// The rows of layer-norm.wgsl are h = residual + dropout(branch); x is h as forward wrote it.
//
//   branch, residual, h, dbranch : [rows, cols]     the gradient of h, and of the residual, is dx
//
// dropout multiplies by `scale` where the element's random word is at least `threshold`, and gives 0 elsewhere; with a
// threshold of 0 it changes nothing, and randomState is not read.

// 13 to 15 belong to the libraries and to params.
@group(0) @binding(11) var<storage, read> branch: array<T>;
@group(0) @binding(12) var<storage, read> residual: array<T>;
@group(0) @binding(16) var<storage, read_write> h: array<T>;
@group(0) @binding(17) var<storage, read_write> dbranch: array<T>;

// v, the i-th T, after dropout. Its words are those that dropout.wgsl draws.
fn dropped(v: T, i: u32) -> T {
  if (params.threshold == 0u) { return v; }
  let pair = i * WIDTH / 2u;
  let words = fromPairs(randomPair(params.stream, pair), randomPair(params.stream, pair + 1u), i);
  return select(T(), v * params.scale, words >= U(params.threshold));
}

fn input(i: u32) -> T {
  return residual[i] + dropped(branch[i], i);
}

fn keepInput(i: u32, v: T) {
  h[i] = v;
}

fn keptInput(i: u32) -> T {
  return h[i];
}

fn putGradient(i: u32, v: T) {
  dx[i] = v;
  dbranch[i] = dropped(v, i);
}
