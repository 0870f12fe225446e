// y = the sum over each window over the last two axes, divided by params.divisor, or where that is 0 by the number of the
// window's elements; dx = the sum of dy, so divided, over the windows that an element is in.
//
//   x, dx : [planes, size.x, size.y]      y, dy : [planes, out.x, out.y]
//
// Appended: windows.wgsl, with Params and windows; their dilation is 1.

override INCLUDE_PADDING: u32; // 1 if elements in the padding count

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

const THREADS = 64u;
const LANES = 8u;

// How many elements of a window count.
fn terms(o: u32, axis: u32) -> f32 {
  if (ADAPTIVE == 1u) { return f32(window(o, axis).count); }
  let size = params.size[axis] + params.padding[axis]; // counted with the padding before it
  let first = o * params.stride[axis];
  let end = first + params.kernel[axis];
  if (INCLUDE_PADDING == 1u) { return f32(min(end, size + params.padding[axis]) - first); }
  return f32(min(end, size) - max(first, params.padding[axis]));
}

// One over what the sums over windows of `rows` terms along the rows are divided by.
fn share(rows: f32, column: u32) -> f32 {
  return 1.0 / select(params.divisor, rows * terms(column, 1u), params.divisor == 0.0);
}

// A thread per run of a row of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.pieces; i += groups.x * THREADS) {
    let line = i / params.pieces;
    let plane = line / params.out.x;
    let row = line - plane * params.out.x;
    let rows = window(row, 0u);
    let height = terms(row, 0u);
    let first = (i - line * params.pieces) * params.run;
    for (var column = first; column < min(first + params.run, params.out.y); column++) {
      let columns = window(column, 1u);
      var sum = 0.0;
      for (var j = 0u; j < ROWS; j++) {
        if (isOver(rows, j, ROWS)) { break; }
        for (var k = 0u; k < COLUMNS; k++) {
          if (isOver(columns, k, COLUMNS)) { break; }
          if (isInside(rows, j, 0u) && isInside(columns, k, 1u)) {
            sum += x[(plane * params.size.x + rows.first + j) * params.size.y + columns.first + k];
          }
        }
      }
      y[line * params.out.y + column] = sum * share(height, column);
    }
  }
}

// A thread per run of a row of dx.
@compute @workgroup_size(THREADS)
fn backward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.lines * params.pieces; i += groups.x * THREADS) {
    let line = i / params.pieces;
    let plane = line / params.size.x;
    let rows = windowsOver(line - plane * params.size.x, 0u);
    let first = (i - line * params.pieces) * params.run;
    for (var column = first; column < min(first + params.run, params.size.y); column++) {
      let columns = windowsOver(column, 1u);
      var sum = 0.0;
      for (var r = rows.first; r < rows.end; r++) {
        let height = terms(r, 0u);
        for (var c = columns.first; c < columns.end; c++) {
          sum += dy[(plane * params.out.x + r) * params.out.y + c] * share(height, c);
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
    for (var row = 0u; row < params.out.x; row++) {
      let rows = window(row, 0u);
      let height = terms(row, 0u);
      for (var column = 0u; column < params.out.y; column++) {
        let columns = window(column, 1u);
        let d = dy[(plane * params.out.x + row) * params.out.y + column] * share(height, column);
        for (var j = 0u; j < ROWS; j++) {
          if (isOver(rows, j, ROWS)) { break; }
          for (var k = 0u; k < COLUMNS; k++) {
            if (isOver(columns, k, COLUMNS)) { break; }
            if (isInside(rows, j, 0u) && isInside(columns, k, 1u)) {
              dx[(plane * params.size.x + rows.first + j) * params.size.y + columns.first + k] += d;
            }
          }
        }
      }
    }
  }
}
