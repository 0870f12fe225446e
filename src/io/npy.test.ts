import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { withDevice } from "../tensor/device.ts";
import { type NpyEntry, parseNpy, parseNpz, serializeNpy, serializeNpz } from "./npy.ts";
import { toFloat32 } from "./safetensors.ts";
import { fromTensor, toTensor } from "./tensors.ts";

interface Case {
  name: string;
  code: string;
  shape: number[];
  values: string[];
  canonical: boolean;
  bytes: string;
}

// What NumPy wrote; see npy.py beside it.
const numpy: { cases: Case[]; refused: Record<string, string>; npz: string; npzCompressed: string } = JSON.parse(
  readFileSync(new URL("../../test/numpy/npy.json", import.meta.url), "utf8"),
);
const decode = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));

const DTYPES: Record<string, NpyEntry["dtype"]> = {
  ...{ b1: "BOOL", u1: "U8", i1: "I8", u2: "U16", i2: "I16", f2: "F16" },
  ...{ u4: "U32", i4: "I32", f4: "F32", u8: "U64", i8: "I64", f8: "F64" },
};

function asPython(entry: NpyEntry): number[] {
  const data = entry.dtype === "F16" ? toFloat32(entry) : entry.data;
  return Array.from(data as Float32Array, Number);
}

function numberOf(text: string): number {
  const words: Record<string, number> = { True: 1, False: 0, nan: Number.NaN, inf: 1 / 0, "-inf": -1 / 0 };
  return words[text] ?? Number(text);
}

describe("npy", () => {
  test.each(numpy.cases)("reads NumPy's $name", ({ code, shape, values, bytes }) => {
    const entry = parseNpy(decode(bytes));
    expect(entry.dtype).toBe(DTYPES[code]);
    expect(entry.shape).toEqual(shape);
    expect(asPython(entry)).toEqual(values.map(numberOf));
  });

  test.each(numpy.cases.filter(({ canonical }) => canonical))("writes NumPy's bytes of $name", ({ bytes }) => {
    expect(serializeNpy(parseNpy(decode(bytes)))).toEqual(decode(bytes));
  });

  test("reads what lies anywhere in memory, and swaps bytes in a copy", () => {
    const find = (name: string) => decode(numpy.cases.find((one) => one.name === name)!.bytes);
    for (const bytes of [find("f8"), find("big-endian f8")]) {
      const shifted = new Uint8Array(bytes.length + 3).subarray(3);
      shifted.set(bytes);
      expect(parseNpy(shifted)).toEqual(parseNpy(bytes));
      expect(shifted).toEqual(bytes);
    }
  });

  test.each(Object.entries(numpy.refused))("refuses %s", (name, bytes) => {
    const remedies: Record<string, RegExp> = {
      "pickled objects":
        /^x\.npy: its elements have the type \|O; such objects are pickled code, which is not run here/,
      texts: /<U2; texts are read from CSV/,
      records: /write each field of the records to a file of its own/,
      complex: /<c8; expected one of b1, u1/,
    };
    expect(() => parseNpy(decode(bytes), { file: "x.npy" })).toThrow(remedies[name]);
  });

  test("refuses what is cut, too long or no file of NumPy's", () => {
    const bytes = serializeNpy({ dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
    const refused = (bytes: Uint8Array, message: string | RegExp) =>
      expect(() => parseNpy(bytes, { file: "x.npy" })).toThrow(message);
    refused(bytes.subarray(0, -1), "x.npy: has 143 bytes, expected 144 for <f4 [2, 2]");
    refused(new Uint8Array([...bytes, 0]), "has 145 bytes, expected 144");
    refused(bytes.subarray(0, 11), "ends within its header");
    refused(bytes.subarray(0, 40), "ends within its header");
    refused(new Uint8Array(0), "is no .npy file");
    refused(new TextEncoder().encode("a,b\n1,2\n"), "is no .npy file");
    refused(bytes.with(6, 4), "is of version 4 of the format, expected 1 to 3");
    const replaced = (from: string, to: string) =>
      Uint8Array.from(Buffer.from(Buffer.from(bytes).toString("latin1").replace(from, to), "latin1"));
    refused(replaced("'shape'", "'shade'"), "which is none of NumPy's");
    refused(replaced("False", "maybe"), "which is none of NumPy's");
    refused(replaced("'descr': '<f4'", "'shape': (1, ) "), "which is none of NumPy's");
    refused(replaced("(2, 2)", "'<f4' "), "which is none of NumPy's");
  });

  test("refuses to write what does not fit", () => {
    expect(() => serializeNpy({ dtype: "BF16", shape: [1], data: new Uint16Array(1) } as never)).toThrow(
      'serializeNpy: dtype is "BF16", expected BOOL, U8',
    );
    expect(() => serializeNpy({ dtype: "F32", shape: [2], data: new Float32Array(3) })).toThrow(
      "serializeNpy: data is Float32Array of 3, expected Float32Array of 2 for F32 [2]",
    );
    expect(() => serializeNpy({ dtype: "F32", shape: [2], data: new Float64Array(2) } as never)).toThrow(
      "data is Float64Array of 2, expected Float32Array of 2",
    );
  });
});

describe("npz", () => {
  test.each([numpy.npz, numpy.npzCompressed])("reads NumPy's, stored and deflated", (bytes) => {
    const arrays = parseNpz(decode(bytes));
    expect([...arrays.keys()]).toEqual(["weight", "steps", "name/of"]);
    expect(arrays.get("weight")).toEqual({
      dtype: "F32",
      shape: [3, 4],
      data: Float32Array.from({ length: 12 }, (_, i) => i),
    });
    expect(arrays.get("steps")).toEqual({ dtype: "I64", shape: [], data: BigInt64Array.of(7n) });
    expect(arrays.get("name/of")).toEqual({ dtype: "BOOL", shape: [2], data: Uint8Array.of(1, 0) });
  });

  test.each([true, false])("comes back as it was, compress: %s, and is the same bytes each time", (compress) => {
    const arrays = parseNpz(decode(numpy.npz));
    const bytes = serializeNpz(arrays, { compress });
    expect(parseNpz(bytes)).toEqual(arrays);
    expect(serializeNpz(arrays, { compress })).toEqual(bytes);
  });

  test("compresses", () => {
    const zeros = new Map([["x", { dtype: "F32", shape: [1000], data: new Float32Array(1000) } as const]]);
    expect(serializeNpz(zeros).length).toBeGreaterThan(4000);
    expect(serializeNpz(zeros, { compress: true }).length).toBeLessThan(400);
  });

  test("refuses what is damaged", () => {
    const bytes = serializeNpz(new Map([["x", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) }]]));
    expect(() => parseNpz(bytes.subarray(0, 50), { file: "x.npz" })).toThrow(
      /^x\.npz: is no \.npz file, or is damaged/,
    );
    expect(() => parseNpz(bytes.subarray(10))).toThrow("npz");
    expect(() => parseNpz(decode(numpy.cases[0]!.bytes))).toThrow("is no .npz file");
  });
});

describe("tensors", () => {
  test("from arrays and back", async () => {
    const entries: NpyEntry[] = [
      { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 3) },
      { dtype: "I32", shape: [2], data: Int32Array.of(-1, 7) },
      { dtype: "U32", shape: [1, 1], data: Uint32Array.of(4e9) },
      { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) },
    ];
    for (const entry of entries) expect(await fromTensor(toTensor(entry))).toEqual(entry);
    const half = toTensor({ dtype: "F16", shape: [1], data: Uint16Array.of(0x3e00) });
    expect([half.dtype, await half.item()]).toEqual(["f32", 1.5]);
    const long = toTensor({ dtype: "I64", shape: [1], data: BigInt64Array.of(-5n) });
    expect([long.dtype, await long.item()]).toEqual(["i32", -5]);
    expect(toTensor({ dtype: "U8", shape: [1], data: Uint8Array.of(3) }, { dtype: "f32" }).dtype).toBe("f32");
    expect(() => toTensor({ dtype: "I64", shape: [1], data: BigInt64Array.of(2n ** 40n) })).toThrow(
      "toTensor: the array has the element 1099511627776 in I64",
    );
  });

  test("keep float64 where the device has it", async () => {
    const entry: NpyEntry = { dtype: "F64", shape: [1], data: Float64Array.of(0.1) };
    const x = toTensor(entry, { device: "cpu:f64" });
    expect(await fromTensor(x)).toEqual(entry);
    expect((await fromTensor(withDevice("cpu", () => tensor([0.1])))).dtype).toBe("F32");
  });
});
