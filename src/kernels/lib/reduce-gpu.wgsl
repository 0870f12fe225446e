// Reductions over a workgroup, in a fixed order: the lanes' values meet in workgroup memory as a tree.
// Every lane must call them, in uniform control flow; every lane gets the result.

override WG: u32 = 64;

var<workgroup> lanes: array<f32, WG>;

fn workgroupSum(value: f32, lane: u32) -> f32 {
  lanes[lane] = value;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { lanes[lane] += lanes[lane + half]; }
  }
  workgroupBarrier();
  let total = lanes[0];
  workgroupBarrier(); // the next reduction writes `lanes`
  return total;
}

// NaN if any value is.
fn workgroupMax(value: f32, lane: u32) -> f32 {
  lanes[lane] = value;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { lanes[lane] = nanMax(lanes[lane], lanes[lane + half]); }
  }
  workgroupBarrier();
  let largest = lanes[0];
  workgroupBarrier();
  return largest;
}
