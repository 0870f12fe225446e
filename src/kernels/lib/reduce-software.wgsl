// The functions of reduce-gpu.wgsl for a software adapter: the workgroup is one subgroup, whose lanes are one vector
// register, so values are passed by shuffles and there is no barrier.

override WG: u32 = 8;

fn workgroupSum(value: f32, lane: u32) -> f32 {
  var total = value;
  for (var mask = WG / 2u; mask > 0u; mask /= 2u) { total += subgroupShuffleXor(total, mask); }
  return total;
}

fn workgroupMax(value: f32, lane: u32) -> f32 {
  var largest = value;
  for (var mask = WG / 2u; mask > 0u; mask /= 2u) { largest = nanMax(largest, subgroupShuffleXor(largest, mask)); }
  return largest;
}
