// What a step makes of the scale of the loss, by PyTorch's rule:
//
//   a gradient was not finite : scale = scale * backoffFactor, steps = 0
//   else                      : steps = steps + 1; at growthInterval of them, scale = scale * growthFactor if that is finite, steps = 0
//
//   scaler : [scale, steps, whether an optimizer before this one found something, unused]
//   found  : [4], of which the first is what the gradients of this optimizer have left; it becomes 0

struct Params { growthFactor: f32, backoffFactor: f32, growthInterval: u32, isLast: u32 }
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> scaler: array<f32>;
@group(0) @binding(1) var<storage, read_write> found: array<u32>;

// One thread, for each optimizer of the step; the last has the rule applied.
@compute @workgroup_size(1)
fn update() {
  let isFound = found[0] != 0u || scaler[2] != 0.0;
  found[0] = 0u;
  if (params.isLast == 0u) {
    scaler[2] = f32(isFound);
    return;
  }
  let steps = select(scaler[1] + 1.0, 0.0, isFound);
  let grows = steps == f32(params.growthInterval);
  let grown = scaler[0] * params.growthFactor;
  if (isFound) { scaler[0] *= params.backoffFactor; }
  else if (grows && !isInf(grown)) { scaler[0] = grown; }
  scaler[1] = select(steps, 0.0, grows);
  scaler[2] = 0.0;
}
