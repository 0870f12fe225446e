import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkOp, randomNumbers } from "../../../test/check.ts";
import { cases, checkedDevices } from "../../../test/devices.ts";
import { counting, dtypes, elementAt, expectModel, model, shapes, toTensor } from "../../../test/model.ts";
import { grad } from "../../autograd/backward.ts";
import { findAdapter } from "../../gpu/adapter.ts";
import type { Device } from "../../gpu/device.ts";
import { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed, withDevice } from "../../tensor/device.ts";
import { arange, full, ones, tensor, zeros } from "../creation/creation.ts";
import { expand } from "../view/expand.ts";
import { embedding } from "./embedding.ts";
import { indexAdd, indexSelect } from "./index-select.ts";

const index = (shape: readonly number[], n: number) => ({ shape, dtype: "i32", range: [0, n] }) as const;

const samples = shapes({ minRank: 1, maxRank: 4, min: 1, max: 4 }).chain((shape) =>
  fc.nat(shape.length - 1).chain((axis) =>
    fc.record({
      shape: fc.constant(shape),
      axis: fc.constant(axis),
      picks: fc.array(fc.nat(shape[axis]! - 1), { maxLength: 12 }),
      dtype: dtypes,
      indexType: fc.constantFrom("i32" as const, "u32" as const),
    }),
  ),
);

describe("indexSelect", () => {
  test("takes slices in the order of the index", async () => {
    await fc.assert(
      fc.asyncProperty(samples, async ({ shape, axis, picks, dtype, indexType }) => {
        const x = counting(shape, dtype);
        const expected = model(shape.with(axis, picks.length), (p) => elementAt(x, p.with(axis, picks[p[axis]!]!)));
        await expectModel(indexSelect(toTensor(x, dtype), axis, tensor(picks, { dtype: indexType })), expected, dtype);
      }),
      { numRuns: cases(60) },
    );
  });

  for (const [shape, axis, count] of [
    [[5, 3], 0, 7],
    [[5, 8], 0, 7], // four at a time
    [[3, 5, 2], 1, 4],
    [[2, 3, 65], -1, 5],
    [[3, 4], 0, 150], // values with several chunks
    [[2, 3, 2], 1, 200],
    [[1], 0, 129],
    [[2, 4], 1, 0],
    [[3, 0], 0, 2],
  ] as const) {
    test(`[${shape}] along ${axis} by [${count}]`, () =>
      checkOp((x, i) => indexSelect(x, axis, i), [shape, index([count], shape.at(axis)!)], { second: true }));
  }

  test("errors", () => {
    const x = zeros([2, 3]);
    const i = zeros([2], { dtype: "i32" });
    expect(() => indexSelect(x, 2, i)).toThrow("indexSelect: axis is 2");
    expect(() => indexSelect(x, 0, zeros([2]))).toThrow("indexSelect: index has dtype f32, expected i32 or u32");
    expect(() => indexSelect(x, 0, zeros([1, 2], { dtype: "i32" }))).toThrow(
      "indexSelect: index has shape [1, 2], expected rank 1",
    );
    expect(() =>
      indexSelect(
        withDevice("cpu", () => zeros([2])),
        0,
        i,
      ),
    ).toThrow("tensors on cpu and on webgpu");
  });
});

describe("indexAdd", () => {
  test("adds slices where the index says", async () => {
    await fc.assert(
      fc.asyncProperty(
        samples,
        fc.constantFrom("f32" as const, "i32" as const, "u32" as const),
        async (sample, dtype) => {
          const { shape, axis, picks, indexType } = sample;
          const x = counting(shape, dtype);
          const src = counting(shape.with(axis, picks.length), dtype);
          const expected = model(shape, (p) =>
            picks.reduce(
              (sum, at, j) => (at === p[axis] ? sum + elementAt(src, p.with(axis, j)) : sum),
              elementAt(x, p),
            ),
          );
          const y = indexAdd(toTensor(x, dtype), axis, tensor(picks, { dtype: indexType }), toTensor(src, dtype));
          await expectModel(y, expected, dtype);
        },
      ),
      { numRuns: cases(60) },
    );
  });

  for (const [shape, axis, count] of [
    [[5, 3], 0, 7],
    [[3, 8], 0, 150],
    [[2, 5, 3], 1, 9],
    [[2, 2], 0, 0],
  ] as const) {
    test(`[${shape}] along ${axis} by [${count}]`, () =>
      checkOp(
        (x, i, src) => indexAdd(x, axis, i, src),
        [shape, index([count], shape[axis]!), (shape as readonly number[]).with(axis, count)],
        { second: true },
      ));
  }

  // Around the lanes of the workgroup that ranks (256, or a subgroup's), and around one chunk and two. Sums of i32 are
  // noticed behind a tensor too, where a float would be lost in NaN.
  test.each([1, 7, 8, 9, 63, 64, 65, 128, 129, 255, 256, 257, 600])("of %i elements onto few", async (count) => {
    const random = randomNumbers(count);
    const picks = Array.from({ length: count }, () => Math.floor(random() ** 3 * 4));
    await expectSums(picks, 4, "i32");
    await expectSums(picks, 4, "f32");
  });

  test("of values that fill chunks, or nearly, or just not", async () => {
    const left = [63, 64, 65, 127, 128, 129, 1, 130];
    const last = 2999;
    const picks: number[] = [];
    const random = randomNumbers(1);
    while (left.some((count) => count > 0)) {
      const value = Math.floor(random() * left.length);
      if (left[value]!-- > 0) picks.push(last - value);
    }
    await expectSums(picks, last + 1, "f32");
    // With at most three workgroups at a time, so that each has several chunks to do.
    const device = deviceNamed("webgpu") as WebGpuDevice;
    const { maxGroups } = device;
    device.maxGroups = 3;
    await expectSums(picks, last + 1, "f32");
    device.maxGroups = maxGroups;
  });

  // src is 1, 2, 3, ..., whose sums are exact.
  async function expectSums(picks: readonly number[], n: number, dtype: "f32" | "i32"): Promise<void> {
    const expected = new Array<number>(n).fill(0);
    for (const [j, at] of picks.entries()) expected[at]! += j + 1;
    for (const device of [deviceNamed("cpu"), ...(await checkedDevices(deviceNamed("webgpu") as WebGpuDevice))]) {
      const sums = withDevice(device, () =>
        indexAdd(zeros([n], { dtype }), 0, tensor(Int32Array.from(picks)), toTensor(counting([picks.length]), dtype)),
      );
      expect(Array.from(await sums.data())).toEqual(expected);
    }
  }

  test("of many columns, which workgroups share", async () => {
    await checkOp(
      (i, src) => indexAdd(zeros([2, 1300], { device: src.device }), 0, i, src),
      [index([3], 2), [3, 1300]],
    );
    // More workgroups to a slice than chunks to the index.
    const onto = tensor(Int32Array.from({ length: 132 }, (_, j) => j % 2));
    const y = indexAdd(zeros([2, 4700]), 0, onto, expand(arange(4700), [132, 4700]));
    await expectModel(
      y,
      model([2, 4700], ([, col]) => 66 * col!),
    );
  });

  test("errors", () => {
    const x = zeros([2, 3]);
    const i = zeros([2], { dtype: "i32" });
    expect(() => indexAdd(x, 0, i, zeros([2, 2]))).toThrow("indexAdd: src has shape [2, 2], expected [2, 3]");
    expect(() => indexAdd(x, 0, i, zeros([2, 3], { dtype: "i32" }))).toThrow(
      "indexAdd: src has dtype i32, expected f32",
    );
    expect(() => indexAdd(zeros([2], { dtype: "bool" }), 0, i, zeros([2]))).toThrow("indexAdd: x has dtype bool");
    expect(() =>
      indexAdd(
        x,
        0,
        i,
        withDevice("cpu", () => zeros([2, 3])),
      ),
    ).toThrow("tensors on webgpu and on cpu");
  });
});

describe("embedding", () => {
  test("looks rows up", async () => {
    const weight = counting([5, 3]);
    const ids = [
      [4, 0],
      [2, 2],
    ];
    const expected = model([2, 2, 3], ([i, j, k]) => elementAt(weight, [ids[i!]![j!]!, k!]));
    await expectModel(embedding(toTensor(weight), tensor(ids, { dtype: "i32" })), expected);
    expect(embedding(toTensor(weight), tensor(3, { dtype: "u32" })).shape).toEqual([3]);
  });

  for (const [weight, ids, options] of [
    [[7, 5], [3, 4], {}],
    [[7, 8], [2, 3, 2], {}],
    [[3, 4], [200], {}],
    [[3, 64], [65], { paddingIndex: 0 }],
    [[4, 5], [3, 6], { paddingIndex: -1 }],
    [[4, 5], [2, 0], {}],
    [[4, 0], [3], {}],
    [[4, 3], [], {}],
  ] as const) {
    test(`[${weight}] by [${ids}] ${JSON.stringify(options)}`, () => {
      const { paddingIndex } = options as { paddingIndex?: number };
      // Central differences know nothing of a row that is to have no gradient: there the row is held fixed.
      const padding = paddingIndex === undefined ? -1 : paddingIndex < 0 ? paddingIndex + weight[0] : paddingIndex;
      const values = padding < 0 ? {} : { values: idsWithout(padding, ids, weight[0]) };
      return checkOp((w, i) => embedding(w, i, options), [weight, { ...index(ids, weight[0]), ...values }], {
        second: true,
      });
    });
  }

  function idsWithout(padding: number, shape: readonly number[], n: number): number[] {
    const random = randomNumbers(3);
    return counting(shape).values.map(() => (padding + 1 + Math.floor(random() * (n - 1))) % n);
  }

  test("the row of paddingIndex is looked up and gets no gradient, nor do rows without an id", async () => {
    for (const device of ["webgpu", "cpu"] as const) {
      const [y, dw, ddy] = withDevice(device, () => {
        const weight = tensor(
          [
            [1, 2],
            [3, 4],
            [5, 6],
            [7, 8],
          ],
          { requiresGrad: true },
        );
        const ids = tensor([3, 1, 1, 3], { dtype: "i32" });
        const dy = tensor(
          [
            [1, 10],
            [2, 20],
            [3, 30],
            [4, 40],
          ],
          { requiresGrad: true },
        );
        const y = embedding(weight, ids, { paddingIndex: 1 });
        const [dw] = grad(y, [weight], { gradOutputs: [dy], createGraph: true });
        const [ddy] = grad(dw!, [dy], { gradOutputs: [full([4, 2], 9)] });
        return [y, dw!, ddy!] as const;
      });
      expect(await y.toArray()).toEqual([
        [7, 8],
        [3, 4],
        [3, 4],
        [7, 8],
      ]);
      expect(Array.from(await dw.data())).toEqual([0, 0, 0, 0, 0, 0, 5, 50]);
      expect(await ddy.toArray()).toEqual([
        [9, 9],
        [0, 0],
        [0, 0],
        [9, 9],
      ]);
    }
  });

  test("sums have one order, whatever else runs", async () => {
    const random = randomNumbers(5);
    const ids = tensor(
      Array.from({ length: 1000 }, () => Math.floor(random() ** 4 * 50)),
      { dtype: "i32" },
    );
    const dy = tensor(
      Float32Array.from({ length: 4000 }, () => (random() - 0.5) * 10 ** (8 * random())),
      { shape: [1000, 4] },
    );
    const run = async () => {
      const weight = zeros([50, 4], { requiresGrad: true });
      return (await grad(embedding(weight, ids), [weight], { gradOutputs: [dy] })[0]!.data()) as Float32Array;
    };
    const first = await run();
    for (let i = 0; i < 5; i++) expect(await run()).toEqual(first);
  });

  // Without guard zones, what lies in and behind a tensor are zeros at first, and then what earlier tensors have left.
  test("memory that others have used changes nothing", async () => {
    const device = await WebGpuDevice.open((await findAdapter())!);
    const random = randomNumbers(3);
    for (let round = 0; round < 12; round++) {
      const picks = Array.from({ length: 150 }, () => Math.floor((1 + (round % 4)) * random()));
      const slopes = Array.from({ length: 150 }, () => Math.floor(100 * random()));
      const gradient = (on: Device) =>
        withDevice(on, () => {
          const weight = zeros([4, 1], { requiresGrad: true });
          const y = embedding(weight, tensor(picks, { dtype: "i32" }), round % 2 ? { paddingIndex: 1 } : {});
          return grad(y, [weight], { gradOutputs: [tensor(slopes, { shape: [150, 1] })] })[0]!;
        });
      expect(await gradient(device).data()).toEqual(await gradient(deviceNamed("cpu")).data());
    }
    await device.destroy();
  });

  test("of a large table", () =>
    checkOp((w, i) => embedding(w, i), [[3000, 16], index([40, 30], 3000)], { tolerance: { relative: 1e-6 } }));

  test("errors", () => {
    const ids = zeros([2], { dtype: "i32" });
    expect(() => embedding(zeros([4]), ids)).toThrow("embedding: weight has shape [4], expected rank 2");
    expect(() => embedding(zeros([4, 2]), zeros([2]))).toThrow("embedding: ids has dtype f32, expected i32 or u32");
    expect(() => embedding(zeros([4, 2]), ids, { paddingIndex: 4 })).toThrow(
      "embedding: paddingIndex is 4, expected a whole number from -4 to 3",
    );
    expect(() => embedding(zeros([4, 2]), ids, { paddingIndex: 0.5 })).toThrow("embedding: paddingIndex is 0.5");
    expect(() => embedding(zeros([4, 2]), ids, { padding: 0 } as never)).toThrow('embedding: unknown option "padding"');
    expect(() =>
      embedding(
        withDevice("cpu", () => zeros([4, 2])),
        ids,
      ),
    ).toThrow("tensors on cpu and on webgpu");
  });
});

describe.each(["webgpu", "cpu"] as const)("an index out of range on %s", (device) => {
  const on = <R>(fn: () => R) => withDevice(device, fn);
  const i32 = (...values: number[]) => tensor(Int32Array.from(values));

  test("of embedding, and again in its gradient", async () => {
    const { y, weight } = on(() => {
      const weight = ones([3, 2], { requiresGrad: true });
      return { y: embedding(weight, i32(0, 2, 3, 1), { paddingIndex: 0 }), weight };
    });
    const message = "embedding: ids has 3 at position 2, expected an index from 0 to 2";
    await expect(y.data()).rejects.toThrow(message);
    expect(Array.from(await y.data())).toEqual([1, 1, 1, 1, 0, 0, 1, 1]); // it is thrown once, and reads as 0
    y.backward({ gradient: on(() => ones([4, 2])) });
    await expect(weight.grad!.data()).rejects.toThrow(message);
    expect(Array.from(await weight.grad!.data())).toEqual([0, 0, 1, 1, 1, 1]);
  });

  test("of indexSelect", async () => {
    const y = on(() => indexSelect(zeros([2, 3]), 1, i32(0, -1)));
    await expect(y.data()).rejects.toThrow("indexSelect: index has -1 at position 1, expected an index from 0 to 2");
    const none = on(() => indexSelect(zeros([0, 3]), 0, i32(5)));
    await expect(none.data()).rejects.toThrow("indexSelect: index has 5 at position 0, expected no index");
  });

  test("of indexAdd", async () => {
    const y = on(() => indexAdd(ones([2]), 0, i32(0, 1, 2), tensor([1, 2, 4])));
    await expect(y.data()).rejects.toThrow("indexAdd: index has 2 at position 2, expected an index from 0 to 1");
    expect(Array.from(await y.data())).toEqual([2, 3]);
    const negative = on(() => indexAdd(ones([2]), 0, i32(-1), tensor([1])));
    await expect(negative.data()).rejects.toThrow("indexAdd: index has -1 at position 0");
  });
});
