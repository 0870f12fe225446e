// workgroupCombine: the values of a workgroup's lanes combined, as a tree in workgroup memory, in a fixed order.
// Every lane must call it, in uniform control flow; every lane gets the result.
//
// Needs alias S and fn combine(a: S, b: S) -> S.

override WG: u32 = 64;

var<workgroup> combined: array<S, WG>;

fn workgroupCombine(value: S, lane: u32) -> S {
  combined[lane] = value;
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { combined[lane] = combine(combined[lane], combined[lane + half]); }
  }
  workgroupBarrier();
  let total = combined[0];
  workgroupBarrier(); // the next call writes `combined`
  return total;
}
