// The gradient of a convolution's weight, element by element: the definition, and what computes it where the channels of a
// group are too few for a matrix product.
//
//   weight[co, ci, tap] = sum over images i and positions p of y[i, co, p] * source[i, ci, stride * p - pad + dilation * tap]
//
// along both axes, within each of `groups` groups of channels; the source counts as 0 outside.
//
//   source : [n, groups, ci, height, width]
//   y      : [n, groups, co, rows, cols]
//   parts  : [splits, groups, co, ci, kernelHeight, kernelWidth], whose sum over the parts of the positions is the gradient

struct Params {
  n: u32, groups: u32, ci: u32, co: u32,
  height: u32, width: u32, rows: u32, cols: u32, kernelHeight: u32, kernelWidth: u32,
  strideY: u32, strideX: u32, padY: u32, padX: u32, dilationY: u32, dilationX: u32,
  splits: u32, chunk: u32, // positions of a part, over all images
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;

const THREADS = 64u;

// A thread per element of the weight and part.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let plane = params.rows * params.cols;
  let taps = params.kernelHeight * params.kernelWidth;
  let channels = params.groups * params.co;
  let size = channels * params.ci * taps;
  for (var i = gid.x; i < size * params.splits; i += groups.x * THREADS) {
    let part = i / size;
    let element = i - part * size;
    let tap = element % taps;
    let c = element / taps % params.ci;
    let channel = element / taps / params.ci;
    // Positions before the first wrap round to large numbers.
    let top = tap / params.kernelWidth * params.dilationY - params.padY;
    let left = tap % params.kernelWidth * params.dilationX - params.padX;
    let begin = part * params.chunk;
    let end = min(begin + params.chunk, params.n * plane);
    var image = begin / plane;
    var row = begin / params.cols % params.rows;
    var col = begin % params.cols;
    var sum = 0.0;
    for (var p = begin; p < end; p++) {
      let sourceRow = top + row * params.strideY;
      let sourceCol = left + col * params.strideX;
      if (sourceRow < params.height && sourceCol < params.width) {
        let line = (image * params.groups + channel / params.co) * params.ci + c;
        sum += source[(line * params.height + sourceRow) * params.width + sourceCol]
             * y[(image * channels + channel) * plane + row * params.cols + col];
      }
      col++;
      if (col == params.cols) { col = 0u; row++; }
      if (row == params.rows) { row = 0u; image++; }
    }
    parts[i] = sum;
  }
}
