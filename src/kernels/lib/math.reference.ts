/** The definitions of what JavaScript's Math lacks, in float64, for references. */

const SERIES_BELOW = 2.5;
const FRACTION_TERMS = 100;

/**
 * 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
 *
 * @see https://dlmf.nist.gov/7.6 for the series, https://dlmf.nist.gov/7.9 for the continued fraction
 */
export function erf(x: number): number {
  if (Math.abs(x) >= SERIES_BELOW) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** 1 - erf(x), without the cancellation for a large x. */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (!(x >= SERIES_BELOW)) return 1 - erf(x);
  let fraction = x;
  for (let n = FRACTION_TERMS; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

/** What erf gives x for; by Newton's method in Halley's form, from Winitzki's guess. */
export function erfinv(x: number): number {
  const a = Math.abs(x);
  if (!(a < 1)) return a === 1 ? x / 0 : Number.NaN;
  const l = Math.log1p(-a * a);
  const t = 2 / (0.147 * Math.PI) + l / 2;
  let y = Math.sqrt(-l / 0.147 / (Math.sqrt(t * t - l / 0.147) + t));
  for (let step = 0; step < 4; step++) {
    const error = a > 0.5 ? 1 - a - erfc(y) : erf(y) - a;
    const u = (Math.sqrt(Math.PI) / 2) * error * Math.exp(y * y);
    y -= u / (1 + y * u);
  }
  return Math.sign(x) * y;
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** log(1 + exp(x)) */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** The nearest whole number, the even one of two. */
export function roundHalfEven(x: number): number {
  const rounded = Math.round(x);
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** As C has it, where JavaScript gives NaN: 1 for a base of 1, and for -1 with an infinite exponent. */
export function pow(a: number, b: number): number {
  return a === 1 || (a === -1 && !Number.isNaN(b) && !Number.isFinite(b)) ? 1 : a ** b;
}

/** a - b * floor(a / b) */
export function remainder(a: number, b: number): number {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
}

/** floor(a / b), of the quotient before it is rounded. */
export function floorDivide(a: number, b: number): number {
  if (b === 0) return a / b;
  const r = a % b;
  const quotient = Math.round((a - r) / b);
  return r !== 0 && r < 0 !== b < 0 ? quotient - 1 : quotient;
}
