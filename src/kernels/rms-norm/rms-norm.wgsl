// y = x * rrms * weight along each row, where rrms = 1 / sqrt(mean(x²) + eps).
//
//   x, y, dy, dx : [rows, cols]
//   weight       : [cols]
//   rrms, saved  : [rows]           saved is what forward wrote to rrms
//   weightParts  : [parts, cols]    what rows p, p + parts, ... add to the gradient

struct Params { rows: u32, cols: u32, eps: f32, parts: u32 }
var<immediate> params: Params;

override HAS_WEIGHT: bool;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> weight: array<T>;
@group(0) @binding(2) var<storage, read> dy: array<T>;
@group(0) @binding(3) var<storage, read> saved: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<T>;
@group(0) @binding(5) var<storage, read_write> rrms: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<T>;
@group(0) @binding(7) var<storage, read_write> weightParts: array<T>;

const THREADS = 64u;

// A workgroup per row.
@compute @workgroup_size(WG)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  let cols = params.cols / WIDTH;
  for (var row = wid.x; row < params.rows; row += groups.x) {
    let start = row * cols;

    var squares = T();
    for (var c = lane; c < cols; c += WG) { squares += x[start + c] * x[start + c]; }
    let r = 1.0 / sqrt(workgroupSum(total(squares), lane) / f32(params.cols) + params.eps);

    for (var c = lane; c < cols; c += WG) {
      var v = x[start + c] * r;
      if (HAS_WEIGHT) { v *= weight[c]; }
      y[start + c] = v;
    }
    if (lane == 0u) { rrms[row] = r; }
  }
}

// The gradient of the normalised value at row start + c.
fn gradient(start: u32, c: u32) -> T {
  if (HAS_WEIGHT) { return dy[start + c] * weight[c]; }
  return dy[start + c];
}

// A workgroup per row. With n the normalised row and g = dy * weight:
//   dx = rrms * (g - n * avg(g * n))
@compute @workgroup_size(WG)
fn backwardInput(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                 @builtin(local_invocation_index) lane: u32) {
  let cols = params.cols / WIDTH;
  for (var row = wid.x; row < params.rows; row += groups.x) {
    let start = row * cols;
    let r = saved[row];

    var sumGN = T();
    for (var c = lane; c < cols; c += WG) { sumGN += gradient(start, c) * x[start + c] * r; }
    let avgGN = workgroupSum(total(sumGN), lane) / f32(params.cols);

    for (var c = lane; c < cols; c += WG) {
      dx[start + c] = r * (gradient(start, c) - x[start + c] * r * avgGN);
    }
  }
}

// A thread per part and column, so that neighbours read neighbours and many rows share few columns' work:
//   dweight = Σ dy * n over the part's rows
@compute @workgroup_size(THREADS)
fn backwardWeight(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let cols = params.cols / WIDTH;
  for (var i = gid.x; i < params.parts * cols; i += groups.x * THREADS) {
    var sum = T();
    for (var row = i / cols; row < params.rows; row += params.parts) {
      let at = row * cols + i % cols;
      sum += dy[at] * x[at] * saved[row];
    }
    weightParts[i] = sum;
  }
}
