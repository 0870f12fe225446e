import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { counting, dtypes, elementAt, expectModel, type Model, model, shapes, toTensor } from "../../../test/model.ts";
import { withDevice } from "../../tensor/device.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { gather, oneHot, scatterAdd } from "./gather.ts";

const index = (shape: readonly number[], n: number) => ({ shape, dtype: "i32", range: [0, n] }) as const;

// Shapes for x and an index along an axis, the index no longer than x but for that axis; and numbers for the index.
const samples = shapes({ minRank: 1, maxRank: 3, min: 1, max: 4 }).chain((shape) =>
  fc.nat(shape.length - 1).chain((axis) =>
    fc.record({
      shape: fc.constant(shape),
      axis: fc.constant(axis),
      lengths: fc.tuple(...shape.map((n, i) => fc.nat(i === axis ? 6 : n))),
      picks: fc.array(fc.nat(shape[axis]! - 1), { minLength: 96, maxLength: 96 }),
      dtype: dtypes,
      indexType: fc.constantFrom("i32" as const, "u32" as const),
    }),
  ),
);

function scattered(x: Model, axis: number, index: Model, src: Model): Model {
  const sums = new Map<string, number>();
  model(index.shape, (p) => {
    const place = p.with(axis, elementAt(index, p)).join();
    sums.set(place, (sums.get(place) ?? 0) + elementAt(src, p));
    return 0;
  });
  return model(x.shape, (p) => elementAt(x, p) + (sums.get(p.join()) ?? 0));
}

describe("gather", () => {
  test("takes elements along an axis", async () => {
    await fc.assert(
      fc.asyncProperty(samples, async ({ shape, axis, lengths, picks, dtype, indexType }) => {
        const x = counting(shape, dtype);
        let k = 0;
        const at = model(lengths, () => picks[k++ % picks.length]!);
        const expected = model(lengths, (p) => elementAt(x, p.with(axis, elementAt(at, p))));
        await expectModel(gather(toTensor(x, dtype), axis, toTensor(at, indexType)), expected, dtype);
      }),
      { numRuns: cases(60) },
    );
  });

  for (const [shape, axis, indexShape] of [
    [[5], 0, [9]],
    [[200, 3], 1, [200, 1]],
    [[3, 4, 5], 1, [3, 7, 5]],
    [[3, 4, 5], 1, [2, 7, 3]], // smaller than x
    [[4, 40], 0, [90, 40]], // many of few, in more than 32 lines
    [[6, 2], 0, [130, 2]], // in few long lines, which are grouped
    [[5], -1, [700]],
    [[3, 4], 1, [3, 0]],
    [[0, 4], 1, [0, 2]],
  ] as const) {
    test(`[${shape}] along ${axis} by [${indexShape}]`, () =>
      checkOp((x, i) => gather(x, axis, i), [shape, index(indexShape, shape.at(axis)!)], { second: true }));
  }

  test("errors", () => {
    const x = zeros([2, 3]);
    const i = zeros([2, 3], { dtype: "i32" });
    expect(() => gather(x, 2, i)).toThrow("gather: axis is 2");
    expect(() => gather(x, 0, zeros([2, 3]))).toThrow("gather: index has dtype f32, expected i32 or u32");
    expect(() => gather(x, 0, zeros([2], { dtype: "i32" }))).toThrow("gather: index has shape [2], expected rank 2");
    expect(() => gather(x, 0, zeros([2, 4], { dtype: "i32" }))).toThrow(
      "gather: index has shape [2, 4], expected sizes of at most [2, 3] but for axis 0",
    );
    expect(() =>
      gather(
        withDevice("cpu", () => zeros([2, 3])),
        0,
        i,
      ),
    ).toThrow("gather: tensors on cpu and on webgpu");
  });
});

describe("scatterAdd", () => {
  test("adds elements along an axis", async () => {
    await fc.assert(
      fc.asyncProperty(
        samples,
        fc.constantFrom("f32" as const, "i32" as const, "u32" as const),
        async (sample, dtype) => {
          const { shape, axis, lengths, picks, indexType } = sample;
          const x = counting(shape, dtype);
          let k = 0;
          const at = model(lengths, () => picks[k++ % picks.length]!);
          const src = counting(
            lengths.map((n) => n + 1),
            dtype,
          );
          const y = scatterAdd(toTensor(x, dtype), axis, toTensor(at, indexType), toTensor(src, dtype));
          await expectModel(y, scattered(x, axis, at, src), dtype);
        },
      ),
      { numRuns: cases(60) },
    );
  });

  for (const [shape, axis, indexShape, srcShape] of [
    [[5], 0, [9], [9]],
    [[200, 3], 1, [200, 2], [200, 2]],
    [[3, 4, 5], 1, [3, 7, 5], [3, 7, 5]],
    [[3, 4, 5], 1, [2, 7, 3], [3, 8, 5]], // smaller than both
    [[4, 40], 0, [90, 40], [90, 40]], // many to few, in more than 32 lines
    [[6, 2], 0, [130, 2], [130, 2]], // in few long lines, which are grouped
    [[5], -1, [700], [700]],
    [[3, 4], 1, [3, 0], [3, 2]],
    [[0, 4], 1, [0, 2], [0, 2]],
  ] as const) {
    test(`[${shape}] along ${axis} by [${indexShape}]`, () =>
      checkOp((x, i, src) => scatterAdd(x, axis, i, src), [shape, index(indexShape, shape.at(axis)!), srcShape], {
        second: true,
      }));
  }

  test("leaves x as it is", async () => {
    const x = tensor([1, 2]);
    expect(await scatterAdd(x, 0, tensor(Int32Array.of(1, 1)), tensor([5, 6])).toArray()).toEqual([1, 13]);
    expect(await x.toArray()).toEqual([1, 2]);
  });

  test("errors", () => {
    const x = zeros([2, 3]);
    const i = zeros([2, 3], { dtype: "i32" });
    expect(() => scatterAdd(x, 0, i, zeros([2, 2]))).toThrow(
      "scatterAdd: src has shape [2, 2], expected sizes of at least [2, 3] as index has",
    );
    expect(() => scatterAdd(x, 0, i, zeros([6]))).toThrow("scatterAdd: src has shape [6]");
    expect(() => scatterAdd(x, 0, i, i)).toThrow("scatterAdd: src has dtype i32, expected f32");
    expect(() => scatterAdd(zeros([2, 3], { dtype: "bool" }), 0, i, i)).toThrow(
      "scatterAdd: x has dtype bool, expected f32 or i32 or u32",
    );
    expect(() => scatterAdd(x, 0, zeros([2, 4], { dtype: "i32" }), zeros([2, 4]))).toThrow(
      "scatterAdd: index has shape [2, 4], expected sizes of at most [2, 3] but for axis 0",
    );
    expect(() =>
      scatterAdd(
        x,
        0,
        i,
        withDevice("cpu", () => zeros([2, 3])),
      ),
    ).toThrow("on webgpu and on cpu");
  });
});

describe("oneHot", () => {
  test("marks classes", async () => {
    const y = oneHot(
      tensor(
        [
          [2, 0],
          [1, 1],
        ],
        { dtype: "u32" },
      ),
      3,
    );
    expect(y.dtype).toBe("i32");
    expect(await y.toArray()).toEqual([
      [
        [0, 0, 1],
        [1, 0, 0],
      ],
      [
        [0, 1, 0],
        [0, 1, 0],
      ],
    ]);
    expect(oneHot(zeros([0], { dtype: "i32" }), 3).shape).toEqual([0, 3]);
    expect(oneHot(zeros([2], { dtype: "i32" }), 0).shape).toEqual([2, 0]);
  });
  for (const n of [1, 7, 65]) {
    test(`of ${n}`, () => checkOp((x) => oneHot(x, 5), [index([n], 5)], { gradient: false }));
  }
  test("errors", () => {
    expect(() => oneHot(zeros([2]), 3)).toThrow("oneHot: x has dtype f32, expected i32 or u32");
    expect(() => oneHot(zeros([2], { dtype: "i32" }), -1)).toThrow("has the size -1");
  });
});

describe.each(["webgpu", "cpu"] as const)("an index out of range on %s", (device) => {
  const on = <R>(fn: () => R) => withDevice(device, fn);
  const i32 = (...values: number[]) => tensor(Int32Array.from(values));

  test("of gather", async () => {
    const y = on(() => gather(tensor([1, 2, 3]), 0, i32(0, 2, 3, 1)));
    await expect(y.data()).rejects.toThrow("gather: index has 3 at position 2, expected an index from 0 to 2");
    expect(Array.from(await y.data())).toEqual([1, 3, 0, 2]); // it is thrown once, and reads as 0
    const negative = on(() =>
      gather(
        zeros([2, 2]),
        1,
        tensor(
          [
            [0, 1],
            [1, -1],
          ],
          { dtype: "i32" },
        ),
      ),
    );
    await expect(negative.data()).rejects.toThrow("gather: index has -1 at position 3, expected an index from 0 to 1");
    const none = on(() => gather(zeros([0]), 0, i32(0)));
    await expect(none.data()).rejects.toThrow("gather: index has 0 at position 0, expected no index");
  });

  test("of scatterAdd, by lines and grouped", async () => {
    const y = on(() => scatterAdd(zeros([3]), 0, i32(0, -2, 2), tensor([1, 2, 3])));
    await expect(y.data()).rejects.toThrow("scatterAdd: index has -2 at position 1, expected an index from 0 to 2");
    expect(Array.from(await y.data())).toEqual([1, 0, 3]);
    const many = Int32Array.from({ length: 50 }, (_, i) => (i === 41 ? 7 : i % 3));
    const long = on(() => scatterAdd(zeros([3]), 0, tensor(many), zeros([50]).fill(1)));
    await expect(long.data()).rejects.toThrow("scatterAdd: index has 7 at position 41, expected an index from 0 to 2");
    expect(Array.from(await long.data())).toEqual([17, 17, 15]);
  });

  test("of oneHot", async () => {
    const y = on(() => oneHot(i32(1, 2), 2));
    await expect(y.data()).rejects.toThrow("oneHot: x has 2 at position 1, expected an index from 0 to 1");
    expect(Array.from(await y.data())).toEqual([0, 1, 0, 0]);
  });

  test("u32 beyond i32", async () => {
    const y = on(() => gather(zeros([2]), 0, tensor([2 ** 31], { dtype: "u32" })));
    await expect(y.data()).rejects.toThrow("gather: index has -2147483648 at position 0");
  });
});
