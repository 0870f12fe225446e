// As max-pool.wgsl, for windows of 2 x 2 that lie side by side and cover x: a thread computes as many elements of y as there
// are windows in T, without a division or a test for each.
//
//   x, dx          : [planes, 2 * rows, 2 * cols], in Ts
//   y, indices, dy : [planes, rows, cols], in Hs
//
// Appended: alias T of WIDTH elements; aliases H, I and U of half as many f32, i32 and u32; fn evens(v: T) -> H, its elements at
// 0, 2, ...; fn odds(v: T) -> H; fn interleave(evens: H, odds: H) -> T; const PLACES: I = 0, 2, ...

struct Params {
  rows: u32,
  width: u32, // Ts in a row of x, and Hs in a row of y
  lines: u32, pieces: u32, run: u32, // lib/runs.ts
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<H>;
@group(0) @binding(2) var<storage, read_write> indices: array<I>;
@group(0) @binding(3) var<storage, read> dy: array<H>;
@group(0) @binding(4) var<storage, read> chosen: array<I>; // indices
@group(0) @binding(5) var<storage, read_write> dx: array<T>;

const THREADS = 64u;

struct Best { value: H, at: I }

fn larger(best: Best, value: H, at: I) -> Best {
  let nan = (bitcast<U>(value) & U(0x7fffffffu)) > U(INFINITY_BITS);
  let wasNan = (bitcast<U>(best.value) & U(0x7fffffffu)) > U(INFINITY_BITS);
  let better = nan | ((value > best.value) & !wasNan);
  return Best(select(best.value, value, better), select(best.at, at, better));
}

// A thread per run of a row of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.pieces; i += groups.x * THREADS) {
    let line = i / params.pieces;
    let below = i32(params.width * WIDTH);
    let row = 2 * i32(line % params.rows) * below;
    let first = (i - line * params.pieces) * params.run;
    for (var column = first; column < min(first + params.run, params.width); column++) {
      let top = x[2u * line * params.width + column];
      let bottom = x[(2u * line + 1u) * params.width + column];
      let at = PLACES + (row + i32(column * WIDTH));
      var best = larger(Best(evens(top), at), odds(top), at + 1);
      best = larger(best, evens(bottom), at + below);
      best = larger(best, odds(bottom), at + (below + 1));
      y[line * params.width + column] = best.value;
      indices[line * params.width + column] = best.at;
    }
  }
}

// A thread per run of a row of dy.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.pieces; i += groups.x * THREADS) {
    let line = i / params.pieces;
    let below = i32(params.width * WIDTH);
    let row = 2 * i32(line % params.rows) * below;
    let first = (i - line * params.pieces) * params.run;
    for (var column = first; column < min(first + params.run, params.width); column++) {
      let at = chosen[line * params.width + column] - PLACES - (row + i32(column * WIDTH));
      let d = dy[line * params.width + column];
      let zero = H();
      dx[2u * line * params.width + column] = interleave(select(zero, d, at == I()), select(zero, d, at == I(1)));
      dx[(2u * line + 1u) * params.width + column] =
        interleave(select(zero, d, at == I(below)), select(zero, d, at == I(below + 1)));
    }
  }
}
