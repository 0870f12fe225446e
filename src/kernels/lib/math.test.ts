/**
 * How far the functions of math.wgsl, trigonometry.wgsl, power.wgsl and activations.wgsl are from the truth on this adapter, over
 * floats of every exponent. The bounds are what the files state, plus 2 ulp where there is a division or a square root,
 * which WGSL allows.
 */
import { describe, expect, test } from "vitest";
import { randomNumbers } from "../../../test/check.ts";
import { dispatch, kernel } from "../../gpu/kernel.ts";
import { empty } from "../../tensor/tensor.ts";
import { tensor } from "../creation/creation.ts";
import { ACTIVATIONS, MATH, POWER, TRIGONOMETRY } from "./lib.ts";
import { erf, erfc, erfinv, floorDivide, pow, remainder, sigmoid, softplus } from "./math.reference.ts";

const DIVISION = 2;
const SMALLEST_NORMAL = 2 ** -126;
const LARGEST = 3.4028234663852886e38;

async function evaluate(expression: string, a: Float32Array, b = a): Promise<Float32Array> {
  const apply = kernel(
    `
struct Params { size: u32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
fn f(x: f32, z: f32) -> f32 { return ${expression}; }
@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) gid: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = gid.x; i < params.size; i += groups.x * 64u) { y[i] = f(a[i], b[i]); }
}`,
    { lib: [MATH, TRIGONOMETRY, POWER, ACTIVATIONS], name: expression },
  );
  const y = empty([a.length]);
  dispatch(apply, "forward", {
    bind: { a: tensor(a), b: tensor(b), y },
    params: { size: a.length },
    groups: Math.ceil(a.length / 64),
  });
  return (await y.data()) as Float32Array;
}

// The distance in units of the last place; subnormal results may be 0, and the largest floats may be infinite.
function ulps(actual: number, expected: number): number {
  if (Object.is(actual, expected) || actual === expected) return 0;
  if (expected === 0) return 1e9;
  const magnitude = Math.abs(expected);
  if (magnitude < 1.0001 * SMALLEST_NORMAL && Math.abs(actual) < 1.0001 * SMALLEST_NORMAL) return 0;
  if (magnitude > LARGEST && Math.abs(actual) === Number.POSITIVE_INFINITY)
    return actual > 0 === expected > 0 ? 0 : 1e9;
  const unit = 2 ** (Math.floor(Math.log2(Math.max(magnitude, SMALLEST_NORMAL))) - 23);
  const distance = Math.abs(actual - expected) / unit;
  return Number.isNaN(distance) ? 1e9 : distance;
}

function expectWithin(
  bound: number,
  actual: Float32Array,
  reference: (i: number) => number,
  what: (i: number) => string,
) {
  let worst = { distance: 0, message: "" };
  for (let i = 0; i < actual.length; i++) {
    const expected = reference(i);
    const distance = ulps(actual[i]!, expected);
    if (distance > worst.distance) worst = { distance, message: `${what(i)} is ${actual[i]}, expected ${expected}` };
  }
  expect(worst.distance, worst.message).toBeLessThan(bound);
}

// biome-ignore format: a table
const EDGES = [
  0, -0, 1, -1, 0.5, -0.5, 2, -2, 3, 0.75, -0.75, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN,
  LARGEST, -LARGEST, SMALLEST_NORMAL, -SMALLEST_NORMAL, 88.72283, 88.72285, -87.33654, 1e-10, 1e-4, -1e-4, 0.9999999,
  1.0000001, Math.PI / 4, Math.PI / 2, Math.PI, -Math.PI, 2 / 3, 4 / 3, -1 / 3, 1 / 3, -0.99999994, 127.99999, -126,
  16777216, 1e10, -1e30,
];

// A float of each 65,537th bit pattern: all exponents and both signs, with ever other significands. NaNs among them are
// made canonical, since hardware may change their bits. Subnormals are left out.
function everyKindOfFloat(): Float32Array {
  const patterns = Uint32Array.from({ length: 65_536 }, (_, i) => Math.imul(i, 65_537));
  const floats = new Float32Array(patterns.buffer).filter((x) => x === 0 || !(Math.abs(x) < SMALLEST_NORMAL));
  return Float32Array.from([...EDGES, ...floats]);
}

const X = everyKindOfFloat();

describe.each([
  ["preciseExp(x)", Math.exp, 1.8],
  ["preciseExp2(x)", (x: number) => 2 ** x, 1.9],
  ["expm1(x)", Math.expm1, 1.6],
  ["preciseLog(x)", Math.log, 1.1],
  ["preciseLog2(x)", Math.log2, 2.2],
  ["preciseLog10(x)", Math.log10, 2.7],
  ["log1p(x)", Math.log1p, 1.6],
  ["preciseTanh(x)", Math.tanh, 2.5 + DIVISION],
  ["preciseSinh(x)", Math.sinh, 2.7 + DIVISION],
  ["preciseCosh(x)", Math.cosh, 2.7 + DIVISION],
  ["sigmoid(x)", sigmoid, 2.1 + DIVISION],
  ["softplus(x)", softplus, 2.1],
  ["erf(x)", erf, 1.9],
  ["erfc(x)", erfc, 6 + DIVISION],
  ["erfinv(x)", erfinv, 4 + DIVISION],
  ["preciseSin(x)", Math.sin, 2.6],
  ["preciseCos(x)", Math.cos, 2.6],
  ["preciseTan(x)", Math.tan, 4.4 + DIVISION],
  ["preciseAsin(x)", Math.asin, 2.3 + DIVISION],
  ["preciseAcos(x)", Math.acos, 1.2 + DIVISION],
  ["preciseAtan(x)", Math.atan, 1.8 + DIVISION],
  ["elu(x, 1.0)", (x: number) => (x > 0 ? x : Math.expm1(x)), 1.6],
] as const)("%s", (expression, reference, bound) => {
  test("floats of every exponent", async () => {
    const y = await evaluate(expression, X);
    expectWithin(
      bound,
      y,
      (i) => reference(X[i]!),
      (i) => `${expression} at ${X[i]}`,
    );
  });
  test("floats around 1", async () => {
    const random = randomNumbers(1);
    const x = Float32Array.from({ length: 20_000 }, () => (random() - 0.5) * 2 ** Math.floor(12 * random() - 4));
    const y = await evaluate(expression, x);
    expectWithin(
      bound,
      y,
      (i) => reference(x[i]!),
      (i) => `${expression} at ${x[i]}`,
    );
  });
});

test("erfinv(x) of floats near 1", async () => {
  const random = randomNumbers(5);
  const x = Float32Array.from({ length: 20_000 }, () => 1 - (1 + random()) * 2 ** -Math.ceil(20 * random()));
  const y = await evaluate("erfinv(x)", x);
  expectWithin(
    4 + DIVISION,
    y,
    (i) => erfinv(x[i]!),
    (i) => `erfinv at ${x[i]}`,
  );
});

// Where the reduced angle is small, every bit of 2 / pi counts.
test.each([
  ["preciseSin(x)", Math.sin, 2.6],
  ["preciseCos(x)", Math.cos, 2.6],
  ["preciseTan(x)", Math.tan, 4.4 + DIVISION],
] as const)("%s near multiples of pi / 2", async (expression, reference, bound) => {
  const quarters = Array.from({ length: 20_000 }, (_, i) => (i < 10_000 ? i : Math.floor(2 ** (i / 157))));
  const x = Float32Array.from(quarters, (n) => (n * Math.PI) / 2);
  const y = await evaluate(expression, x);
  expectWithin(
    bound,
    y,
    (i) => reference(x[i]!),
    (i) => `${expression} at ${x[i]}`,
  );
});

test("logarithms of subnormals, where the adapter does not flush them", async () => {
  const x = Float32Array.of(1e-45, 1e-40, 1.1e-38, 5e-39);
  const y = await evaluate("preciseLog(x)", x);
  for (const [i, value] of y.entries()) {
    if (value !== Number.NEGATIVE_INFINITY) expect(ulps(value, Math.log(x[i]!)), `log(${x[i]})`).toBeLessThan(1.1);
  }
});

test.each([
  ["precisePow(x, z)", pow, 6.1],
  ["preciseAtan2(x, z)", Math.atan2, 1.8 + DIVISION],
  ["fmod(x, z)", (a: number, b: number) => a % b, 0.001],
  ["remainder(x, z)", remainder, 0.6],
] as const)("%s", async (expression, reference, bound) => {
  const random = randomNumbers(2);
  const pairs = EDGES.flatMap((a) => EDGES.map((b) => [a, b] as const));
  for (let i = 0; i < 10_000; i++) {
    pairs.push([2 ** (40 * random() - 20) * (random() < 0.5 ? -1 : 1), 60 * random() - 30]);
    pairs.push([1 + (random() - 0.5) * 2 ** (-20 * random()), 2 ** (28 * random()) * (random() < 0.5 ? -1 : 1)]);
    pairs.push([Math.floor(41 * random()) - 20, (Math.floor(81 * random()) - 40) / 2]);
    pairs.push([X[Math.floor(X.length * random())]!, X[Math.floor(X.length * random())]!]);
  }
  const a = Float32Array.from(pairs, ([x]) => x);
  const b = Float32Array.from(pairs, ([, z]) => z);
  const y = await evaluate(expression, a, b);
  expectWithin(
    bound,
    y,
    (i) => reference(a[i]!, b[i]!),
    (i) => `${expression} of ${a[i]} and ${b[i]}`,
  );
});

test("floorDivide(x, z), below 2^20", async () => {
  const random = randomNumbers(3);
  const a = Float32Array.from({ length: 20_000 }, () => (random() - 0.5) * 2 ** (20 * random()));
  const b = Float32Array.from(
    { length: 20_000 },
    (_, i) => (i % 2 ? Math.ceil(9 * random()) : 1 + random()) * (i % 3 ? 1 : -1),
  );
  const y = await evaluate("floorDivide(x, z)", a, b);
  expectWithin(
    0.001,
    y,
    (i) => floorDivide(a[i]!, b[i]!),
    (i) => `floorDivide of ${a[i]} and ${b[i]}`,
  );
});

// The formulas of PyTorch; below -3 the tails are far below the functions' scale.
test.each([
  ["gelu(x)", (x: number) => 0.5 * x * erfc(-x * Math.SQRT1_2), 1.5e-7],
  ["geluTanh(x)", (x: number) => x * sigmoid(Math.sqrt(8 / Math.PI) * (x + 0.044715 * x ** 3)), 1.5e-7],
  ["silu(x)", (x: number) => x * sigmoid(x), 1.5e-7],
  ["mish(x)", (x: number) => x * Math.tanh(softplus(x)), 1.5e-7],
] as const)("%s to 1.5e-7 of the larger of |x| and 1", async (expression, reference, bound) => {
  const x = Float32Array.from({ length: 40_001 }, (_, i) => (i - 20_000) / 1000);
  const y = await evaluate(expression, x);
  for (let i = 0; i < x.length; i++) {
    const expected = reference(x[i]!);
    const distance = Math.abs(y[i]! - expected) / Math.max(1, Math.abs(x[i]!));
    expect(distance, `${expression} at ${x[i]} is ${y[i]}, expected ${expected}`).toBeLessThan(bound);
  }
});
