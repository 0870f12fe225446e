import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { cosine, cosineSimilarity } from "./cosine-similarity.ts";

for (const [a, b, axis] of [
  [[3, 4], [3, 4], 1],
  [[3, 4], [3, 4], 0],
  [[5], [5], 0],
  [[3, 1, 2], [1, 4, 2], -1],
  [[2, 3, 4], [4], 2],
  [[2, 1], [2, 3], 1],
  [[2, 65], [2, 65], 1],
  [[0, 3], [0, 3], 1],
  [[3, 0], [3, 0], 1],
  [[2, 3], [2, 3], -2],
] as const) {
  test(`cosineSimilarity [${a}], [${b}] along ${axis}`, () =>
    checkOp((x, y) => cosineSimilarity(x, y, { axis }), [a, b], { second: true }));
}

test("the length of a short vector counts as eps", async () => {
  for (const device of ["webgpu", "cpu"] as const) {
    for (const isFirst of [true, false]) {
      const x = tensor([0, 0, 0.25, 0], { shape: [2, 2], device, requiresGrad: true });
      const y = tensor([3, 4, 3, 4], { shape: [2, 2], device });
      const cos = isFirst ? cosineSimilarity(x, y, { eps: 0.5 }) : cosineSimilarity(y, x, { eps: 0.5 });
      expect(await cos.toArray()).toEqual([0, expect.closeTo(0.3, 6)]);
      cos.sum().backward();
      const slope = [1.2, 1.6].map((value) => expect.closeTo(value, 5)); // y / (|y| eps)
      expect(await x.grad!.toArray()).toEqual([slope, slope]);
    }
  }
});

test("eps may be added to the square of a length", async () => {
  const bound = { eps: 0.7, added: true };
  for (const n of [3, 128]) {
    const shape = [2, n];
    await checkOp((x, y) => cosine("test", x, y, 1, bound), [shape, shape], { second: n < 10 });
    const squared = (x: Tensor) => x.square().sum(1).add(bound.eps);
    await checkOp(
      (x, y) =>
        cosine("test", x, y, 1, bound)
          .sub(
            x
              .mul(y)
              .sum(1)
              .div(squared(x).mul(squared(y)).sqrt()),
          )
          .add(1),
      [shape, shape],
      { gradient: false },
    );
  }
});

// Lines that are a thread's work and a workgroup's, one by one and four at a time; more of them than the harness allows
// workgroups.
for (const n of [63, 64, 127, 128, 130, 132]) {
  test(`cosineSimilarity of ${n} elements`, async () => {
    await checkOp(
      (x, y) => cosineSimilarity(x, y),
      [
        [5, n],
        [5, n],
      ],
    );
    await checkOp(
      (x, y) => cosineSimilarity(x, y),
      [
        [2, n, 3],
        [2, n, 3],
      ],
    );
  });
}

test("cosineSimilarity of more lines than three workgroups have threads", async () => {
  await checkOp(
    (x, y) => cosineSimilarity(x, y),
    [
      [300, 4],
      [300, 4],
    ],
  );
  await checkOp(
    (x, y) => cosineSimilarity(x, y),
    [
      [2, 3, 130],
      [2, 3, 130],
    ],
  );
});

test("NaN stays", async () => {
  for (const device of ["webgpu", "cpu"] as const) {
    const x = tensor([Number.NaN, 1, 1, 1], { shape: [2, 2], device });
    expect(await cosineSimilarity(x, x).toArray()).toEqual([Number.NaN, expect.closeTo(1, 6)]);
  }
});

test("errors", () => {
  const x = zeros([2, 3]);
  expect(() => cosineSimilarity(x, zeros([2, 2]))).toThrow(
    "cosineSimilarity: the shapes [2, 3] and [2, 2] do not broadcast",
  );
  expect(() => cosineSimilarity(x, x, { axis: 2 })).toThrow("cosineSimilarity: axis is 2");
  expect(() => cosineSimilarity(x, zeros([2, 3], { dtype: "i32" }))).toThrow("cosineSimilarity: x2 has dtype i32");
  expect(() => cosineSimilarity(x, x, { dim: 1 } as never)).toThrow('cosineSimilarity: unknown option "dim"');
});
