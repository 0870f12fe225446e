// y = (x - mean) * rstd * weight + bias along each row, where rstd = 1 / sqrt(variance + eps).
//
//   x, y, dy, dh, dx       : [rows, cols]     dh is what x's gradient gets from where else x goes
//   weight, bias           : [cols]
//   stats, saved           : [rows, 4]        (pivot, mean - pivot, rstd, unused); saved is what forward wrote to stats
//   weightParts, biasParts : [parts, cols]    what rows p, p + parts, ... add to the gradients
//
// The pivot is the row's first element. Where |mean| is much larger than std, a float32 mean has too few digits to be
// subtracted, while differences from the pivot are nearly exact.
//
// Where the rows come from and where their gradient goes is what given.wgsl and sum.wgsl say, one of which is appended:
//   fn input(i: u32) -> T             the i-th T of x
//   fn keepInput(i: u32, v: T)        has it ready for keptInput, in the same thread
//   fn keptInput(i: u32) -> T
//   fn putGradient(i: u32, v: T)

struct Params { rows: u32, cols: u32, eps: f32, parts: u32, stream: u32, threshold: u32, scale: f32 }
var<immediate> params: Params;

override HAS_WEIGHT: bool;
override HAS_BIAS: bool;
override HAS_DH: bool;

@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> weight: array<T>;
@group(0) @binding(2) var<storage, read> bias: array<T>;
@group(0) @binding(3) var<storage, read> dy: array<T>;
@group(0) @binding(4) var<storage, read> dh: array<T>;
@group(0) @binding(5) var<storage, read> saved: array<vec3f>;
@group(0) @binding(6) var<storage, read_write> y: array<T>;
@group(0) @binding(7) var<storage, read_write> stats: array<vec3f>;
@group(0) @binding(8) var<storage, read_write> dx: array<T>;
@group(0) @binding(9) var<storage, read_write> weightParts: array<T>;
@group(0) @binding(10) var<storage, read_write> biasParts: array<T>;

const THREADS = 64u;

// A workgroup per row.
@compute @workgroup_size(WG)
fn forward(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
  let cols = params.cols / WIDTH;
  let n = f32(params.cols);
  for (var row = wid.x; row < params.rows; row += groups.x) {
    let start = row * cols;
    let pivot = first(input(start));

    var sum = T();
    for (var c = lane; c < cols; c += WG) {
      let v = input(start + c);
      keepInput(start + c, v);
      sum += v - pivot;
    }
    let mean = workgroupSum(total(sum), lane) / n;

    // Two passes: E[x²] - E[x]² cancels when the pivot is far from the mean.
    var squares = T();
    for (var c = lane; c < cols; c += WG) {
      let d = keptInput(start + c) - pivot - mean;
      squares += d * d;
    }
    let rstd = 1.0 / sqrt(workgroupSum(total(squares), lane) / n + params.eps);

    for (var c = lane; c < cols; c += WG) {
      var v = (keptInput(start + c) - pivot - mean) * rstd;
      if (HAS_WEIGHT) { v *= weight[c]; }
      if (HAS_BIAS) { v += bias[c]; }
      y[start + c] = v;
    }
    if (lane == 0u) { stats[row] = vec3f(pivot, mean, rstd); }
  }
}

// x[i], normalised with its row's statistics.
fn normalized(i: u32, s: vec3f) -> T {
  return (x[i] - s.x - s.y) * s.z;
}

// The gradient of the normalised value at row start + c.
fn gradient(start: u32, c: u32) -> T {
  if (HAS_WEIGHT) { return dy[start + c] * weight[c]; }
  return dy[start + c];
}

// A workgroup per row. With n the normalised row and g = dy * weight:
//   dx = rstd * (g - avg(g) - n * avg(g * n)) + dh
@compute @workgroup_size(WG)
fn backwardInput(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u,
                 @builtin(local_invocation_index) lane: u32) {
  let cols = params.cols / WIDTH;
  for (var row = wid.x; row < params.rows; row += groups.x) {
    let start = row * cols;
    let s = saved[row];

    var sumG = T();
    var sumGN = T();
    for (var c = lane; c < cols; c += WG) {
      let g = gradient(start, c);
      sumG += g;
      sumGN += g * normalized(start + c, s);
    }
    let avgG = workgroupSum(total(sumG), lane) / f32(params.cols);
    let avgGN = workgroupSum(total(sumGN), lane) / f32(params.cols);

    for (var c = lane; c < cols; c += WG) {
      var v = s.z * (gradient(start, c) - avgG - normalized(start + c, s) * avgGN);
      if (HAS_DH) { v += dh[start + c]; }
      putGradient(start + c, v);
    }
  }
}

// A thread per part and column, so that neighbours read neighbours and many rows share few columns' work:
//   dweight = Σ dy * n, dbias = Σ dy, over the part's rows
@compute @workgroup_size(THREADS)
fn backwardAffine(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let cols = params.cols / WIDTH;
  for (var i = gid.x; i < params.parts * cols; i += groups.x * THREADS) {
    var sumW = T();
    var sumB = T();
    for (var row = i / cols; row < params.rows; row += params.parts) {
      let at = row * cols + i % cols;
      sumW += dy[at] * normalized(at, saved[row]);
      sumB += dy[at];
    }
    weightParts[i] = sumW;
    biasParts[i] = sumB;
  }
}
