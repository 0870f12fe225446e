import { describe, expect, test } from "vitest";
import { checkOp, type InputSpec, randomNumbers } from "../../../test/check.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { type EmbeddingBagOptions, embeddingBag } from "./embedding-bag.ts";

const MODES = ["sum", "mean", "max"] as const;

const i32 = (shape: readonly number[], values: readonly number[]): InputSpec => ({ shape, dtype: "i32", values });

// Offsets of bags of many sizes, some of them empty, also the first and the last.
const OFFSETS = [0, 0, 1, 4, 4, 9, 9];
const COUNT = 9;

function idsFor(shape: readonly number[], n: number, without = -1): InputSpec {
  const random = randomNumbers(n);
  const id = () => (without + 1 + Math.floor(random() * (without < 0 ? n : n - 1))) % n;
  return i32(shape, Array.from({ length: shape.reduce((a, b) => a * b, 1) }, id));
}

for (const mode of MODES) {
  describe(mode, () => {
    for (const [n, features] of [
      [5, 3],
      [4, 8], // four at a time
      [3, 0],
      [2, 65],
      [3, 260], // more than the harness allows workgroups to have threads
    ] as const) {
      test(`[${n}, ${features}] by offsets`, () =>
        checkOp(
          (weight, ids, offsets) => embeddingBag(weight, ids, { offsets, mode }),
          [[n, features], idsFor([COUNT], n), i32([OFFSETS.length], OFFSETS)],
          { second: true },
        ));

      for (const shape of [
        [2, 3],
        [1, 1],
        [70, 2],
        [0, 3],
        [3, 0],
      ]) {
        test(`[${n}, ${features}] by [${shape}]`, () =>
          checkOp((weight, ids) => embeddingBag(weight, ids, { mode }), [[n, features], idsFor(shape, n)], {
            second: shape[0]! < 10,
          }));
      }
    }

    test("the end of the last bag among the offsets", () =>
      checkOp(
        (weight, ids, offsets) => embeddingBag(weight, ids, { offsets, mode, includeLastOffset: true }),
        [[5, 3], idsFor([COUNT], 5), i32([OFFSETS.length], OFFSETS)],
        { second: true },
      ));

    test("an id that does not count", async () => {
      // Central differences know nothing of a row that is to have no gradient: it is in no bag.
      await checkOp(
        (weight, ids) => embeddingBag(weight, ids, { mode, paddingIndex: -2 }),
        [[5, 4], idsFor([3, 4], 5, 3)],
        { second: true },
      );
      for (const device of ["webgpu", "cpu"] as const) {
        const weight = tensor([1, 2, 10, 20, -3, 4], { shape: [3, 2], device, requiresGrad: true });
        const ids = tensor([1, 0, 1, 2, 1, 1, 1, 1], { shape: [2, 4], dtype: "i32", device });
        const y = embeddingBag(weight, ids, { mode, paddingIndex: 1 });
        const expected = { sum: [-2, 6], mean: [-1, 3], max: [1, 4] }[mode];
        expect(await y.toArray()).toEqual([expected, [0, 0]]);
        y.sum().backward();
        const gradient = { sum: [1, 1, 0, 0, 1, 1], mean: [0.5, 0.5, 0, 0, 0.5, 0.5], max: [1, 0, 0, 0, 0, 1] }[mode];
        expect(Array.from(await weight.grad!.data())).toEqual(gradient);
      }
    });
  });
}

test("weights of the places", async () => {
  const op = (weight: Tensor, ids: Tensor, scale: Tensor, offsets?: Tensor) =>
    embeddingBag(weight, ids, { mode: "sum", perSampleWeights: scale, ...(offsets ? { offsets } : {}) });
  await checkOp(op as never, [[5, 3], idsFor([2, 4], 5), [2, 4]], { second: true });
  await checkOp(op as never, [[5, 8], idsFor([COUNT], 5), [COUNT], i32([OFFSETS.length], OFFSETS)], { second: true });
});

for (const device of ["webgpu", "cpu"] as const) {
  test(`NaN and infinities are the largest, or not, ${device}`, async () => {
    const { NaN: nan, NEGATIVE_INFINITY: minusInf } = Number;
    for (const features of [1, 4]) {
      const rows = [1, nan, 3, minusInf].map((x) => new Array<number>(features).fill(x));
      const weight = tensor(rows, { device });
      const ids = tensor([0, 1, 2, 3, 3, 3], { shape: [2, 3], dtype: "i32", device });
      expect(await embeddingBag(weight, ids, { mode: "max" }).toArray()).toEqual([
        new Array(features).fill(nan),
        new Array(features).fill(minusInf),
      ]);
    }
  });

  test(`ids and offsets that are out of range, ${device}`, async () => {
    const weight = zeros([3, 2], { device });
    const ids = (values: number[]) => tensor(values, { dtype: "i32", device });
    const of = (values: number[], offsets: number[]) => embeddingBag(weight, ids(values), { offsets: ids(offsets) });
    await expect(of([0, 3, 1], [0]).data()).rejects.toThrow(
      "embeddingBag: ids has 3 at position 1, expected an index from 0 to 2",
    );
    await expect(of([0, -1], [0]).data()).rejects.toThrow("embeddingBag: ids has -1 at position 1");
    await expect(of([0, 1], [1, 2]).data()).rejects.toThrow("embeddingBag: offsets has 1 at position 0");
    await expect(of([0, 1], [0, 3]).data()).rejects.toThrow(
      "offsets has 3 at position 1, expected an index from 0 to 2",
    );
    await expect(of([0, 1], [0, -1]).data()).rejects.toThrow("offsets has -1 at position 1");
    expect(await of([0, 1], [0, 2]).toArray()).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });
}

test("errors", () => {
  const weight = zeros([3, 2]);
  const ids = zeros([4], { dtype: "i32" });
  const offsets = zeros([2], { dtype: "i32" });
  const refuses = (x: Tensor, options: EmbeddingBagOptions, message: string) =>
    expect(() => embeddingBag(weight, x, options)).toThrow(message);
  refuses(ids, {}, "embeddingBag: ids has shape [4], expected [bags, s], or offsets");
  refuses(
    zeros([2, 2], { dtype: "i32" }),
    { offsets },
    "ids has shape [2, 2], expected [count], since there are offsets",
  );
  refuses(
    zeros([1, 2, 2], { dtype: "i32" }),
    {},
    "ids has shape [1, 2, 2], expected [bags, s], or [count] with offsets",
  );
  refuses(zeros([4]), { offsets }, "ids has dtype f32, expected i32 or u32");
  refuses(ids, { offsets: zeros([2]) }, "offsets has dtype f32, expected i32 or u32");
  refuses(ids, { offsets: zeros([0], { dtype: "i32" }), includeLastOffset: true }, "offsets has shape [0]");
  refuses(ids, { offsets, mode: "median" as never }, 'mode is "median", expected sum, mean or max');
  refuses(ids, { offsets, perSampleWeights: zeros([4]) }, 'mode is "mean", expected sum with perSampleWeights');
  refuses(ids, { offsets, mode: "sum", perSampleWeights: zeros([3]) }, "perSampleWeights has shape [3], expected [4]");
  refuses(ids, { offsets, paddingIndex: 3 }, "paddingIndex is 3, expected a whole number from -3 to 2");
  refuses(zeros([2, 2], { dtype: "i32" }), { includeLastOffset: true }, "includeLastOffset is true, expected offsets");
  refuses(ids, { offset: offsets } as never, 'unknown option "offset"; did you mean "offsets"?');
});
