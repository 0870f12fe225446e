import { describe, expect, test } from "vitest";
import { ones, tensor, zeros } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { rand } from "../kernels/random/random.ts";
import type { DeviceName } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { empty } from "../tensor/tensor.ts";
import * as init from "./init.ts";
import { Parameter } from "./module.ts";

async function moments(x: Tensor) {
  const values = Array.from(await x.data());
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { mean, std, least: Math.min(...values), most: Math.max(...values) };
}

const matrix = () => zeros([50, 200]);
const kernel = () => zeros([40, 20, 3, 3]);

describe("moments", () => {
  const uniform = { uniform: true };
  for (const [name, fill, expected] of [
    ["uniform", () => init.uniform(matrix(), 2, 4), { mean: 3, std: 2 / Math.sqrt(12), ...uniform }],
    ["normal", () => init.normal(matrix(), 5, 0.1), { mean: 5, std: 0.1 }],
    ["xavierUniform", () => init.xavierUniform(matrix(), { gain: 2 }), { std: 2 * Math.sqrt(2 / 250), ...uniform }],
    ["xavierNormal", () => init.xavierNormal(kernel()), { std: Math.sqrt(2 / (60 * 9)) }],
    ["kaimingUniform", () => init.kaimingUniform(kernel(), { a: 1 }), { std: Math.sqrt(1 / 180), ...uniform }],
    ["kaimingNormal", () => init.kaimingNormal(kernel(), { mode: "fanOut" }), { std: Math.sqrt(2 / 360) }],
    [
      "kaimingNormal with a nonlinearity",
      () => init.kaimingNormal(matrix(), { nonlinearity: "tanh" }),
      { std: 5 / 3 / Math.sqrt(200) },
    ],
    ["constant", () => init.constant(matrix(), 3), { mean: 3, std: 0 }],
    ["ones", () => init.ones(matrix()), { mean: 1, std: 0 }],
    ["zeros", () => init.zeros(ones([3, 3])), { mean: 0, std: 0 }],
  ] as [string, () => Tensor, { mean?: number; std: number; uniform?: boolean }][]) {
    test(name, async () => {
      manualSeed(3);
      const { mean, std, least, most } = await moments(fill());
      expect(mean).toBeCloseTo(expected.mean ?? 0, 1);
      expect(Math.abs(std - expected.std)).toBeLessThanOrEqual(0.05 * expected.std);
      if (!expected.uniform) return;
      const halfWidth = Math.sqrt(3) * expected.std;
      expect(most - mean).toBeLessThan(1.05 * halfWidth);
      expect(most).toBeCloseTo((expected.mean ?? 0) + halfWidth, 1);
      expect(least).toBeCloseTo((expected.mean ?? 0) - halfWidth, 1);
    });
  }
});

describe("truncNormal", () => {
  // The standard normal distribution's density and distribution function at 1 and 2.
  test.each([
    ["between the deviations", 0, 1, -2, 2, 0, 0.8796],
    ["of another mean and deviation", 3, 0.5, 2.5, 4, 3.115, 0.3656],
  ])("%s", async (_, mean, std, low, high, expectedMean, expectedStd) => {
    manualSeed(4);
    for (const device of ["webgpu", "cpu"] as const) {
      const of = await moments(init.truncNormal(zeros([100, 100], { device }), mean, std, low, high));
      expect(of.mean).toBeCloseTo(expectedMean, 1);
      expect(of.std).toBeCloseTo(expectedStd, 1);
      expect([of.least >= low, of.most <= high]).toEqual([true, true]);
      expect(of.least).toBeCloseTo(low, 1);
      expect(of.most).toBeCloseTo(high, 1);
    }
  });
});

/** a aᵀ of the rows, or of the columns where those are fewer. */
async function gram(x: Tensor): Promise<number[][]> {
  const rows = x.shape[0]!;
  const flat = x.reshape([rows, x.size / rows]);
  return (await (rows <= x.size / rows
    ? flat.matmul(flat.transpose(0, 1))
    : flat.transpose(0, 1).matmul(flat)
  ).toArray()) as number[][];
}

describe("orthogonal", () => {
  for (const shape of [
    [1, 1],
    [5, 5],
    [3, 8],
    [8, 3],
    [4, 2, 3],
    [64, 64],
  ]) {
    test(`[${shape}]`, async () => {
      manualSeed(5);
      const products = await gram(init.orthogonal(zeros(shape), { gain: 2 }));
      products.forEach((row, i) =>
        row.forEach((value, j) => expect(Math.abs(value - (i === j ? 4 : 0))).toBeLessThan(1e-5)),
      );
    });
  }

  test("is drawn evenly: a rotation's first element has the mean 0 and the variance 1 / n", async () => {
    manualSeed(6);
    const firsts: number[] = [];
    for (let i = 0; i < 400; i++) firsts.push((await init.orthogonal(zeros([4, 4], { device: "cpu" })).data())[0]!);
    const mean = firsts.reduce((a, b) => a + b, 0) / firsts.length;
    const variance = firsts.reduce((a, b) => a + b * b, 0) / firsts.length;
    expect(Math.abs(mean)).toBeLessThan(0.08);
    expect(variance).toBeCloseTo(0.25, 1);
  });
});

test("sparse has as many zeros in every column", async () => {
  manualSeed(7);
  const rows = (await init.sparse(zeros([20, 30]), 0.33, 2).toArray()) as number[][];
  for (let c = 0; c < 30; c++) expect(rows.filter((row) => row[c] === 0).length).toBe(7);
  const used = rows.map((row) => row.filter((x) => x === 0).length);
  expect(Math.min(...used)).toBeGreaterThan(0);
  const { std } = await moments(tensor(rows.flat().filter((x) => x !== 0)));
  expect(Math.abs(std - 2)).toBeLessThan(0.2);
  expect((await moments(init.sparse(zeros([5, 5]), 1))).std).toBe(0);
});

test("eye and dirac", async () => {
  expect(await init.eye(ones([2, 3])).toArray()).toEqual([
    [1, 0, 0],
    [0, 1, 0],
  ]);
  const conv = await init.dirac(ones([4, 2, 3]), { groups: 2 }).toArray();
  const [first, second] = [
    [
      [0, 1, 0],
      [0, 0, 0],
    ],
    [
      [0, 0, 0],
      [0, 1, 0],
    ],
  ];
  expect(conv).toEqual([first, second, first, second]);
  // Images pass a convolution with it unchanged; channels beyond the kernel's get nothing.
  const wide = (await init.dirac(zeros([3, 2, 2, 3])).toArray()) as number[][][][];
  expect(wide.map((out) => out.map((kernel) => kernel[1]![1]))).toEqual([
    [1, 0],
    [0, 1],
    [0, 0],
  ]);
  expect((await moments(init.dirac(zeros([2, 2, 3, 3, 3])))).mean).toBeCloseTo(2 / 108, 6);
});

const RECIPES: Record<string, (x: Tensor) => Tensor> = {
  uniform: (x) => init.uniform(x),
  truncNormal: (x) => init.truncNormal(x),
  orthogonal: (x) => init.orthogonal(x),
  sparse: (x) => init.sparse(x, 0.25),
};

describe("a seed decides the numbers", () => {
  for (const [name, fill] of Object.entries(RECIPES)) {
    test(name, async () => {
      const numbers = async (seed: number, device: DeviceName) => {
        manualSeed(seed);
        const first = fill(zeros([6, 5], { device }));
        return [Array.from(await first.data()), Array.from(await fill(zeros([6, 5], { device })).data())];
      };
      const [first, second] = await numbers(1, "webgpu");
      expect(await numbers(1, "webgpu")).toEqual([first, second]);
      expect(second).not.toEqual(first);
      expect((await numbers(2, "webgpu"))[0]).not.toEqual(first);
      const [onCpu] = await numbers(1, "cpu");
      onCpu!.forEach((x, i) => expect(x).toBeCloseTo(first![i]!, 5));
    });
  }
});

test("parameters are filled in place, and stay leaves", async () => {
  const weight = new Parameter(zeros([3, 3]));
  for (const fill of Object.values(RECIPES)) expect(fill(weight)).toBe(weight);
  expect([weight.isLeaf, weight.requiresGrad]).toEqual([true, true]);
  const x = rand([3], { requiresGrad: true });
  const y = x.mul(weight).sum();
  init.zeros(weight);
  expect(() => y.backward()).toThrow("was changed in place");
});

test("nothing to fill", () => {
  for (const fill of [...Object.values(RECIPES), init.xavierUniform, init.kaimingNormal, init.eye]) {
    expect(fill(empty([0, 3])).size).toBe(0);
  }
});

test("calculateGain", () => {
  expect(init.calculateGain("conv2d")).toBe(1);
  expect(init.calculateGain("tanh")).toBe(5 / 3);
  expect(init.calculateGain("relu")).toBe(Math.SQRT2);
  expect(init.calculateGain("selu")).toBe(3 / 4);
  expect(init.calculateGain("leakyRelu")).toBe(Math.sqrt(2 / 1.0001));
  expect(init.calculateGain("leakyRelu", 1)).toBe(1);
});

test("errors", () => {
  const x = zeros([3]);
  expect(() => init.kaimingUniform(x)).toThrow("kaimingUniform: the tensor has shape [3], expected at least two axes");
  expect(() => init.xavierNormal(x)).toThrow("xavierNormal: the tensor has shape [3]");
  expect(() => init.orthogonal(x)).toThrow("orthogonal: the tensor has shape [3], expected at least two axes");
  expect(() => init.eye(x)).toThrow("eye: tensor has shape [3], expected rank 2");
  expect(() => init.sparse(x, 0.1)).toThrow("sparse: tensor has shape [3], expected rank 2");
  expect(() => init.sparse(matrix(), 1.5)).toThrow("sparse: sparsity is 1.5, expected a number from 0 to 1");
  expect(() => init.dirac(matrix())).toThrow("dirac: the tensor has shape [50, 200], expected three to five axes");
  expect(() => init.dirac(kernel(), { groups: 3 })).toThrow("dirac: groups is 3, expected a divisor of 40");
  expect(() => init.truncNormal(x, 0, 1, 2, 2)).toThrow("truncNormal: low is 2 and high is 2, expected low < high");
  expect(() => init.kaimingNormal(matrix(), { mode: "fan_in" as never })).toThrow(
    'kaimingNormal: mode is "fan_in", expected fanIn or fanOut',
  );
  expect(() => init.kaimingNormal(matrix(), { nonlinearity: "leaky_relu" as never })).toThrow(
    'calculateGain: nonlinearity is "leaky_relu", expected one of linear, conv1d',
  );
  expect(() => init.xavierUniform(matrix(), { gian: 2 } as never)).toThrow(
    'unknown option "gian"; did you mean "gain"',
  );
});
