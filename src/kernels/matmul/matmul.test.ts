import fc from "fast-check";
import { expect, test } from "vitest";
import { type CheckOptions, checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import { type DifferentiableFunction, gradcheck, gradgradcheck } from "../../autograd/gradcheck.ts";
import { noGrad } from "../../autograd/record.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed, withDevice } from "../../tensor/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor } from "../creation/creation.ts";
import { gelu, relu, silu } from "../elementwise/activations.ts";
import { sigmoid, tanh } from "../elementwise/unary-ops.ts";
import { rand } from "../random/random.ts";
import type { Activation } from "./activation.ts";
import { bmm, dot, linear, type MatmulOptions, matmul, outer } from "./matmul.ts";
import { packLines } from "./product.ts";

// A sum of k products has an error of the order of sqrt(k) roundings of the typical product; the largest of the results
// is a few times sqrt(k) typical products. So the bound on their ratio does not grow with k.
function check(a: Shape, b: Shape, options: MatmulOptions = {}, checks: CheckOptions = {}): Promise<void> {
  return checkOp((x, y) => matmul(x!, y!, options), [a, b], checks);
}

// [m, k] and [k, n] in the four layouts.
function layouts(m: number, k: number, n: number): [string, Shape, Shape, MatmulOptions][] {
  return [
    ["NN", [m, k], [k, n], {}],
    ["NT", [m, k], [n, k], { transposeB: true }],
    ["TN", [k, m], [k, n], { transposeA: true }],
    ["TT", [k, m], [n, k], { transposeA: true, transposeB: true }],
  ];
}

// Each layout, alignment and height of tile is a pipeline of its own, which takes half a second to compile on a software adapter
// and longer in the other family: the shapes below are chosen to need few, and those that a test does not care about are alike.
for (const [m, k, n] of [
  [33, 35, 37],
  [40, 36, 68],
] as const) {
  for (const [name, a, b, options] of layouts(m, k, n)) {
    test(`matmul ${name} [${a}] [${b}]`, () => check(a, b, options));
  }
}

for (const [name, a, b, options] of layouts(4, 4, 4)) {
  test(`second derivatives of matmul ${name}`, () => check(a, b, options, { second: true }));
}

// Low tiles on software adapters: 8 and 16 rows, or as many columns.
test("matmul with few rows or columns", async () => {
  const forward = { gradient: false };
  await check([5, 36], [36, 36]);
  await check([12, 36], [36, 36]);
  await check([36, 5], [36, 36], { transposeA: true }, forward);
  await check([36, 12], [36, 36], { transposeA: true }, forward);
  await check([36, 36], [36, 12], {}, forward);
  await check([36, 36], [36, 5], {}, forward);
  await check([1, 1], [1, 1], {}, forward);
});

test("matmul of vectors", async () => {
  await check([4], [4], {}, { second: true });
  await check([4], [4, 8], {}, { gradient: false });
  await check([8, 4], [4]);
  await check([4], [2, 4, 4], {}, { gradient: false });
  await check([2, 4, 4], [4]);
});

test("matmul of batches", async () => {
  await check([2, 4, 4], [2, 4, 4], {}, { second: true });
  await check([2, 3, 4, 4], [2, 3, 4, 4], { transposeB: true });
  await check([2, 4, 4], [2, 4, 4], { transposeA: true });
});

test("matmul of batches that broadcast", async () => {
  await check([2, 4, 4], [4, 4], {}, { second: true });
  await check([2, 4, 4], [4, 4], { transposeA: true }, { second: true });
  await check([4, 4], [2, 4, 4], {}, { second: true });
  await check([2, 1, 4, 4], [3, 4, 4]);
  await check([2, 4, 4], [1, 1, 4, 4]);
  await check([2, 1, 2, 1, 4, 4], [1, 2, 1, 2, 4, 4]); // more batch axes than the kernels walk
});

test("matmul of empty tensors", async () => {
  await check([0, 4], [4, 4]);
  await check([3, 4], [4, 0]);
  await check([0, 3, 4], [4, 4]);
  await check([0, 3, 4], [0, 4, 4]);
  await check([3, 0], [0, 4]); // zeros
  await check([0], [0]);
  await checkOp((a, b, bias) => matmul(a!, b!, { bias: bias! }), [[3, 0], [0, 4], [4]]);
});

test("matmul with a bias", async () => {
  const biased: Parameters<typeof checkOp>[0] = (a, b, bias) => matmul(a!, b!, { bias: bias! });
  await checkOp(biased, [[4, 4], [4, 4], [4]], { second: true });
  await checkOp(biased, [[2, 20, 36], [36, 36], [36]]);
  await checkOp(biased, [[33, 35], [35, 37], [37]]);
  await checkOp(biased, [[36, 36], [36, 5], [5]], { gradient: false });
  await checkOp(biased, [[4], [4, 4], [4]]);
});

const activations = { relu, gelu, gelu_tanh: (x: Tensor) => gelu(x, { approximate: "tanh" }), silu, tanh, sigmoid };
for (const [name, apply] of Object.entries(activations)) {
  test(`matmul with ${name} is the product and then that function`, async () => {
    const activation = name as Activation;
    const inputs = withDevice("cpu:f64", () => [rand([3, 4]), rand([4, 5]), rand([5])] as const);
    const [a, b, bias] = inputs;
    const expected = await apply(matmul(a, b, { bias })).data();
    expect([...(await matmul(a, b, { bias, activation }).data())]).toEqual([...expected]);
    const fused: DifferentiableFunction = (a, b, bias) => matmul(a!, b!, { bias: bias!, activation });
    await gradcheck(fused, inputs);
    await gradgradcheck(fused, inputs);
  });
}

// The derivative of relu is of its output, that of silu of its input, which is kept.
test("matmul with an activation in kernels", async () => {
  const fused: (activation: Activation) => Parameters<typeof checkOp>[0] = (activation) => (a, b, bias) =>
    matmul(a!, b!, { bias: bias!, activation });
  await checkOp(fused("relu"), [[36, 36], [36, 36], [36]]);
  await checkOp(fused("silu"), [[36, 36], [36, 36], [36]]);
  await checkOp(fused("silu"), [[33, 35], [35, 37], [37]]);
});

// Cut into parts along k, in both families.
test("matmul with a long k", async () => {
  await check([36, 1100], [1100, 36]);
  await checkOp(
    (a, b, bias) => matmul(a!, b!, { transposeA: true, bias: bias!, activation: "silu" }),
    [[1028, 33], [1028, 35], [35]],
    { gradient: false },
  );
});

test("parts whose rows end with one, two and three columns", async () => {
  for (const n of [33, 34, 35]) await check([4, 1100], [1100, n], {}, { gradient: false });
});

// The large tiles of GPUs, whole and cut off.
test("matmul of a thousand rows and columns", () => check([1290, 36], [36, 1212], {}, { gradient: false }));

test("matmul of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 17, max: 70 }),
      fc.integer({ min: 17, max: 70 }),
      fc.integer({ min: 17, max: 70 }),
      fc.constantFrom(0, 1, 2, 3),
      fc.integer(),
      (m, k, n, layout, seed) => {
        const [, a, b, options] = layouts(m, k, n)[layout]!;
        return check(a, b, options, { seed });
      },
    ),
    { numRuns: cases(6) },
  ));

// Features of more than a tile, no multiple of four, few on either side; rows by which the product is cut into parts or not.
test.each([
  [70, 20, 33],
  [9, 36, 130],
  [30, 20, 10],
  [40, 6, 20],
  [1100, 20, 21],
  [1100, 17, 36],
  [0, 17, 20],
  [5, 0, 20],
])("linear's gradients of weight and bias, of %i rows, %i features and %i", async (rows, features, out) => {
  await checkOp((x, weight, bias) => linear(x!, weight!, bias!), [[rows, features], [out, features], [out]]);
});

test("linear's bias has the same gradient with the weight's and without", async () => {
  const [x, weight, bias] = [rand([70, 20]), rand([36, 20]), rand([36])];
  const gradients = (...wanted: Tensor[]) => {
    for (const input of [x, weight, bias]) input.requiresGrad = wanted.includes(input);
    return grad(linear(x, weight, bias).square().sum(), wanted);
  };
  const [, dbias] = gradients(weight, bias);
  const [alone] = gradients(bias);
  const expected = await alone!.data();
  (await dbias!.data()).forEach((value, i) => expect(Math.abs(value / expected[i]! - 1)).toBeLessThan(1e-5));
});

test("linear", async () => {
  await checkOp((x, weight, bias) => linear(x!, weight!, bias!), [[2, 2, 4], [4, 4], [4]], { second: true });
  await checkOp((x, weight) => linear(x!, weight!), [[4], [4, 4]], { second: true });
  await checkOp((x, weight, bias) => linear(x!, weight!, bias!), [[36, 36], [5, 36], [5]], { gradient: false });
  const [x, weight] = withDevice("cpu:f64", () => [rand([3, 4]), rand([5, 4])] as const);
  const y = linear(x, weight, null, { activation: "tanh" });
  expect(await y.toArray()).toEqual(await linear(x, weight).tanh().toArray());
});

test("bmm, dot and outer", async () => {
  await checkOp(
    (a, b) => bmm(a!, b!),
    [
      [2, 4, 4],
      [2, 4, 4],
    ],
  );
  await checkOp((a, b) => dot(a!, b!), [[4], [4]]);
  await checkOp((a, b) => outer(a!, b!), [[4], [8]]);
});

test("a NaN stays in its row and column, an infinity too", async () => {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const a = tensor([
    [1, nan, 0, 0],
    [2, 3, 0, 0],
    [0, 1, 0, 0],
  ]);
  const b = tensor([
    [1, 2, inf],
    [4, 5, 6],
    [1, 1, 1],
    [1, 1, 1],
  ]);
  const expected = [
    [nan, nan, nan],
    [14, 19, inf],
    [4, 5, nan], // 0 times infinity
  ];
  expect(await matmul(a, b).toArray()).toEqual(expected);
});

test("packing puts zeros behind each line, up to a multiple of four", async () => {
  for (const length of [4, 5, 7, 8, 37, 64]) {
    const lines = Array.from({ length: 19 }, (_, i) => Array.from({ length }, (_, j) => 100 * i + j + 1));
    const packed = packLines(tensor(lines), length, "f32");
    const padding = new Array<number>((4 - (length % 4)) % 4).fill(0);
    expect(Array.from(await packed.data()), `lines of ${length}`).toEqual(
      lines.flatMap((line) => [...line, ...padding]),
    );
  }
});

// Elements behind k, m and n must not take part even where they are not finite.
test("what lies behind the edges of an operand is not used", async () => {
  const a = tensor(new Float32Array(35 * 33).fill(1), { shape: [35, 33] });
  const b = tensor(
    Float32Array.from({ length: 33 * 34 }, (_, i) => (i % 34 === 33 ? Number.NaN : 1)),
    { shape: [33, 34] },
  );
  const y = await matmul(a, b).data();
  expect([...y].filter((value, i) => (i % 34 === 33 ? !Number.isNaN(value) : value !== 33))).toEqual([]);
});

test("what the next matrix of a batch holds is not used", async () => {
  const batch = (shape: Shape) => {
    const size = shape[0]! * shape[1]!;
    return tensor(
      Float32Array.from({ length: 2 * size }, (_, i) => (i < size ? 1 : Number.NaN)),
      { shape: [2, ...shape] },
    );
  };
  for (const k of [5, 6, 7]) {
    // Of eight rows and more, elements or blocks of A are read.
    for (const [m, name, a, b, options] of [
      ...layouts(7, k, 37).map((layout) => [7, ...layout] as const),
      ...layouts(36, k, 37).map((layout) => [36, ...layout] as const),
    ]) {
      const y = await matmul(batch(a), batch(b), options).data();
      const expected = Array.from({ length: 2 * m * 37 }, (_, i) => (i < m * 37 ? k : Number.NaN));
      expect([...y], `${name} of ${m} rows`).toEqual(expected);
    }
  }
});

test("a product of the batches of one matrix is one dispatch, and its gradients are one each", async () => {
  const { counters } = deviceNamed("webgpu") as WebGpuDevice;
  const x = rand([4, 20, 36], { requiresGrad: true });
  const w = rand([36, 36], { requiresGrad: true });
  const before = counters.dispatches;
  const y = matmul(x, w);
  expect(counters.dispatches - before).toBe(1);
  const start = counters.dispatches;
  y.backward({ gradient: y.detach() });
  expect(counters.dispatches - start).toBe(2);
  expect([x.grad?.shape, w.grad?.shape]).toEqual([
    [4, 20, 36],
    [36, 36],
  ]);
});

test("gradients are computed only where they are wanted", () => {
  const { counters } = deviceNamed("webgpu") as WebGpuDevice;
  const x = rand([20, 36]);
  const w = rand([20, 36], { requiresGrad: true });
  const y = linear(x, w);
  const before = counters.dispatches;
  y.backward({ gradient: y.detach() });
  expect(counters.dispatches - before).toBe(1);
  expect(x.grad).toBe(null);
});

test("without a gradient, nothing is kept for one", () => {
  const device = deviceNamed("webgpu");
  const [x, w] = [rand([36, 36], { requiresGrad: true }), rand([36, 36], { requiresGrad: true })];
  const before = device.memory.storages;
  const y = noGrad(() => matmul(x, w, { activation: "silu" }));
  expect(device.memory.storages - before).toBe(1);
  expect(y.requiresGrad).toBe(false);
});

test("errors", () => {
  const a = rand([3, 4]);
  const any = (value: unknown) => value as never;
  expect(() => matmul(a, rand([5, 6]))).toThrow(
    "matmul: a has shape [3, 4] and b [5, 6], expected one inner size but they have 4 and 5",
  );
  expect(() => matmul(a, rand([4, 6]), { transposeA: true })).toThrow(
    "matmul: a has shape [3, 4] transposed and b [4, 6], expected one inner size but they have 3 and 4",
  );
  expect(() => matmul(rand([2, 3, 4]), rand([3, 4, 5]))).toThrow(
    "matmul: batch axes: the shapes [2] and [3] do not broadcast",
  );
  expect(() => matmul(rand([]), a)).toThrow("matmul: a has shape [], expected rank 1 or more");
  expect(() => matmul(a, rand([]))).toThrow("matmul: b has shape [], expected rank 1 or more");
  expect(() => matmul(a, rand([4]), { transposeB: true })).toThrow(
    "matmul: b has shape [4], expected rank 2 or more to transpose it",
  );
  expect(() => matmul(a, a.cast("i32"), { transposeB: true })).toThrow("matmul: b has dtype i32, expected f32");
  expect(() => matmul(a.cast("bool"), a, { transposeB: true })).toThrow("matmul: a has dtype bool, expected f32");
  expect(() => matmul(a, rand([4, 5]), { bias: rand([4]) })).toThrow("matmul: bias has shape [4], expected [5]");
  expect(() => matmul(a, rand([4, 5]), { bias: rand([5]).cast("i32") })).toThrow(
    "matmul: bias has dtype i32, expected f32",
  );
  expect(() => matmul(a, rand([4, 5]), any({ transposeb: true }))).toThrow(
    'matmul: unknown option "transposeb"; did you mean "transposeB"?',
  );
  expect(() => matmul(a, rand([4, 5]), { activation: any("rely") })).toThrow(
    'matmul: unknown activation "rely"; did you mean "relu"?',
  );
  expect(() => matmul(a, rand([4, 5], { device: "cpu" }))).toThrow("matmul: tensors on webgpu and on cpu");
  expect(() => linear(a, rand([5, 3]))).toThrow(
    "linear: weight has shape [5, 3], expected [out, 4] for x of shape [3, 4]",
  );
  expect(() => linear(a, rand([5, 4]), rand([4]))).toThrow("linear: bias has shape [4], expected [5]");
  expect(() => linear(a, rand([5, 4]), null, any({ activations: "relu" }))).toThrow(
    'linear: unknown option "activations"; did you mean "activation"?',
  );
  expect(() => bmm(a, a)).toThrow("bmm: a has shape [3, 4], expected [b, m, k]");
  expect(() => bmm(rand([2, 3, 4]), rand([3, 4, 5]))).toThrow("bmm: b has shape [3, 4, 5], expected [2, 4, 5]");
  expect(() => dot(a, a)).toThrow("dot: a has shape [3, 4], expected a vector");
  expect(() => outer(rand([3]), a)).toThrow("outer: b has shape [3, 4], expected a vector");
  expect(() => dot(rand([3]), rand([4]))).toThrow("dot: b has shape [4], expected [3]");
});

test("the rows of a batch come out the same to the bit whatever else is in it, of a long k too", async () => {
  const weight = rand([24, 2048]);
  const x = rand([5, 9, 2048]);
  const rows = (t: Tensor) => t.data().then((data) => Array.from(data.subarray(0, 2 * 24)));
  const expected = await rows(linear(x.slice([0, 1], [0, 2]), weight));
  for (const part of [x, x.slice([0, 1]), x.slice([0, 4], [0, 3])])
    expect(await rows(linear(part, weight))).toEqual(expected);
});
