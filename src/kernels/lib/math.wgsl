// Functions of f32 that are as accurate as f32 allows on every conforming driver.
//
// WGSL promises of its builtins only correctly rounded + - * fma, 2.5 ulp for division, and next to nothing for the rest:
// exp 3 + 2 |x| ulp, log 2^-21 near 1, sin and cos 2^-11, tanh 1e-5; and it lets a compiler assume that there are no NaNs
// and infinities, reorder sums, and fuse products into them or not. So these functions reduce the argument exactly,
// sum a minimax polynomial (fitted for this file by Lawson's iteration, coefficients rounded one after the other), and test
// and choose by bits. With each goes the largest error found, in units of the last place: over a tenth of a percent of all
// floats, compiled for a processor with products fused and not, and on Mesa, which reorders sums. Under a compiler that is
// allowed everything (-ffast-math), it was one ulp more at most, but for powers and the tail of erfc, where it is stated. It is
// for correctly rounded divisions and square roots, of which WGSL allows each 2 ulp more. A result below 2^-126 may be 0.

const INFINITY_BITS = 0x7f800000u;
const NAN_BITS = 0x7fc00000u;
const SIGN_BIT = 0x80000000u;

fn isNan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > INFINITY_BITS;
}

fn isInf(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) == INFINITY_BITS;
}

fn isZero(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) == 0u;
}

// Whether neither is NaN.
fn ordered(a: f32, b: f32) -> bool {
  return !isNan(a) && !isNan(b);
}

// y, or the float of `bits` where `condition` holds: an infinity or a NaN, which cannot be written as a literal.
fn orBits(y: f32, bits: u32, condition: bool) -> f32 {
  return bitcast<f32>(select(bitcast<u32>(y), bits, condition));
}

// y, or x where x is NaN.
fn keepNan(y: f32, x: f32) -> f32 {
  return orBits(y, bitcast<u32>(x), isNan(x));
}

// |y| with the sign of x, zeros and NaNs included.
fn copySign(y: f32, x: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(y) & ~SIGN_BIT) | (bitcast<u32>(x) & SIGN_BIT));
}

// The larger of two, NaN if either is.
fn nanMax(a: f32, b: f32) -> f32 {
  return keepNan(keepNan(select(b, a, a > b), b), a);
}

// The smaller of two, NaN if either is.
fn nanMin(a: f32, b: f32) -> f32 {
  return keepNan(keepNan(select(b, a, a < b), b), a);
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

// The 12 leading bits of x's significand, so that products of two such numbers are exact.
fn leadingBits(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
}

// small / large in [0, 1], for 0 <= small <= large: 0 / 0 is 0 and infinity / infinity is 1.
fn ratio(small: f32, large: f32) -> f32 {
  // WGSL promises a division's accuracy for divisors up to 2^126.
  let scale = select(1.0, 0.25, large > 0x1p125);
  let quotient = (scale * small) / (scale * large);
  return select(select(quotient, 1.0, isInf(small)), 0.0, small == 0.0);
}

// sqrt(a^2 + b^2)
fn hypot(a: f32, b: f32) -> f32 {
  let large = max(abs(a), abs(b));
  let t = ratio(min(abs(a), abs(b)), large);
  return orBits(keepNan(keepNan(large * sqrt(fma(t, t, 1.0)), a), b), INFINITY_BITS, isInf(a) || isInf(b));
}

// exp(x + tail) = 2^n * (1 + q) with q in [-0.3, 0.42], and n as what it adds to a float's exponent.
struct ExpParts { exponent: u32, q: f32 }

fn expParts(x: f32, tail: f32) -> ExpParts {
  let n = round((x + tail) * 1.44269504);
  let bits = bitcast<u32>(n + 12582912.0); // 1.5 * 2^23 puts n into the last bits
  // ln 2 in two parts; n times the first is exact. The second is multiplied by n from the bits, since compilers (Mesa's) make
  // n * (a + b) of n * a + n * b.
  let r = fma(f32(bitcast<i32>(bits) - 0x4b400000), -1.4286068e-6, fma(n, -0.693145751953125, x)) + tail;
  let p = fma(fma(fma(fma(1.3819784e-3, r, 8.368687e-3), r, 0.041668277), r, 0.16666521), r, 0.49999994);
  return ExpParts(bits << 23u, fma(r * r, p, r));
}

// exp(x + tail), where tail is far smaller.
fn expSum(x: f32, tail: f32) -> f32 {
  let parts = expParts(x, tail);
  let bits = min(bitcast<u32>(1.0 + parts.q) + parts.exponent, INFINITY_BITS);
  let bounded = select(select(bits, 0u, x + tail < -87.33654), INFINITY_BITS, x + tail > 88.72284);
  return keepNan(bitcast<f32>(bounded), x);
}

// exp(x): 1.8 ulp.
fn preciseExp(x: f32) -> f32 {
  return expSum(x, 0.0);
}

// 2^x: 1.9 ulp.
fn preciseExp2(x: f32) -> f32 {
  let n = round(x);
  let r = x - n;
  // r ln 2 as a sum of an exact product and the rest; 0.69305419921875 is the first 12 bits of ln 2.
  let high = leadingBits(r);
  let parts = expParts(high * 0.69305419921875, fma(r - high, 0.6931472, high * 9.298134e-5));
  let y = bitcast<f32>(bitcast<u32>(1.0 + parts.q) + parts.exponent + (bitcast<u32>(n + 12582912.0) << 23u));
  return keepNan(orBits(orBits(y, 0u, x < -126.0), INFINITY_BITS, x >= 128.0), x);
}

// exp(x) - 1, right near 0: 1.6 ulp.
fn expm1(x: f32) -> f32 {
  let parts = expParts(max(x, -20.0), 0.0);
  let half = bitcast<f32>(0x3f000000u + parts.exponent); // of 2^n, which may be infinite where the result is not
  let y = 2.0 * fma(half, parts.q, half - 0.5);
  // Half of a value near 2^-126 may be flushed to 0.
  return orBits(orBits(y, INFINITY_BITS, x > 88.72284), bitcast<u32>(x), abs(x) < 1e-10 || isNan(x));
}

// x = 2^k * (1 + f) with f in [-1/3, 1/3], for a positive finite x.
struct LogParts { k: f32, f: f32 }

fn logParts(x: f32) -> LogParts {
  // A subnormal is read as the integer that it is times 2^-149.
  let subnormal = bitcast<u32>(x) < 0x00800000u;
  let bits = select(bitcast<u32>(x), bitcast<u32>(f32(bitcast<u32>(x))), subnormal);
  let k = (bitcast<i32>(bits) - 0x3f2aaaab) >> 23u; // 2/3
  return LogParts(f32(k) - select(0.0, 149.0, subnormal), bitcast<f32>(bits - (bitcast<u32>(k) << 23u)) - 1.0);
}

// (log(1 + f) - f + f^2 / 2) / f^2
fn logRest(f: f32) -> f32 {
  var p = fma(0.119584665, f, -0.12830117);
  p = fma(p, f, 0.10769555);
  p = fma(p, f, -0.121994175);
  p = fma(p, f, 0.14302717);
  p = fma(p, f, -0.16679296);
  p = fma(p, f, 0.19999681);
  p = fma(p, f, -0.24999827);
  return fma(p, f, 0.33333334) * f;
}

// k ln 2 + log(1 + f); the rounded ln 2 is right to 29 bits.
fn logOfParts(k: f32, f: f32) -> f32 {
  return fma(k, 0.6931472, fma(f * f, logRest(f) - 0.5, f));
}

// y, which is the logarithm of x, or what it is at 0, below 0, infinity and NaN.
fn logEdges(y: f32, x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let finite = orBits(orBits(y, NAN_BITS, bits > SIGN_BIT), INFINITY_BITS | SIGN_BIT, isZero(x));
  return orBits(finite, bits, bits == INFINITY_BITS || isNan(x));
}

// Natural logarithm: 1.1 ulp.
fn preciseLog(x: f32) -> f32 {
  let parts = logParts(x);
  return logEdges(logOfParts(parts.k, parts.f), x);
}

// Logarithm to base 2, exact for powers of two: 2.2 ulp.
fn preciseLog2(x: f32) -> f32 {
  let parts = logParts(x);
  return logEdges(fma(logOfParts(0.0, parts.f), 1.44269504, parts.k), x);
}

// Logarithm to base 10: 2.7 ulp.
fn preciseLog10(x: f32) -> f32 {
  return preciseLog(x) * 0.43429448;
}

// log(1 + x), right near 0: 1.6 ulp.
fn log1p(x: f32) -> f32 {
  let k = (bitcast<i32>(1.0 + x) - 0x3f2aaaab) >> 23u;
  // (1 + x) / 2^k - 1 without the rounding of 1 + x: x / 2^k, which is exact, plus 1 / 2^k - 1, which is made of integers where
  // a compiler must not add in another order.
  let scaled = bitcast<f32>(bitcast<u32>(x) - (bitcast<u32>(k) << 23u));
  let shift = bitcast<f32>(u32(max(127 - k, 0)) << 23u) - 1.0;
  let wholeShift = f32((1u << u32(clamp(-k, 0, 24))) - 1u);
  return logEdges(logOfParts(f32(k), scaled + select(wholeShift, shift, k > 0)), 1.0 + x);
}

// tanh(x): 2.5 ulp.
fn preciseTanh(x: f32) -> f32 {
  let t = expm1(-2.0 * abs(x));
  return keepNan(copySign(t / (t + 2.0), x), x);
}

// exp(|x|) / 2, finite where sinh(x) and cosh(x) are.
fn halfExp(x: f32) -> f32 {
  let root = preciseExp(0.5 * abs(x));
  return bitcast<f32>(bitcast<u32>(root) - 0x00800000u) * root; // the first is half of the root
}

// sinh(x): 2.7 ulp.
fn preciseSinh(x: f32) -> f32 {
  let t = expm1(abs(x));
  return keepNan(copySign(select(0.5 * (t + t / (t + 1.0)), halfExp(x), abs(x) > 20.0), x), x);
}

// cosh(x): 2.7 ulp.
fn preciseCosh(x: f32) -> f32 {
  let half = halfExp(x);
  return keepNan(half + 0.25 / half, x);
}

// 1 / (1 + exp(-x)): 2.1 ulp.
fn sigmoid(x: f32) -> f32 {
  let e = preciseExp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)): 2.1 ulp.
fn softplus(x: f32) -> f32 {
  return keepNan(max(x, 0.0) + log1p(preciseExp(-abs(x))), x);
}

// log(exp(a) + exp(b))
fn logAddExp(a: f32, b: f32) -> f32 {
  let largest = nanMax(a, b);
  let distance = select(abs(a - b), 0.0, a == b); // infinity minus infinity
  return largest + log1p(preciseExp(-distance));
}

// erfc(x) for x >= 0: exp(-x^2) times a polynomial in (x - 3) / (x + 3), the substitution of Shepherd and Laframboise 1981,
// https://doi.org/10.1090/S0025-5718-1981-0595058-X. 6 ulp, and 60
// for a large x where a compiler adds in another order.
fn erfcOfPositive(a: f32) -> f32 {
  let x = min(a, 16.0); // infinity minus itself is no tail
  let t = 3.0 / (x + 3.0);
  let u = fma(-2.0, t, 1.0);
  var p = fma(-1.0454602e-4, u, -1.5592753e-4);
  p = fma(p, u, 1.0238456e-3);
  p = fma(p, u, -4.1368665e-4);
  p = fma(p, u, -8.94588e-3);
  p = fma(p, u, 0.039844543);
  p = fma(p, u, -0.10348874);
  p = fma(p, u, 0.19674261);
  p = fma(p, u, -0.29446483);
  p = fma(p, u, 0.3580023);
  let high = leadingBits(x);
  return expSum(-high * high, (high - x) * (high + x)) * t * p;
}

// erf(x) for |x| below 3/4
fn erfNear0(x: f32) -> f32 {
  let s = x * x;
  let p = fma(fma(fma(fma(-6.737584e-4, s, 5.113157e-3), s, -0.026834335), s, 0.11283379), s, -0.3761262);
  return fma(x, fma(p, s, 0.12837917), x);
}

// 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x: 1.9 ulp.
fn erf(x: f32) -> f32 {
  let far = copySign(1.0 - erfcOfPositive(abs(x)), x);
  return keepNan(select(far, erfNear0(x), abs(x) < 0.75), x);
}

// 1 - erf(x): 6 ulp.
fn erfc(x: f32) -> f32 {
  let y = erfcOfPositive(abs(x));
  return keepNan(select(select(y, 2.0 - y, x < 0.0), 1.0 - erfNear0(x), abs(x) < 0.75), x);
}

// What erf gives x for, infinite at -1 and 1: a first guess (Winitzki 2008) that is 0.2 % off, and a step of Halley's method, after which
// it is 1.5e-7. 4 ulp.
fn erfinv(x: f32) -> f32 {
  let a = abs(x);
  let l = log1p(-a * a);
  let t = fma(0.5, l, 4.3307467); // 2 / (0.147 pi)
  let root = sqrt(fma(t, t, -6.802721 * l)); // 1 / 0.147
  let guess = sqrt(-6.802721 * l / (root + t));
  let error = select(erf(guess) - a, (1.0 - a) - erfc(guess), a > 0.5);
  let u = 0.88622693 * error * preciseExp(guess * guess);
  let y = guess - u / fma(guess, u, 1.0);
  return keepNan(copySign(orBits(orBits(y, INFINITY_BITS, a == 1.0), NAN_BITS, a > 1.0), x), x);
}
