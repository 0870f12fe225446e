import { expect, test } from "vitest";
import { parseIdx } from "./idx.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

test("reads every type, big-endian, of any rank", () => {
  expect(parseIdx(bytes(0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 255))).toEqual({ shape: [3], data: Uint8Array.of(1, 2, 255) });
  expect(parseIdx(bytes(0, 0, 9, 1, 0, 0, 0, 2, 1, 255)).data).toEqual(Int8Array.of(1, -1));
  expect(parseIdx(bytes(0, 0, 11, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 255, 254))).toEqual({
    shape: [1, 2],
    data: Int16Array.of(256, -2),
  });
  expect(parseIdx(bytes(0, 0, 12, 1, 0, 0, 0, 1, 0, 1, 0, 0)).data).toEqual(Int32Array.of(65536));
  expect(parseIdx(bytes(0, 0, 13, 1, 0, 0, 0, 1, 0x3f, 0x80, 0, 0)).data).toEqual(Float32Array.of(1));
  expect(parseIdx(bytes(0, 0, 14, 1, 0, 0, 0, 1, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0)).data).toEqual(Float64Array.of(1));
  expect(parseIdx(bytes(0, 0, 8, 0, 7))).toEqual({ shape: [], data: Uint8Array.of(7) });
});

test("a view into a larger buffer is read from its own start", () => {
  expect(parseIdx(bytes(9, 9, 0, 0, 8, 1, 0, 0, 0, 1, 5, 9).subarray(2, 11)).data).toEqual(Uint8Array.of(5));
});

test("refuses what is no IDX file, or not whole", () => {
  const refuse = (...values: number[]) => expect(() => parseIdx(bytes(...values), { file: "a.idx" }));
  refuse().toThrow("a.idx: is no IDX file");
  refuse(1, 0, 8, 1, 0, 0, 0, 0).toThrow("a.idx: is no IDX file");
  refuse(0, 0, 10, 1, 0, 0, 0, 0).toThrow("a.idx: is no IDX file");
  refuse(0, 0, 8, 2, 0, 0, 0, 1).toThrow("a.idx: ends within its header");
  refuse(0, 0, 8, 1, 0, 0, 0, 3, 1, 2).toThrow("a.idx: has 10 bytes, expected 11 for [3]");
  refuse(0, 0, 8, 1, 0, 0, 0, 1, 1, 2).toThrow("a.idx: has 10 bytes, expected 9 for [1]");
});
