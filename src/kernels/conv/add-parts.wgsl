// A weight's gradient from the parts of its sum, which are added in order.
//
//   parts  : [splits, partSize], of which a line of `line` elements belongs to each output channel
//   weight : [lines, channels, kernelHeight, kernelWidth]

struct Params {
  size: u32, splits: u32, partSize: u32, line: u32,
  channels: u32, kernelHeight: u32, kernelWidth: u32,
  channel: u32, tapRow: u32, tapCol: u32, // elements of a part between neighbours
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;

const THREADS = 64u;

// A thread per element.
@compute @workgroup_size(THREADS)
fn add(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * THREADS) {
    let tapCol = i % params.kernelWidth;
    let tapRow = i / params.kernelWidth % params.kernelHeight;
    let plane = i / params.kernelWidth / params.kernelHeight;
    let c = plane % params.channels;
    let at = plane / params.channels * params.line + c * params.channel + tapRow * params.tapRow + tapCol * params.tapCol;
    var sum = 0.0;
    for (var part = 0u; part < params.splits; part++) { sum += parts[part * params.partSize + at]; }
    weight[i] = sum;
  }
}
