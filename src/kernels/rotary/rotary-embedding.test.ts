import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { withDevice } from "../../tensor/device.ts";
import { tensor } from "../creation/creation.ts";
import { rand, randn } from "../random/random.ts";
import { rotaryEmbedding } from "./rotary-embedding.ts";

for (const shape of [
  [1, 2],
  [3, 8],
  [2, 5, 6],
  [2, 3, 4, 16],
  [1, 65, 8],
  [130, 2],
  [0, 4],
  [2, 0, 8],
  [3, 0],
]) {
  test(`rotaryEmbedding [${shape}]`, async () => {
    await checkOp((x) => rotaryEmbedding(x), [shape], { second: true });
    await checkOp((x) => rotaryEmbedding(x, { interleaved: true, offset: 3, base: 100 }), [shape], { second: true });
  });
}

test.each([2, 3, 4, 6])("heads of %i pairs, of which some are turned", async (half) => {
  const shape = [2, 5, 3 * 2 * half];
  for (const interleaved of [false, true]) {
    const options = { heads: 3, rotatedHeads: 2, interleaved, offset: 7 };
    await checkOp((x) => rotaryEmbedding(x, options), [shape], { second: true });
    const x = randn(shape);
    const y = await rotaryEmbedding(x, options).data();
    const before = await x.data();
    const lastHead = (values: ArrayLike<number>) =>
      Array.from(values).filter((_, i) => Math.floor(i / (2 * half)) % 3 === 2);
    expect(lastHead(y)).toEqual(lastHead(before));
  }
});

describe("against the formula", () => {
  const byHand = (x: number[][], base: number, offset: number, interleaved: boolean) =>
    x.map((row, t) => {
      const d = row.length;
      const y = [...row];
      for (let i = 0; i < d / 2; i++) {
        const angle = (offset + t) * base ** ((-2 * i) / d);
        const [first, second] = interleaved ? [2 * i, 2 * i + 1] : [i, i + d / 2];
        y[first] = row[first]! * Math.cos(angle) - row[second]! * Math.sin(angle);
        y[second] = row[first]! * Math.sin(angle) + row[second]! * Math.cos(angle);
      }
      return y;
    });

  test.each(["webgpu", "cpu", "cpu:f64"] as const)("on %s, near and far", async (device) => {
    for (const [d, base, interleaved] of [
      [6, 10000, false],
      [8, 500, true],
      [16, 10000, false],
      [8, 0.25, false],
    ] as const) {
      for (const offset of [0, 1000, 3_000_000]) {
        const x = withDevice(device, () => randn([9, d]));
        const y = (await rotaryEmbedding(x, { base, offset, interleaved }).toArray()) as number[][];
        const expected = byHand((await x.toArray()) as number[][], base, offset, interleaved);
        for (const [t, row] of expected.entries()) {
          for (const [c, value] of row.entries()) expect(Math.abs(y[t]![c]! - value)).toBeLessThan(2e-6);
        }
      }
    }
  });
});

test("scores depend on the distance alone", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 500 }), async (at, distance) => {
      const [q, k] = [rand([1, 8]), rand([1, 8])];
      const score = (offset: number) =>
        rotaryEmbedding(q, { offset: offset + distance })
          .mul(rotaryEmbedding(k, { offset }))
          .sum()
          .item();
      expect(Math.abs((await score(at)) - (await score(0)))).toBeLessThan(2e-6);
    }),
    { numRuns: cases(10) },
  );
});

test("a row does not see what is in other rows", async () => {
  const y = await rotaryEmbedding(
    tensor([
      [1, 2],
      [Number.NaN, Infinity],
      [3, 4],
    ]),
  ).data();
  expect(Array.from(y, Number.isNaN)).toEqual([false, false, true, true, false, false]);
});

test("errors", () => {
  expect(() => rotaryEmbedding(rand([3, 5]))).toThrow(
    "rotaryEmbedding: x has shape [3, 5], expected [..., t, features] with an even number of features",
  );
  expect(() => rotaryEmbedding(rand([4]))).toThrow("rotaryEmbedding: x has shape [4], expected [..., t, features]");
  expect(() => rotaryEmbedding(rand([3, 6]), { heads: 2 })).toThrow("with a multiple of 2 * heads, 4, features");
  expect(() => rotaryEmbedding(rand([3, 8]), { heads: 2, rotatedHeads: 3 })).toThrow(
    "rotaryEmbedding: rotatedHeads is 3, expected a whole number from 0 to 2",
  );
  expect(() => rotaryEmbedding(rand([3, 8]), { heads: 0 })).toThrow("heads is 0, expected a whole number from 1 up");
  expect(() => rotaryEmbedding(rand([3, 8]), { offset: -1 })).toThrow(
    "rotaryEmbedding: offset is -1, expected a whole number from 0 to 4294967293",
  );
  expect(() => rotaryEmbedding(rand([3, 8]), { base: 0 })).toThrow("base is 0, expected a number above 0");
  expect(() => rotaryEmbedding(rand([3, 8]), { theta: 1 } as never)).toThrow('unknown option "theta"');
  expect(() => rotaryEmbedding(tensor([[1, 2]], { dtype: "i32" }))).toThrow("x has dtype i32, expected f32");
});
