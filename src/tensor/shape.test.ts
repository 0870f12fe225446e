import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { promote } from "./dtype.ts";
import {
  broadcastAxes,
  broadcastShapes,
  broadcastStrides,
  collapse,
  normalizeAxes,
  normalizeAxis,
  sizeOf,
  stridesOf,
} from "./shape.ts";

test("broadcasting follows NumPy's rule", () => {
  expect(broadcastShapes("add", [4, 1, 3], [2, 1])).toEqual([4, 2, 3]);
  expect(broadcastShapes("add", [], [0])).toEqual([0]);
  expect(broadcastShapes("add", [1], [0])).toEqual([0]);
  expect(() => broadcastShapes("add", [2, 3], [4])).toThrow("add: the shapes [2, 3] and [4] do not broadcast");
  expect(broadcastStrides([2, 1], [4, 2, 3])).toEqual([0, 1, 0]);
  expect(broadcastAxes([2, 1], [4, 2, 3])).toEqual([0, 2]);
});

test("axes count from both ends", () => {
  expect(normalizeAxis("sum", -1, 3)).toBe(2);
  expect(() => normalizeAxis("sum", 3, 3)).toThrow("sum: axis is 3, expected a whole number from -3 to 2");
  expect(() => normalizeAxis("sum", 0, 0)).toThrow("expected none for a scalar");
  expect(normalizeAxes("sum", [-1, 0], 3)).toEqual([0, 2]);
  expect(() => normalizeAxes("sum", [1, -1], 2)).toThrow("expected each axis once");
});

test("collapsing keeps every element's offset", () => {
  const axis = fc.record({ n: fc.integer({ min: 1, max: 4 }), stretched: fc.boolean() });
  fc.assert(
    fc.property(fc.array(axis, { maxLength: 5 }), (axes) => {
      const shape = axes.map(({ n }) => n);
      const operand = axes.map(({ n, stretched }) => (stretched ? 1 : n));
      const strides = [stridesOf(shape), broadcastStrides(operand, shape)];
      const merged = collapse(shape, strides);
      expect(sizeOf(merged.shape)).toBe(sizeOf(shape));
      for (let i = 0; i < sizeOf(shape); i++) {
        for (const k of [0, 1]) expect(offset(i, merged.shape, merged.strides[k]!)).toBe(offset(i, shape, strides[k]!));
      }
    }),
    { numRuns: cases(200) },
  );
  expect(
    collapse(
      [2, 3, 4],
      [
        [12, 4, 1],
        [0, 4, 1],
      ],
    ),
  ).toEqual({
    shape: [2, 12],
    strides: [
      [12, 1],
      [0, 1],
    ],
  });
});

function offset(i: number, shape: readonly number[], strides: readonly number[]): number {
  let rest = i;
  let at = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at += (rest % shape[axis]!) * strides[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return at;
}

test("promotion", () => {
  expect(promote("add", "bool", "i32")).toBe("i32");
  expect(promote("add", "u32", "bool")).toBe("u32");
  expect(promote("add", "i32", "f32")).toBe("f32");
  expect(() => promote("add", "i32", "u32")).toThrow("add: i32 with u32 has no common dtype");
  expect(promote("add", "i32", 2)).toBe("i32");
  expect(promote("add", "i32", 2.5)).toBe("f32");
  expect(promote("add", 2, "bool")).toBe("i32");
  expect(promote("add", 0.5, "f32")).toBe("f32");
});
