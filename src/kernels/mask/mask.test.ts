import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import {
  counting,
  dtypes,
  elementAt,
  expectModel,
  model,
  type Position,
  shapes,
  toTensor,
} from "../../../test/model.ts";
import { withDevice } from "../../tensor/device.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import { full, tensor, zeros } from "../creation/creation.ts";
import { maskedFill } from "./masked-fill.ts";
import { nonzero } from "./nonzero.ts";
import { tril, triu } from "./triangle.ts";

const mask = (shape: readonly number[]) => ({ shape, dtype: "bool" }) as const;

describe("maskedFill", () => {
  test("puts the value where the mask is true", async () => {
    const samples = shapes({ maxRank: 6, max: 3 }).chain((shape) =>
      fc.record({
        // Either may be stretched: along axes of size 1, and in front.
        x: fc.tuple(...shape.map((n) => fc.constantFrom(1, n))),
        m: fc.tuple(...shape.map((n) => fc.constantFrom(1, n))),
        cut: fc.nat(shape.length),
        dtype: dtypes,
      }),
    );
    await fc.assert(
      fc.asyncProperty(samples, async ({ x: xShape, m: maskShape, cut, dtype }) => {
        const x = counting(xShape, dtype);
        const m = counting(maskShape.slice(cut), "bool");
        const stretched = (of: typeof x, p: Position) =>
          elementAt(
            of,
            of.shape.map((n, axis) => (n === 1 ? 0 : p[p.length - of.shape.length + axis]!)),
          );
        const expected = model(broadcastShapes("test", x.shape, m.shape), (p) =>
          stretched(m, p) === 1 ? 1 : stretched(x, p),
        );
        await expectModel(maskedFill(toTensor(x, dtype), toTensor(m, "bool"), 1), expected, dtype);
      }),
      { numRuns: cases(60) },
    );
  });

  for (const [shape, maskShape] of [
    [[65], [65]],
    [[4, 66], [66]],
    [
      [4, 66],
      [4, 1],
    ],
    [
      [2, 3, 4, 5],
      [2, 1, 1, 5],
    ],
    [
      [2, 1, 2, 2, 2, 2],
      [2, 2, 1, 2, 1, 2],
    ], // more axes than the kernel has params for
    [[3], [2, 3]],
    [[], []],
    [[0, 3], [3]],
  ] as const) {
    test(`[${shape}] by [${maskShape}]`, () =>
      checkOp((x, m) => maskedFill(x, m, -1.5), [shape, mask(maskShape)], { second: true }));
  }

  test("infinities and NaN, as value and behind the mask", async () => {
    const x = tensor([Number.NaN, Number.POSITIVE_INFINITY, 3, Number.NaN]);
    const y = maskedFill(x, tensor([true, true, true, false]), Number.NEGATIVE_INFINITY);
    const inf = Number.NEGATIVE_INFINITY;
    expect(await y.toArray()).toEqual([inf, inf, inf, Number.NaN]);
    expect(await maskedFill(zeros([1]), tensor([true]), Number.NaN).item()).toBeNaN();
  });

  test("errors", () => {
    const x = zeros([2, 3]);
    expect(() => maskedFill(x, zeros([2, 3]), 0)).toThrow("maskedFill: mask has dtype f32, expected bool");
    expect(() => maskedFill(x, tensor([true, false]), 0)).toThrow(
      "maskedFill: the shapes [2, 3] and [2] do not broadcast",
    );
    expect(() => maskedFill(zeros([2], { dtype: "u32" }), tensor([true, false]), -1)).toThrow(
      "maskedFill: value is -1, expected a whole number from 0 to 4294967295 for u32",
    );
    expect(() =>
      maskedFill(
        x,
        withDevice("cpu", () => tensor([true])),
        0,
      ),
    ).toThrow("on webgpu and on cpu");
  });
});

describe("tril and triu", () => {
  const matrices = fc.record({
    shape: shapes({ minRank: 2, max: 6 }),
    diagonal: fc.integer({ min: -7, max: 7 }),
    dtype: dtypes,
  });
  test("keep one side of a diagonal", async () => {
    await fc.assert(
      fc.asyncProperty(matrices, async ({ shape, diagonal, dtype }) => {
        const x = counting(shape, dtype);
        const keep = (kept: (right: number) => boolean) =>
          model(shape, (p) => (kept(p.at(-1)! - p.at(-2)!) ? elementAt(x, p) : 0));
        await expectModel(
          tril(toTensor(x, dtype), diagonal),
          keep((right) => right <= diagonal),
          dtype,
        );
        await expectModel(
          triu(toTensor(x, dtype), diagonal),
          keep((right) => right >= diagonal),
          dtype,
        );
      }),
      { numRuns: cases(40) },
    );
  });

  for (const shape of [
    [5, 5],
    [2, 3, 7],
    [9, 8],
    [17, 16],
    [0, 3],
  ]) {
    test(`[${shape}]`, () => checkOp((x) => [tril(x, 1), triu(x, -1), tril(x), triu(x)], [shape], { second: true }));
  }

  test("zeros for what is removed, NaN too", async () => {
    const x = full([2, 2], Number.NaN);
    expect(await tril(x).toArray()).toEqual([
      [Number.NaN, 0],
      [Number.NaN, Number.NaN],
    ]);
  });

  test("errors", () => {
    expect(() => tril(zeros([3]))).toThrow("tril: x has shape [3], expected at least two axes");
    expect(() => triu(zeros([3, 3]), 0.5)).toThrow("triu: diagonal is 0.5, expected a whole number");
  });
});

describe("nonzero", () => {
  test("lists positions in order", async () => {
    const samples = fc.record({ shape: shapes(), dtype: dtypes, seed: fc.integer() });
    await fc.assert(
      fc.asyncProperty(samples, async ({ shape, dtype, seed }) => {
        let k = 0;
        const x = model(shape, () => ((seed >>> (k++ % 32)) & 1) * 3);
        const positions: number[][] = [];
        model(shape, (p) => {
          if (elementAt(x, p) !== 0) positions.push([...p]);
          return 0;
        });
        const found = await nonzero(toTensor(x, dtype));
        await expectModel(found, { shape: [positions.length, shape.length], values: positions.flat() }, "i32");
      }),
      { numRuns: cases(30) },
    );
  });

  test("NaN is not 0, and -0 is", async () => {
    expect(await (await nonzero(tensor([Number.NaN, -0, 1]))).toArray()).toEqual([[0], [2]]);
  });

  test("stays on the device of x", async () => {
    const x = withDevice("cpu", () => tensor([0, 1]));
    expect((await x.nonzero()).device.name).toBe("cpu");
  });
});
