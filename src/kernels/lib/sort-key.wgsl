// Unsigned integers in the order of the elements: NaN above all others, -0 equal to 0. Needs MATH.

const NAN_KEY = 0xffffffffu;

fn keyOfF32(x: f32) -> u32 {
  let bits = select(bitcast<u32>(x), 0u, bitcast<u32>(x) == SIGN_BIT);
  return select(select(bits | SIGN_BIT, ~bits, bits >= SIGN_BIT), NAN_KEY, isNan(x));
}

fn keyOfI32(x: i32) -> u32 {
  return bitcast<u32>(x) ^ SIGN_BIT;
}

fn keyOfU32(x: u32) -> u32 {
  return x;
}
