import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../gpu/errors.ts";
import {
  parseSafetensors,
  type SafetensorsDType,
  type SafetensorsEntry,
  serializeSafetensors,
  toFloat32,
} from "./safetensors.ts";

// A file with this header, whose length is stated truly unless told otherwise, and this much data.
function file(header: string, dataBytes = 0, length?: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const info = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype: unknown = "F32") =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

function refusal(bytes: Uint8Array): string {
  try {
    parseSafetensors(bytes, { file: "model.safetensors" });
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    const { message } = error as DataError;
    expect(message).toMatch(/^model\.safetensors: .*; save or download the file again$/);
    expect(message.length).toBeLessThan(400);
    return message;
  }
  throw new Error("was not refused");
}

const ARRAYS = {
  BOOL: [Uint8Array, 8],
  F4: [Uint8Array, 4],
  F6_E2M3: [Uint8Array, 6],
  F6_E3M2: [Uint8Array, 6],
  U8: [Uint8Array, 8],
  I8: [Int8Array, 8],
  F8_E5M2: [Uint8Array, 8],
  F8_E4M3: [Uint8Array, 8],
  F8_E8M0: [Uint8Array, 8],
  I16: [Int16Array, 16],
  U16: [Uint16Array, 16],
  F16: [Uint16Array, 16],
  BF16: [Uint16Array, 16],
  I32: [Int32Array, 32],
  U32: [Uint32Array, 32],
  F32: [Float32Array, 32],
  C64: [Uint8Array, 64],
  F64: [Float64Array, 64],
  I64: [BigInt64Array, 64],
  U64: [BigUint64Array, 64],
} as const;

const entry = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(ARRAYS) as SafetensorsDType[])),
    shape: fc.array(fc.nat(4), { maxLength: 4 }),
    seed: fc.nat(255),
  })
  .map(({ dtype, shape, seed }) => {
    const [array, bits] = ARRAYS[dtype];
    const whole = bits < 8 ? [...shape, 4] : shape; // elements of 4 and 6 bits must fill their last byte
    const bytes = Uint8Array.from({ length: (whole.reduce((a, b) => a * b, 1) * bits) / 8 }, (_, i) => i * 7 + seed);
    return { dtype, shape: whole, data: new array(bytes.buffer) } as SafetensorsEntry;
  });
const name = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("__proto__", "constructor", "0", "1", 'a"b\\c\n', "encoder.layers.0.weight"),
);
const tensors = fc.uniqueArray(fc.tuple(name, entry), { selector: ([key]) => key, maxLength: 6 });
const metadata = fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), { maxKeys: 3 });

describe("safetensors", () => {
  it("writes what it reads and reads what it writes, tensors aligned, in the same bytes for every order", () => {
    fc.assert(
      fc.property(tensors, metadata, (original, texts) => {
        const bytes = serializeSafetensors(original, texts);
        const parsed = parseSafetensors(bytes);
        expect(new Map(parsed.tensors)).toEqual(new Map(original));
        expect(Object.entries(parsed.metadata).sort()).toEqual(Object.entries(texts).sort());
        for (const { data } of parsed.tensors.values()) expect(data.buffer).toBe(bytes.buffer);

        const reordered = Object.fromEntries(Object.entries(texts).reverse());
        expect(serializeSafetensors(original.toReversed(), reordered)).toEqual(bytes);
        expect(serializeSafetensors(parsed.tensors, parsed.metadata)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it("writes the bytes that the official library writes", () => {
    const data = Float32Array.of(0, 1, 2, 3, 4, 5);
    const floats = [...new Uint8Array(data.buffer)];
    const text = (string: string) => [...new TextEncoder().encode(string)];
    const one = (key: string, shape: number[]) => [...serializeSafetensors([[key, { dtype: "F32", shape, data }]])];

    const exact = '{"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}}';
    expect(one("attn.0", [1, 2, 3])).toEqual([64, 0, 0, 0, 0, 0, 0, 0, ...text(exact), ...floats]);
    const padded = '{"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       ';
    expect(one("attn0", [1, 1, 2, 3])).toEqual([72, 0, 0, 0, 0, 0, 0, 0, ...text(padded), ...floats]);
    expect([...serializeSafetensors([])]).toEqual([8, 0, 0, 0, 0, 0, 0, 0, ...text("{}      ")]);
    expect([...serializeSafetensors([], { framework: "pt" })]).toEqual([
      ...[40, 0, 0, 0, 0, 0, 0, 0],
      ...text('{"__metadata__":{"framework":"pt"}}     '),
    ]);
  });

  it("puts wide dtypes first, then orders by name", () => {
    const bytes = serializeSafetensors([
      ["c", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ["b", { dtype: "F32", shape: [], data: Float32Array.of(4) }],
      ["a", { dtype: "F32", shape: [0, 2], data: new Float32Array(0) }],
      ["steps", { dtype: "I64", shape: [1], data: BigInt64Array.of(-5n) }],
    ]);
    expect([...parseSafetensors(bytes).tensors.keys()]).toEqual(["steps", "a", "b", "c"]);
    expect(parseSafetensors(bytes).tensors.get("steps")?.data).toEqual(BigInt64Array.of(-5n));
  });

  it("refuses to write what cannot be read back", () => {
    const data = Float32Array.of(1, 2);
    const good: SafetensorsEntry = { dtype: "F32", shape: [2], data };
    const write = (changes: object, key = "w") =>
      serializeSafetensors([[key, { ...good, ...changes } as SafetensorsEntry]]);
    expect(() => write({ shape: [3] })).toThrow('tensor "w" has 8 bytes, expected 12 for F32 of shape [3]');
    expect(() => write({ shape: [-2] })).toThrow('tensor "w" has shape [-2], expected integers of at least 0');
    expect(() => write({ dtype: "I32" })).toThrow('tensor "w" of dtype I32 has other data, expected Int32Array');
    expect(() => write({ dtype: "float32" })).toThrow('tensor "w" has dtype "float32"; known: BOOL, ');
    expect(() => write({}, "__metadata__")).toThrow("has the name that the format keeps for metadata");
    expect(() => write({}, "\ud800")).toThrow('"\\ud800" has half a surrogate pair, expected valid Unicode');
    expect(() => serializeSafetensors([], { note: "\udc00" })).toThrow("has half a surrogate pair");
    expect(() =>
      serializeSafetensors([
        ["w", good],
        ["w", good],
      ]),
    ).toThrow('tensor "w" occurs twice');
  });
});

describe("parseSafetensors accepts", () => {
  it("a scalar, a tensor without elements, no tensors, space around the header", () => {
    expect(parseSafetensors(file(`{"t":${info(0, 4, [])}}`, 4)).tensors.get("t")).toMatchObject({ shape: [] });
    expect(parseSafetensors(file(`{"t":${info(0, 0, [2, 0])}}`)).tensors.get("t")?.data).toHaveLength(0);
    expect(parseSafetensors(file("{}\r \t\n")).tensors.size).toBe(0);
  });

  it("tensors in any order in the header", () => {
    const { tensors } = parseSafetensors(file(`{"b":${info(4, 8)},"a":${info(0, 4)},"none":${info(4, 4)}}`, 8));
    expect([...tensors.keys()]).toEqual(["a", "none", "b"]);
  });

  it("data that is not aligned, by copying it", () => {
    const bytes = file(`{"byte":${info(0, 1, [1], "U8")},"t":${info(1, 9)}} `, 9);
    bytes.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), bytes.length - 8);
    for (let offset = 0; offset < 8; offset++) {
      const moved = Buffer.alloc(bytes.length + offset).subarray(offset); // its slice() would not copy
      moved.set(bytes);
      expect(parseSafetensors(moved).tensors.get("t")?.data).toEqual(Float32Array.of(1.5, -2));
    }
  });

  it("names such as __proto__ without harm", () => {
    const header = `{"__proto__":${info(0, 4)},"__metadata__":{"__proto__":"x"}}`;
    const { tensors, metadata } = parseSafetensors(file(header, 4));
    expect([...tensors.keys()]).toEqual(["__proto__"]);
    expect(Object.entries(metadata)).toEqual([["__proto__", "x"]]);
    expect({}).not.toHaveProperty("dtype");
  });
});

describe("parseSafetensors refuses", () => {
  const whole = serializeSafetensors([["w", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]]);

  it.each<[string, Uint8Array, string]>([
    ["an empty file", new Uint8Array(0), "is truncated: has 0 bytes, the header's length alone takes 8"],
    ["half a length", new Uint8Array(7), "is truncated: has 7 bytes"],
    ["a header past the end", file("", 0, 60), "is truncated: at least 60 bytes are missing"],
    ["a header that lacks its last byte", file("{} ", 0, 4), "is truncated: at least 1 bytes are missing"],
    ["a header cut off", whole.subarray(0, 20), "is truncated: at least 52 bytes are missing"],
    ["data cut off", whole.subarray(0, -2), "is truncated: 2 of 16 bytes of tensors are missing"],
    ["a header of 100 MB and a byte", file("{}", 0, 100_000_001), "its header would have 100000001 bytes, more than"],
    [
      "a header of 2^64 bytes",
      Uint8Array.of(...new Array(8).fill(255), 0x7b),
      "its header would have 18446744073709551615",
    ],
    ["a header that is not UTF-8", file("{}", 0).fill(0xff, 9), "its header is not UTF-8"],
    ["a header that is not JSON", file("{"), "its header is not JSON"],
    ["a header that is null", file("null"), "its header does not begin with {"],
    ["a header with space before it", file(" {}"), "its header does not begin with {"],
    ["a header with a byte order mark", file("\ufeff{}"), "its header does not begin with {"],
    ["no header", file(""), "its header does not begin with {"],
    ["text after the header", file("{}x"), "its header is not JSON"],
    ["a name twice", file(`{"a":${info(0, 4)},"a":${info(0, 4)}}`, 4), 'its header has "a" twice'],
    [
      "a name twice, spelt in two ways",
      file(`{"a":${info(0, 4)},"\\u0061" :${info(0, 4)}}`, 4),
      'its header has "a" twice',
    ],
    ["a key of a tensor twice", file('{"a":{"dtype":"F32","shape":[1],"shape":[]}}', 4), 'has "shape" twice'],
    ["metadata that is no object", file('{"__metadata__":["a"]}'), "its __metadata__ is not an object of strings"],
    ["metadata of numbers", file('{"__metadata__":{"a":1}}'), "its __metadata__ is not an object of strings"],
    ["metadata that is null", file('{"__metadata__":null}'), "its __metadata__ is not an object of strings"],
    ["a tensor that is no object", file('{"a":[1]}'), 'tensor "a" is not described by an object'],
    ["a tensor of nothing", file('{"a":{}}'), 'tensor "a" has the dtype undefined'],
    [
      "an unknown dtype",
      file(`{"a":${info(0, 4, [1], "F33")}}`, 4),
      'tensor "a" has the dtype "F33"; did you mean "F32"?',
    ],
    ["a dtype named like a member", file(`{"a":${info(0, 4, [1], "toString")}}`, 4), 'has the dtype "toString"'],
    ["a shape that is no list", file(`{"a":${info(0, 4, 1)}}`, 4), 'tensor "a" has the shape 1, expected integers'],
    [
      "a negative size",
      file(`{"a":${info(0, 4, [-1, -1])}}`, 4),
      "has the shape [-1,-1], expected integers of at least 0",
    ],
    ["minus zero", file('{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}'), "expected integers of at least 0"],
    [
      "a fractional size",
      file(`{"a":${info(0, 4, [0.5])}}`, 4),
      "has the shape [0.5], expected integers of at least 0",
    ],
    [
      "a size past 2^53",
      file('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4),
      "has the shape",
    ],
    ["a product past 2^53", file(`{"a":${info(0, 4, [2 ** 30, 2 ** 30])}}`, 4), "has no whole number of bytes"],
    [
      "a product past 2^53, times zero",
      file(`{"a":${info(0, 0, [2 ** 30, 2 ** 30, 0])}}`),
      "has no whole number of bytes",
    ],
    ["bytes past 2^53", file(`{"a":${info(0, 4, [2 ** 52])}}`, 4), "has no whole number of bytes"],
    ["half a byte", file(`{"a":${info(0, 1, [1], "F4")}}`, 1), "has no whole number of bytes"],
    [
      "offsets of three",
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}', 2),
      "has the data_offsets [0,1,2]",
    ],
    ["offsets missing", file('{"a":{"dtype":"U8","shape":[1]}}', 2), "has the data_offsets undefined"],
    [
      "offsets backwards",
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}', 1),
      "needs 1 bytes, data_offsets are [1,0]",
    ],
    ["offsets of a larger size", file(`{"a":${info(0, 8, [1])}}`, 8), "needs 4 bytes, data_offsets are [0,8]"],
    ["offsets of another size", file(`{"a":${info(0, 4, [2, 2])}}`, 4), "needs 16 bytes, data_offsets are [0,4]"],
    [
      "an overlap",
      file(`{"a":${info(0, 8)},"b":${info(4, 12)}}`, 12),
      'tensor "b" begins at 4, inside the tensor that ends at 8',
    ],
    [
      "ten tensors on the same bytes",
      file(`{${Array.from({ length: 10 }, (_, i) => `"w${i}":${info(0, 16)}`)}}`, 16),
      "inside the tensor",
    ],
    [
      "a hole",
      file(`{"a":${info(0, 4)},"b":${info(8, 12)}}`, 12),
      'no tensor owns the bytes from 4 to 8, where tensor "b" begins',
    ],
    ["a hole at the start", file(`{"a":${info(4, 8)}}`, 8), "no tensor owns the bytes from 0 to 4"],
    ["bytes after the last tensor", file(`{"a":${info(0, 4)}}`, 10), "has 6 bytes after the last tensor"],
    ["bytes without any tensor", file("{}", 3), "has 3 bytes after the last tensor"],
    ["a name that would fill the screen", file(`{"${"x\\n".repeat(9999)}":1}`), "is not described by an object"],
    [
      "nesting without end",
      file(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
      "is not described by an object",
    ],
  ])("%s", (_, bytes, message) => {
    expect(refusal(bytes)).toContain(message);
  });

  it("every file cut short", () => {
    for (let length = 0; length < whole.length; length++) {
      expect(refusal(whole.slice(0, length))).toMatch(/is truncated: /);
    }
  });

  it("any bytes with a DataError or not at all", () => {
    const json = fc.json().map((text) => file(text, 4));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), json), (bytes) => {
        try {
          parseSafetensors(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("any change of one byte with a DataError or not at all, and then with the bytes that the header states", () => {
    fc.assert(
      fc.property(tensors, metadata, fc.nat(), fc.nat(255), (original, texts, position, value) => {
        const bytes = serializeSafetensors(original, texts);
        bytes[position % Math.min(bytes.length, 400)] = value;
        try {
          const read = parseSafetensors(bytes);
          const total = [...read.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
          expect(total).toBeLessThan(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("options that do not exist", () => {
    expect(() => parseSafetensors(whole, { fiel: "a" } as never)).toThrow('did you mean "file"?');
  });
});

describe("toFloat32", () => {
  const half = (...bits: number[]) => [
    ...toFloat32({ dtype: "F16", shape: [bits.length], data: Uint16Array.from(bits) }),
  ];
  const brain = (...bits: number[]) => [
    ...toFloat32({ dtype: "BF16", shape: [bits.length], data: Uint16Array.from(bits) }),
  ];

  it("widens F16", () => {
    expect(half(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x3555)).toEqual([
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      -1023 * 2 ** -24,
      0.333251953125,
    ]);
    expect(half(0, 0x8000, 0x7c00, 0xfc00, 0x7e00)).toEqual([0, -0, Infinity, -Infinity, NaN]);
  });

  it("widens every F16 to a different number, in order", () => {
    const positive = half(...Array.from({ length: 0x7c01 }, (_, bits) => bits));
    for (let i = 1; i < positive.length; i++) expect(positive[i]! > positive[i - 1]!).toBe(true);
  });

  it("widens BF16", () => {
    expect(brain(0x3f80, 0xc000, 0x7f7f, 0x0080, 0x0001, 0x4049)).toEqual([
      1,
      -2,
      (2 - 2 ** -7) * 2 ** 127,
      2 ** -126,
      2 ** -133,
      3.140625,
    ]);
    expect(brain(0, 0x8000, 0x7f80, 0xff80, 0x7fc0)).toEqual([0, -0, Infinity, -Infinity, NaN]);
  });

  it("keeps F32 as it is, rounds F64, and refuses others", () => {
    const data = Float32Array.of(1.5);
    expect(toFloat32({ dtype: "F32", shape: [1], data })).toBe(data);
    expect(toFloat32({ dtype: "F64", shape: [1], data: Float64Array.of(0.1) })).toEqual(Float32Array.of(0.1));
    expect(() => toFloat32({ dtype: "I32", shape: [0], data: new Int32Array(0) })).toThrow(
      "toFloat32: the tensor's dtype is I32, expected F32, F64, F16 or BF16",
    );
  });
});
