// Trigonometric functions of f32, right for every argument; written by the rules of math.wgsl, which they need.
// The errors are stated as there.

// |x| = (quadrant + r) * pi / 2 up to whole turns, with the angle r * pi / 2 in [-pi / 4, pi / 4].
struct Angle { quadrant: u32, radians: f32 }

// The bits of 2 / pi behind 32 zeros.
const TWO_OVER_PI = array<u32, 8>(
  0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);

// The upper word of a product.
fn multiplyHigh(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let middle = ah * bl + ((al * bl) >> 16u);
  return ah * bh + (middle >> 16u) + ((al * bh + (middle & 0xffffu)) >> 16u);
}

// Word `index` of 2 / pi shifted left by `shift` bits, 0 to 31.
fn twoOverPi(index: u32, shift: u32) -> u32 {
  return (TWO_OVER_PI[index] << shift) | ((TWO_OVER_PI[index + 1u] >> 1u) >> (31u - shift));
}

// Payne and Hanek's reduction (1983, https://doi.org/10.1145/1057600.1057602), in integers: the significand times the
// 96 bits of 2 / pi whose product with it is neither a multiple of 4 quadrants nor below 2^-62 of one.
fn reduceAngle(x: f32) -> Angle {
  let bits = bitcast<u32>(x) & ~SIGN_BIT;
  if (bits < 0x3f490fdbu) { return Angle(0u, abs(x)); } // pi / 4
  let significand = (bits & 0x007fffffu) | 0x00800000u;
  let position = (bits >> 23u) - 120u;
  let index = position >> 5u;
  let shift = position & 31u;
  let w1 = twoOverPi(index + 1u, shift);
  let low = significand * w1 + multiplyHigh(significand, twoOverPi(index + 2u, shift));
  let carry = select(0u, 1u, low < significand * w1);
  let high = significand * twoOverPi(index, shift) + multiplyHigh(significand, w1) + carry;
  // high : low are 2 bits of quadrant and 62 bits of fraction, which is read as a signed one.
  let negative = (high << 2u) >= SIGN_BIT;
  let flip = select(0u, 0xffffffffu, negative);
  let upper = ((high << 2u) | (low >> 30u)) ^ flip;
  let lower = (low << 2u) ^ flip;
  let fraction = fma(f32(upper), 0x1p-32, f32(lower) * 0x1p-64);
  return Angle((high >> 30u) + select(0u, 1u, negative), 1.57079637 * select(fraction, -fraction, negative));
}

// sin(r) for |r| up to pi / 4
fn sinNear0(r: f32) -> f32 {
  let s = r * r;
  let p = fma(fma(-1.9518285e-4, s, 8.332189e-3), s, -0.16666655);
  return fma(r * s, p, r);
}

// cos(r) for |r| up to pi / 4
fn cosNear0(r: f32) -> f32 {
  let s = r * r;
  let p = fma(fma(2.4432564e-5, s, -1.3887311e-3), s, 0.041666646);
  return fma(s * s, p, fma(-0.5, s, 1.0));
}

// sin(x): 2.6 ulp.
fn preciseSin(x: f32) -> f32 {
  let angle = reduceAngle(x);
  let y = select(sinNear0(angle.radians), cosNear0(angle.radians), (angle.quadrant & 1u) == 1u);
  let negative = ((angle.quadrant & 2u) != 0u) != (bitcast<u32>(x) >= SIGN_BIT);
  return orBits(select(y, -y, negative), NAN_BITS, isNan(x) || isInf(x));
}

// cos(x): 2.6 ulp.
fn preciseCos(x: f32) -> f32 {
  let angle = reduceAngle(x);
  let y = select(cosNear0(angle.radians), sinNear0(angle.radians), (angle.quadrant & 1u) == 1u);
  let negative = ((angle.quadrant + 1u) & 2u) != 0u;
  return orBits(select(y, -y, negative), NAN_BITS, isNan(x) || isInf(x));
}

// tan(x): 4.4 ulp.
fn preciseTan(x: f32) -> f32 {
  let angle = reduceAngle(x);
  let s = sinNear0(angle.radians);
  let c = cosNear0(angle.radians);
  let y = select(s / c, -c / s, (angle.quadrant & 1u) == 1u);
  return orBits(select(y, -y, bitcast<u32>(x) >= SIGN_BIT), NAN_BITS, isNan(x) || isInf(x));
}

// (asin(x) - x) / x for |x| up to 1/2, of s = x * x
fn asinRest(s: f32) -> f32 {
  var p = fma(0.042158399, s, 0.02418474);
  p = fma(p, s, 0.045469154);
  p = fma(p, s, 0.074953094);
  return fma(p, s, 0.16666752) * s;
}

// asin(x), and pi / 2 - 2 asin(sqrt((1 - |x|) / 2)) for |x| above 1/2: 2.3 ulp.
fn preciseAsin(x: f32) -> f32 {
  let a = abs(x);
  let near = a < 0.5;
  let s = select(0.5 - 0.5 * a, x * x, near);
  let r = select(sqrt(s), a, near);
  let y = fma(r, asinRest(s), r);
  return orBits(keepNan(copySign(select(1.57079637 - 2.0 * y, y, near), x), x), NAN_BITS, a > 1.0);
}

// pi / 2 - asin(x), and 2 asin(sqrt((1 - |x|) / 2)) for |x| above 1/2: 1.2 ulp.
fn preciseAcos(x: f32) -> f32 {
  let a = abs(x);
  let near = a < 0.5;
  let s = select(0.5 - 0.5 * a, x * x, near);
  let r = select(sqrt(s), x, near);
  let y = fma(r, asinRest(s), r);
  let far = select(2.0 * y, fma(-2.0, y, 3.14159274), x < 0.0);
  return orBits(keepNan(select(far, 1.57079637 - y, near), x), NAN_BITS, a > 1.0);
}

// atan(t) for t in [0, 1]
fn atanOfFraction(t: f32) -> f32 {
  let s = t * t;
  var p = fma(-1.7829288e-3, s, 0.010869041);
  p = fma(p, s, -0.031097434);
  p = fma(p, s, 0.057881657);
  p = fma(p, s, -0.083993137);
  p = fma(p, s, 0.10950881);
  p = fma(p, s, -0.14264016);
  p = fma(p, s, 0.1999853);
  p = fma(p, s, -0.333333);
  return fma(t * s, p, t);
}

// The angle of the point (x, y), from -pi to pi; zeros and infinities as in C: 1.8 ulp.
fn preciseAtan2(y: f32, x: f32) -> f32 {
  let ax = abs(x);
  let ay = abs(y);
  let first = atanOfFraction(ratio(min(ax, ay), max(ax, ay)));
  let octant = select(first, 1.57079637 - first, ay > ax);
  let angle = select(octant, 3.14159274 - octant, bitcast<u32>(x) >= SIGN_BIT);
  return keepNan(keepNan(copySign(angle, y), x), y);
}

// atan(x): 1.8 ulp.
fn preciseAtan(x: f32) -> f32 {
  return preciseAtan2(x, 1.0);
}
