// Powers and remainders of f32, as C defines them; written by the rules of math.wgsl, which they need.

// a^b for a >= 0: 6.1 ulp, and 230 where a compiler adds in another order. The logarithm of a is a sum of two floats of which the
// first has 12 bits, and so is b, so that the product of the firsts is exact.
fn powOfPositive(a: f32, b: f32) -> f32 {
  let parts = logParts(a);
  let f = parts.f;
  let first = leadingBits(f);
  let whole = parts.k * 0.693145751953125; // exact
  let rest = f * f * logRest(f);
  let high = leadingBits(whole + f + (rest - 0.5 * f * f));
  let low = (whole - high + first - 0.5 * first * first) +
    (fma(parts.k, 1.4286068e-6, rest) + ((f - first) - 0.5 * (f - first) * (f + first)));
  let exponent = clamp(b, -1e30, 1e30);
  let bHigh = leadingBits(exponent);
  let product = clamp(bHigh * high, -200.0, 200.0);
  return expSum(product, clamp(fma(exponent - bHigh, high, exponent * low), -1.0, 1.0));
}

// a^b with pow(x, 0) = pow(1, x) = 1 for every x, NaN included; NaN for a negative a with a b that is not whole.
fn precisePow(a: f32, b: f32) -> f32 {
  let magnitude = abs(a);
  let negative = bitcast<u32>(a) >= SIGN_BIT;
  let whole = floor(b) == b;
  let odd = whole && floor(0.5 * b) != 0.5 * b;
  var y = powOfPositive(magnitude, b);
  y = orBits(y, select(INFINITY_BITS, 0u, b > 0.0), isZero(a));
  y = orBits(y, select(0u, INFINITY_BITS, b > 0.0), isInf(a));
  y = orBits(y, NAN_BITS, negative && !whole && !isZero(a) && !isInf(a));
  y = select(y, -y, negative && odd);
  return orBits(keepNan(keepNan(y, a), b), 0x3f800000u, bitcast<u32>(a) == 0x3f800000u || isZero(b));
}

// a^b, multiplied out for a whole b from 0 to 16, so that small powers are exact.
fn power(a: f32, b: f32) -> f32 {
  if (b == 0.5 && a >= 0.0) { return sqrt(a); }
  if (!(floor(b) == b && b >= 0.0 && b <= 16.0)) { return precisePow(a, b); }
  var y = 1.0;
  var square = a;
  for (var rest = u32(b); rest > 0u; rest >>= 1u) {
    if ((rest & 1u) == 1u) { y *= square; }
    square *= square;
  }
  return y;
}

// a - b * trunc(a / b), exact: division of the significands bit by bit. It has the sign of a.
fn fmod(a: f32, b: f32) -> f32 {
  let ua = bitcast<u32>(a) & ~SIGN_BIT;
  let ub = bitcast<u32>(b) & ~SIGN_BIT;
  let ea = max(ua >> 23u, 1u);
  let eb = max(ub >> 23u, 1u);
  let divisor = select(ub & 0x007fffffu, (ub & 0x007fffffu) | 0x00800000u, ub >= 0x00800000u);
  var rest = select(ua & 0x007fffffu, (ua & 0x007fffffu) | 0x00800000u, ua >= 0x00800000u);
  if (ua >= ub && divisor > 0u) {
    rest %= divisor;
    for (var shift = ea - eb; shift > 0u; shift -= min(shift, 8u)) { rest = (rest << min(shift, 8u)) % divisor; }
  }
  let exponent = select(ea, eb, ua >= ub);
  let y = f32(rest) * 0x1p-23 * bitcast<f32>(min(exponent, 254u) << 23u);
  let invalid = isNan(a) || isNan(b) || isInf(a) || ub == 0u;
  return orBits(copySign(select(y, abs(a), ua < ub), a), NAN_BITS, invalid);
}

// a - b * floor(a / b), exact but for one rounding. It has the sign of b.
fn remainder(a: f32, b: f32) -> f32 {
  let r = fmod(a, b);
  return select(r, r + b, r != 0.0 && (r < 0.0) != (b < 0.0));
}

// floor(a / b), exact below 2^20.
fn floorDivide(a: f32, b: f32) -> f32 {
  let r = fmod(a, b);
  let quotient = round((a - r) / b);
  return select(select(quotient, quotient - 1.0, r != 0.0 && (r < 0.0) != (b < 0.0)), a / b, b == 0.0);
}
