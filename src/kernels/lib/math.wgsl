// Functions that WGSL lacks or leaves inexact. Builtins may assume that there are no NaNs, so these test bits.

fn isNan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn isInf(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u;
}

// The larger of two, NaN if either is.
fn nanMax(a: f32, b: f32) -> f32 {
  return select(select(b, a, a > b), a + b, isNan(a) || isNan(b));
}

// The smaller of two, NaN if either is.
fn nanMin(a: f32, b: f32) -> f32 {
  return select(select(b, a, a < b), a + b, isNan(a) || isNan(b));
}

// Cut towards zero, held to the range; NaN gives 0. WGSL's own conversion leaves NaN to the implementation.
fn floatToI32(x: f32) -> i32 {
  if (isNan(x)) { return 0; }
  if (x >= 2147483648.0) { return 2147483647; }
  if (x <= -2147483648.0) { return i32(-2147483647 - 1); }
  return i32(x);
}

fn floatToU32(x: f32) -> u32 {
  if (isNan(x) || x <= 0.0) { return 0u; }
  if (x >= 4294967296.0) { return 4294967295u; }
  return u32(x);
}
