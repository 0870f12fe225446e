// The function of combine-gpu.wgsl for a software adapter: the workgroup is one subgroup, whose lanes pass values by
// shuffles, and there is no barrier.

override WG: u32 = 8;

fn workgroupCombine(value: S, lane: u32) -> S {
  var total = value;
  for (var mask = WG / 2u; mask > 0u; mask /= 2u) { total = combine(total, subgroupShuffleXor(total, mask)); }
  return total;
}
