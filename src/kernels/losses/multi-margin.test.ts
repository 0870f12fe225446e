import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { multilabelMarginLoss, multiMarginLoss } from "./multi-margin.ts";

const REDUCTIONS = ["mean", "sum", "none"] as const;

const weightFor = (x: Tensor) =>
  tensor(
    Float32Array.from({ length: x.shape.at(-1)! }, (_, c) => 0.25 + ((7 * c) % 5) / 4),
    { device: x.device },
  );

// Classes below, at and above what a workgroup has lanes; more rows than the harness allows workgroups.
for (const shape of [[1], [4], [5, 3], [2, 8], [3, 9], [66, 2], [2, 64], [2, 65], [2, 130], [0, 3]]) {
  test(`[${shape}]`, async () => {
    const second = shape.at(-1)! < 10;
    const labels = { shape: shape.slice(0, -1), dtype: "i32", range: [0, shape.at(-1)!] } as const;
    for (const reduction of REDUCTIONS) {
      await checkOp((x, y) => multiMarginLoss(x, y, { margin: 0.7, reduction }), [shape, labels], { second });
      await checkOp((x, y) => multiMarginLoss(x, y, { p: 2, weight: weightFor(x), reduction }), [shape, labels], {
        second,
      });
    }
    // Lists of any length, some of them with a label twice.
    const lists = { shape, dtype: "i32", range: [-1, shape.at(-1)!] } as const;
    for (const reduction of REDUCTIONS) {
      for (const seed of [1, 2])
        await checkOp((x, y) => multilabelMarginLoss(x, y, { reduction }), [shape, lists], { second, seed });
    }
  });
}

const i32 = (values: number | number[] | number[][], device: "webgpu" | "cpu") =>
  tensor(values, { dtype: "i32", device });

for (const device of ["webgpu", "cpu"] as const) {
  test(`a label that is no class, ${device}`, async () => {
    const x = tensor(
      [
        [1, 2],
        [-3, 5],
      ],
      { device, requiresGrad: true },
    );
    const y = multiMarginLoss(x, i32([2, 1], device), { reduction: "none" });
    await expect(y.data()).rejects.toThrow(
      "multiMarginLoss: labels has 2 at position 0, expected an index from 0 to 1",
    );
    y.sum().backward();
    expect([await y.toArray(), await x.grad!.toArray()]).toEqual([
      [0, 0],
      [
        [0, 0],
        [0, 0],
      ],
    ]);
    await expect(multiMarginLoss(x, i32([0, -1], device)).item()).rejects.toThrow("labels has -1 at position 1");
    const lists = i32(
      [
        [0, -1],
        [1, -2],
      ],
      device,
    );
    await expect(multilabelMarginLoss(x, lists).item()).rejects.toThrow(
      "multilabelMarginLoss: labels has -2 at position 3",
    );
  });

  test(`NaN, and what lies behind the end of a list, ${device}`, async () => {
    const x = tensor(
      [
        [Number.NaN, 0, 0],
        [1, 2, 3],
      ],
      { device },
    );
    const lists = i32(
      [
        [1, -1, 7],
        [2, -1, 99],
      ],
      device,
    );
    // The second: (1 - 3 + 1) and (1 - 3 + 2), none of them above 0.
    expect(await multilabelMarginLoss(x, lists, { reduction: "none" }).toArray()).toEqual([Number.NaN, 0]);
    expect(await multiMarginLoss(x, i32([1, 0], device), { reduction: "none" }).toArray()).toEqual([
      Number.NaN,
      expect.closeTo(5 / 3, 6),
    ]);
  });
}

for (const device of ["webgpu", "cpu"] as const) {
  test(`a class at the margin gets no gradient, ${device}`, async () => {
    const x = tensor([1, 2, 1.5], { device, requiresGrad: true });
    multiMarginLoss(x, i32(1, device)).backward();
    expect(await x.grad!.toArray()).toEqual([0, -Math.fround(1 / 3), Math.fround(1 / 3)]);
  });
}

test("errors", () => {
  const x = zeros([2, 3]);
  const labels = zeros([2], { dtype: "i32" });
  expect(() => multiMarginLoss(x, labels, { p: 3 })).toThrow("multiMarginLoss: p is 3, expected 1 or 2");
  expect(() => multiMarginLoss(zeros([2, 3, 4]), labels)).toThrow(
    "x has shape [2, 3, 4], expected [n, classes] or [classes]",
  );
  expect(() => multiMarginLoss(zeros([2, 0]), labels)).toThrow("x has shape [2, 0]");
  expect(() => multiMarginLoss(x, zeros([3], { dtype: "i32" }))).toThrow("labels has shape [3], expected [2]");
  expect(() => multiMarginLoss(x, zeros([2]))).toThrow("labels has dtype f32, expected i32 or u32");
  expect(() => multiMarginLoss(x, labels, { weight: zeros([2]) })).toThrow("weight has shape [2], expected [3]");
  expect(() => multilabelMarginLoss(x, labels)).toThrow("multilabelMarginLoss: labels has shape [2], expected [2, 3]");
  expect(() => multilabelMarginLoss(x, zeros([2, 3], { dtype: "u32" }))).toThrow("labels has dtype u32, expected i32");
});
