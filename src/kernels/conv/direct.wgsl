// Convolutions, element by element: the interface of the three maps, and what computes them where the channels of a group are
// too few for matrix products.
//
//   y[i, co, oy, ox] = bias[co] + sum over ci, ky, kx of
//                      x[i, ci, oy * stride - pad + ky * dilation, ox * stride - pad + kx * dilation] * weight[co, ci, ky, kx]
//
// within each of `groups` groups of channels; x counts as 0 outside.
//
//   x : [n, groups * ci, height, width]      weight : [groups * co, ci, kernelHeight, kernelWidth]
//   y : [n, groups * co, outHeight, outWidth]
//   forward        : out = y                                bias : [groups * co]
//   backwardInput  : out = x's gradient, given y's as y;    bias : [groups * ci]
//   backwardWeight : out = weight's gradient, given y's as y, in `splits` parts of the sum: [splits, ...weight]

struct Params {
  n: u32, groups: u32, ci: u32, co: u32, // channels of a group
  height: u32, width: u32, outHeight: u32, outWidth: u32, kernelHeight: u32, kernelWidth: u32,
  strideY: u32, strideX: u32, padY: u32, padX: u32, dilationY: u32, dilationX: u32,
  hasBias: u32,
  splits: u32, chunk: u32, // positions of y, over all of the batch, in a part
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const THREADS = 64u;

fn ceilDiv(a: u32, b: u32) -> u32 {
  return (a + b - 1u) / b;
}

// A thread per four neighbours in a plane of y.
@compute @workgroup_size(THREADS)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let plane = params.outHeight * params.outWidth;
  let inPlane = params.height * params.width;
  let quads = ceilDiv(plane, 4u);
  let channels = params.groups * params.co;
  for (var i = gid.x; i < params.n * channels * quads; i += groups.x * THREADS) {
    let line = i / quads;
    let p = 4u * (i - line * quads) + vec4u(0, 1, 2, 3);
    let image = line / channels;
    let channel = line - image * channels;
    // Positions before the first wrap round to large numbers.
    let top = p / params.outWidth * params.strideY - params.padY;
    let start = p % params.outWidth * params.strideX - params.padX;
    let first = (image * params.groups + channel / params.co) * params.ci * inPlane;
    var sums = vec4f(biasAt(channel));
    for (var ky = 0u; ky < params.kernelHeight; ky++) {
      let row = top + ky * params.dilationY;
      for (var kx = 0u; kx < params.kernelWidth; kx++) {
        let col = start + kx * params.dilationX;
        let isInside = (row < vec4u(params.height)) & (col < vec4u(params.width));
        var at = first + row * params.width + col;
        for (var c = 0u; c < params.ci; c++) {
          let value = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
          sums += weight[weightAt(channel, c, ky, kx)] * select(vec4f(), value, isInside);
          at += inPlane;
        }
      }
    }
    store(line * plane, p, plane, sums);
  }
}

// A thread per four neighbours in a plane of x.
@compute @workgroup_size(THREADS)
fn backwardInput(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let plane = params.height * params.width;
  let outPlane = params.outHeight * params.outWidth;
  let quads = ceilDiv(plane, 4u);
  let channels = params.groups * params.ci;
  for (var i = gid.x; i < params.n * channels * quads; i += groups.x * THREADS) {
    let line = i / quads;
    let p = 4u * (i - line * quads) + vec4u(0, 1, 2, 3);
    let image = line / channels;
    let channel = line - image * channels;
    let group = channel / params.ci;
    let top = p / params.width + params.padY;
    let start = p % params.width + params.padX;
    let first = (image * params.groups + group) * params.co * outPlane;
    var sums = vec4f(biasAt(channel));
    for (var ky = 0u; ky < params.kernelHeight; ky++) {
      let y0 = top - ky * params.dilationY;
      let row = y0 / params.strideY;
      let isRow = (row < vec4u(params.outHeight)) & (row * params.strideY == y0);
      for (var kx = 0u; kx < params.kernelWidth; kx++) {
        let x0 = start - kx * params.dilationX;
        let col = x0 / params.strideX;
        let isInside = isRow & (col < vec4u(params.outWidth)) & (col * params.strideX == x0);
        var at = first + row * params.outWidth + col;
        for (var c = 0u; c < params.co; c++) {
          let value = vec4f(y[at.x], y[at.y], y[at.z], y[at.w]);
          sums += weight[weightAt(group * params.co + c, channel - group * params.ci, ky, kx)] * select(vec4f(), value, isInside);
          at += outPlane;
        }
      }
    }
    store(line * plane, p, plane, sums);
  }
}

// A thread per element of weight and part.
@compute @workgroup_size(THREADS)
fn backwardWeight(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let plane = params.outHeight * params.outWidth;
  let inPlane = params.height * params.width;
  let taps = params.kernelHeight * params.kernelWidth;
  let size = params.groups * params.co * params.ci * taps;
  for (var i = gid.x; i < size * params.splits; i += groups.x * THREADS) {
    let part = i / size;
    let element = i - part * size;
    let tap = element % taps;
    let c = element / taps % params.ci;
    let channel = element / taps / params.ci;
    let top = tap / params.kernelWidth * params.dilationY - params.padY;
    let start = tap % params.kernelWidth * params.dilationX - params.padX;
    let begin = part * params.chunk;
    let end = min(begin + params.chunk, params.n * plane);
    var image = begin / plane;
    var oy = (begin - image * plane) / params.outWidth;
    var ox = (begin - image * plane) % params.outWidth;
    var sum = 0.0;
    for (var p = begin; p < end; p++) {
      let row = top + oy * params.strideY;
      let col = start + ox * params.strideX;
      if (row < params.height && col < params.width) {
        let line = image * params.groups + channel / params.co;
        sum += x[(line * params.ci + c) * inPlane + row * params.width + col]
             * y[((image * params.groups * params.co + channel) * params.outHeight + oy) * params.outWidth + ox];
      }
      ox++;
      if (ox == params.outWidth) { ox = 0u; oy++; }
      if (oy == params.outHeight) { oy = 0u; image++; }
    }
    out[i] = sum;
  }
}

fn biasAt(channel: u32) -> f32 {
  if (params.hasBias == 0u) { return 0.0; }
  return bias[channel];
}

fn weightAt(channel: u32, c: u32, ky: u32, kx: u32) -> u32 {
  return ((channel * params.ci + c) * params.kernelHeight + ky) * params.kernelWidth + kx;
}

fn store(start: u32, p: vec4u, plane: u32, sums: vec4f) {
  for (var j = 0u; j < 4u; j++) {
    if (p[j] < plane) { out[start + p[j]] = sums[j]; }
  }
}
