import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import { full, tensor, zeros } from "../creation/creation.ts";
import { std, variance } from "./variance.ts";

const { NaN: nan } = Number;

for (const n of [2, 5, 64, 600, 4097]) {
  test(`variance and std over ${n} elements of rows and columns`, async () => {
    for (const op of [variance, std]) {
      await checkOp((x) => op(x!, 1), [[3, n]], { second: n < 20 });
      await checkOp((x) => op(x!, 0), [[n, 3]], { second: n < 20 });
    }
  });
}

test("variance and std over axes together and apart, with corrections", async () => {
  for (const op of [variance, std]) {
    for (const axes of [undefined, [0, 1], [0, 2], [-1]]) {
      await checkOp((x) => op(x!, axes), [[2, 3, 4]], { second: true });
      await checkOp((x) => op(x!, axes, { correction: 0, keepDim: true }), [[2, 3, 4]], { second: true });
    }
    await checkOp((x) => op(x!, 1, { correction: 1.5 }), [[2, 6]]);
  }
});

// float32 has steps of 1e-3 there; the gradient must not see the mean rounded to one either.
for (const n of [33, 600]) {
  test(`variance and std with mean 1e4 and standard deviation 1e-2, over ${n} elements`, async () => {
    for (const op of [variance, std]) {
      const options = { offset: [1e4], gradient: n < 100 };
      await checkOp((x) => op(x!, 1), [{ shape: [3, n], range: [-0.02, 0.02] }], options);
      await checkOp((x) => op(x!, 0), [{ shape: [n, 3], range: [-0.02, 0.02] }], options);
    }
  });
}

test("the gradient by ops with mean 1e4 and standard deviation 1e-2", async () => {
  const x = tensor([1e4 - 0.015625, 1e4, 1e4 + 0.0078125], { requiresGrad: true });
  for (const op of [variance, std]) {
    const [expected] = grad(op(x), [x]);
    const [actual] = grad(op(x), [x], { createGraph: true });
    const [a, e] = [await actual!.data(), await expected!.data()];
    for (const i of a.keys()) expect(Math.abs(a[i]! / e[i]! - 1)).toBeLessThan(1e-6);
  }
});

test("variance of a line whose first element is far from the others", () =>
  checkOp((x) => variance(x!), [{ shape: [8], values: [1e4, 1, 2, 3, 4, 5, 6, 7] }]));

test("variance and std of equal elements are 0, with gradients of 0", async () => {
  for (const op of [variance, std]) {
    const x = tensor([0.1, 0.1, 0.1], { requiresGrad: true });
    expect(await op(x).item()).toBe(0);
    for (const createGraph of [false, true]) {
      const [dx] = grad(op(x), [x], { createGraph });
      expect(await dx!.toArray()).toEqual([0, 0, 0]);
    }
    expect(await op(full([5000], 1e4 + 0.1)).item()).toBe(0);
  }
});

test("variance and std of one element and of none", async () => {
  for (const op of [variance, std]) {
    expect(await op(tensor([[1], [2]]), 1).toArray()).toEqual([nan, nan]);
    expect(await op(tensor([[1], [2]]), 1, { correction: 0 }).toArray()).toEqual([0, 0]);
    expect(await op(tensor([1, 2]), 0, { correction: 2 }).item()).toBe(Number.POSITIVE_INFINITY);
    expect(await op(zeros([2, 0]), 1).toArray()).toEqual([nan, nan]);
    expect(await op(zeros([2, 0]), 1, { correction: 0 }).toArray()).toEqual([nan, nan]);
    expect(await op(tensor(3)).item()).toBe(nan);
    const x = tensor([1], { requiresGrad: true });
    op(x).backward();
    expect(await x.grad!.item()).toBe(nan);
  }
});

test("variance keeps NaN and infinities in their lines, and takes integers", async () => {
  const x = tensor([[1, nan, 2], [1, 2, Number.NEGATIVE_INFINITY], [1, 2, 3]]); // biome-ignore format: the matrix
  expect(await variance(x, 1).toArray()).toEqual([nan, nan, 1]);
  expect(await std(tensor([1, 2, 3], { dtype: "i32" })).item()).toBe(1);
});

test("variance of drawn shapes and axes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ n: fc.integer({ min: 1, max: 6 }), reduced: fc.boolean() }), { minLength: 1, maxLength: 4 }),
      fc.integer(),
      async (dimensions, seed) => {
        const axes = [...dimensions.keys()].filter((axis) => dimensions[axis]!.reduced);
        await checkOp((x) => variance(x!, axes, { correction: 0 }), [dimensions.map(({ n }) => n)], { seed });
      },
    ),
    { numRuns: cases(8) },
  ));

test("what variance and std refuse", () => {
  expect(() => variance(zeros([2]), 1)).toThrow("variance: axis is 1, expected a whole number from -1 to 0");
  expect(() => std(zeros([2]), 0, { unbiased: true } as object)).toThrow('std: unknown option "unbiased"');
});
