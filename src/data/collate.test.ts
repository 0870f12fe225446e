import { expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { collate } from "./collate.ts";

test("puts values together along a new first axis", async () => {
  const whole = collate([1, 2, -3]);
  expect([whole.dtype, await whole.toArray()]).toEqual(["i32", [1, 2, -3]]);
  const real = collate([1, 2.5]);
  expect([real.dtype, await real.toArray()]).toEqual(["f32", [1, 2.5]]);
  expect(collate([2 ** 40]).dtype).toBe("f32");
  expect(collate([true, false]).dtype).toBe("bool");
  expect(collate(["a", "b"])).toEqual(["a", "b"]);
  const arrays = collate([Uint8Array.of(1, 2), Uint8Array.of(3, 4)]);
  expect([arrays.dtype, await arrays.toArray()]).toEqual(["i32", [[1, 2], [3, 4]]]); // biome-ignore format: a table
  expect(collate([tensor([[1, 2]]), tensor([[3, 4]])]).shape).toEqual([2, 1, 2]);
  expect(collate([new Float64Array(0), new Float64Array(0)]).shape).toEqual([2, 0]);
});

test("looks into lists and objects", async () => {
  const [{ x, names }, y] = collate([
    [{ x: Float32Array.of(1, 2), names: ["a"] as const }, 3],
    [{ x: Float32Array.of(3, 4), names: ["b"] as const }, 4],
  ] as const satisfies readonly [object, number][]);
  expect(x.shape).toEqual([2, 2]);
  expect(names).toEqual([["a", "b"]]);
  expect(await y.toArray()).toEqual([3, 4]);
});

test("errors say where", () => {
  expect(() => collate([])).toThrow("there are no examples");
  expect(() => collate([{ a: [Int32Array.of(1)] }, { a: [Int32Array.of(1, 2)] }])).toThrow(
    "collate: an example.a[0] has 2 elements, expected 1 as the first; pad them with padSequences",
  );
  expect(() => collate([[1], [1, 2]])).toThrow("an example has 2 elements, expected 1");
  expect(() => collate([{ a: 1 }, { b: 1 }] as { a: number }[])).toThrow(
    "an example.a is undefined where the first is number",
  );
  expect(() => collate([1, "a"] as unknown[])).toThrow("an example is string where the first is number");
  expect(() => collate([new Date()])).toThrow("an example is Date, expected numbers");
  expect(() => collate([null])).toThrow("an example is null, expected");
  expect(() => collate([tensor([1]), tensor([1, 2])])).toThrow("an example has shape [2], expected [1]");
});
