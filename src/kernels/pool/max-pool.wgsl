// y = the largest element of each window over the last two axes, NaN if one is; dx = the sum of dy over the windows whose
// largest element this is.
//
//   x, dx          : [planes, size.x, size.y]
//   y, indices, dy : [planes, out.x, out.y]      indices of the largest elements in their plane, the first of equal ones and the
//                                                last NaN, as in PyTorch; -1 for a window that lies in the padding
//
// Appended: windows.wgsl, with Params and windows.

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> indices: array<i32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> chosen: array<i32>; // indices
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;
const LANES = 8u;

// A thread per run of a row of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.pieces; i += groups.x * THREADS) {
    let line = i / params.pieces;
    let plane = line / params.out.x;
    let rows = window(line - plane * params.out.x, 0u);
    let first = (i - line * params.pieces) * params.run;
    for (var column = first; column < min(first + params.run, params.out.y); column++) {
      let columns = window(column, 1u);
      var best = orBits(0.0, INFINITY_BITS | SIGN_BIT, true);
      var at = -1;
      for (var j = 0u; j < ROWS; j++) {
        if (isOver(rows, j, ROWS)) { break; }
        for (var k = 0u; k < COLUMNS; k++) {
          if (isOver(columns, k, COLUMNS)) { break; }
          if (isInside(rows, j, 0u) && isInside(columns, k, 1u)) {
            let here = (rows.first + j * rows.step) * params.size.y + columns.first + k * columns.step;
            let value = x[plane * params.size.x * params.size.y + here];
            if (isNan(value) || at < 0 || (value > best && !isNan(best))) {
              best = value;
              at = i32(here);
            }
          }
        }
      }
      y[line * params.out.y + column] = best;
      indices[line * params.out.y + column] = at;
    }
  }
}

// A thread per run of a row of dx.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.pieces; i += groups.x * THREADS) {
    let line = i / params.pieces;
    let plane = line / params.size.x;
    let row = line - plane * params.size.x;
    let rows = windowsOver(row, 0u);
    let first = (i - line * params.pieces) * params.run;
    for (var column = first; column < min(first + params.run, params.size.y); column++) {
      let columns = windowsOver(column, 1u);
      let here = i32(row * params.size.y + column);
      var sum = 0.0;
      for (var r = rows.first; r < rows.end; r++) {
        for (var c = columns.first; c < columns.end; c++) {
          let o = (plane * params.out.x + r) * params.out.y + c;
          sum += select(0.0, dy[o], chosen[o] == here);
        }
      }
      dx[line * params.size.y + column] = sum;
    }
  }
}

// As backward, into a dx of zeros. A thread per plane, for few but fast ones.
@compute @workgroup_size(LANES)
fn backwardPlanes(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var plane = gid.x; plane < params.lines / params.size.x; plane += groups.x * LANES) {
    let first = plane * params.size.x * params.size.y;
    for (var o = plane * params.out.x * params.out.y; o < (plane + 1u) * params.out.x * params.out.y; o++) {
      let at = chosen[o];
      if (at >= 0) { dx[first + u32(at)] += dy[o]; }
    }
  }
}

// y = x where the indices point. A thread per element of y.
@compute @workgroup_size(THREADS)
fn take(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.out.y; i += groups.x * THREADS) {
    let plane = i / (params.out.x * params.out.y);
    let at = chosen[i];
    y[i] = select(0.0, x[plane * params.size.x * params.size.y + u32(max(at, 0))], at >= 0);
  }
}
