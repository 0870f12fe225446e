import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { type InterpolateOptions, interpolate } from "./interpolate.ts";

const resizes = fc
  .record({
    leading: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
    size: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 2 }),
    targets: fc.tuple(fc.integer({ min: 1, max: 13 }), fc.integer({ min: 1, max: 13 })),
    factors: fc.tuple(...[1, 2].map(() => fc.constantFrom(1, 1.5, 2, 3, 1.3, 0.7, Math.SQRT2))),
    byFactor: fc.boolean(),
    linear: fc.boolean(),
    alignCorners: fc.constantFrom(undefined, false, true),
  })
  .map(({ leading, size, targets, factors, byFactor, linear, alignCorners }) => {
    const axes = size.length;
    const options: InterpolateOptions = {
      ...(byFactor
        ? { scaleFactor: factors.slice(0, axes).map((f, axis) => (size[axis]! * f < 1 ? 2 : f)) }
        : { size: targets.slice(0, axes) }),
      ...(linear ? { mode: axes === 1 ? "linear" : "bilinear" } : {}),
      ...(linear && alignCorners !== undefined ? { alignCorners } : {}),
    };
    return { shape: [...leading, ...size], options };
  });

test("any sizes, factors and modes", async () => {
  await fc.assert(
    fc.asyncProperty(resizes, async ({ shape, options }) => {
      await checkOp((x) => interpolate(x!, options), [shape], { second: true });
    }),
    { numRuns: cases(25) },
  );
});

test.each([
  [[1, 2, 65], { size: 130, mode: "linear" }],
  [[1, 1, 130], { size: 64, mode: "linear", alignCorners: true }],
  [[2, 3, 20, 33], { scaleFactor: 2, mode: "bilinear" }],
  [[2, 3, 33, 20], { size: [5, 70], mode: "bilinear", alignCorners: true }],
  [[2, 3, 20, 33], { size: [41, 82] }],
  [[1, 1, 90, 90], { scaleFactor: 0.7 }],
  [[1, 2, 4, 9], { size: [40, 5], mode: "bilinear" }],
  [[1, 2, 9, 4], { size: [5, 40] }],
  [[3, 100, 41], { size: 44, mode: "linear" }], // on software adapters a thread takes several elements
] as const)("[%s] %o", (shape, options) => checkOp((x) => interpolate(x!, options), [shape], { second: true }));

test("values", async () => {
  const x = tensor([[[0, 2, 4]]]);
  const values = async (options: InterpolateOptions) => Array.from(await interpolate(x, options).data());
  expect(await values({ size: 6 })).toEqual([0, 0, 2, 2, 4, 4]);
  expect(await values({ scaleFactor: 2 })).toEqual([0, 0, 2, 2, 4, 4]);
  expect(await values({ size: 2 })).toEqual([0, 2]);
  expect(await values({ size: 6, mode: "linear" })).toEqual([0, 0.5, 1.5, 2.5, 3.5, 4]);
  expect(await values({ size: 5, mode: "linear", alignCorners: true })).toEqual([0, 1, 2, 3, 4]);
  expect(await values({ size: 1, mode: "linear", alignCorners: true })).toEqual([0]);
  // Seven elements fit, 1 / 2.5 apart, not 3 / 7.
  expect(await values({ scaleFactor: 2.5, mode: "linear" })).not.toEqual(await values({ size: 7, mode: "linear" }));
});

test("NaN and infinities stay what they are", async () => {
  const x = tensor([[[Number.NaN, 1, Number.POSITIVE_INFINITY]]]);
  expect(Array.from(await interpolate(x, { size: 3 }).data())).toEqual([Number.NaN, 1, Number.POSITIVE_INFINITY]);
  expect(Array.from(await interpolate(x, { size: 6, mode: "linear" }).data()).slice(1, 5)).toEqual([
    Number.NaN,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ]);
});

test("an element that counts nothing gets nothing, even of an infinity", async () => {
  const x = zeros([1, 1, 3], { requiresGrad: true });
  const dy = tensor([[[Number.POSITIVE_INFINITY, 1, 1, 1, 1]]]);
  const dx = grad([interpolate(x, { size: 5, mode: "linear", alignCorners: true })], [x], { gradOutputs: [dy] })[0]!;
  expect(Array.from(await dx.data())).toEqual([Number.POSITIVE_INFINITY, 2, 1.5]);
});

test("no batch", async () => {
  await checkOp((x) => interpolate(x!, { size: [4, 6], mode: "bilinear" }), [[0, 2, 2, 3]], { second: true });
  await checkOp((x) => interpolate(x!, { scaleFactor: 2 }), [[2, 0, 3]]);
});

test("errors", () => {
  const x = zeros([2, 3, 4, 5]);
  const message = (x: Parameters<typeof interpolate>[0], options: object) => {
    try {
      interpolate(x, options);
    } catch (error) {
      return (error as Error).message;
    }
    return "no error";
  };
  expect(message(zeros([4, 5]), { size: 2 })).toBe(
    "interpolate: x has shape [4, 5], expected [n, c, l] or [n, c, h, w]",
  );
  expect(message(zeros([1, 1, 4], { dtype: "i32" }), { size: 2 })).toBe("interpolate: x has dtype i32, expected f32");
  expect(message(x, {})).toBe("interpolate: options have neither size nor scaleFactor, expected one of them");
  expect(message(x, { size: 2, scaleFactor: 2 })).toBe(
    "interpolate: options have both size and scaleFactor, expected one of them",
  );
  expect(message(x, { size: [2, 3, 4] })).toBe(
    "interpolate: size is [2, 3, 4], expected a whole number from 1 up, or 2 of them",
  );
  expect(message(x, { size: 1.5 })).toBe("interpolate: size is 1.5, expected a whole number from 1 up, or 2 of them");
  expect(message(x, { scaleFactor: 0 })).toBe("interpolate: scaleFactor is 0, expected a number above 0, or 2 of them");
  expect(message(x, { scaleFactor: [1, Number.POSITIVE_INFINITY] })).toBe(
    "interpolate: scaleFactor is [1, Infinity], expected a number above 0, or 2 of them",
  );
  expect(message(zeros([1, 1, 4]), { scaleFactor: [2, 2] })).toBe(
    "interpolate: scaleFactor is [2, 2], expected a number above 0",
  );
  expect(message(x, { scaleFactor: 0.1 })).toBe(
    "interpolate: x has shape [2, 3, 4, 5] and is resized to [0, 0], expected sizes above 0",
  );
  expect(message(zeros([1, 1, 0]), { size: 3 })).toBe(
    "interpolate: x has shape [1, 1, 0] and is resized to [3], expected sizes above 0",
  );
  expect(message(x, { size: 2, mode: "linear" })).toBe(
    'interpolate: mode is "linear", expected nearest or bilinear for x of shape [2, 3, 4, 5]',
  );
  expect(message(x, { size: 2, alignCorners: false })).toBe(
    "interpolate: alignCorners is false, expected none for the mode nearest",
  );
  expect(message(x, { sise: 2 })).toBe('interpolate: unknown option "sise"; did you mean "size"?');
});
