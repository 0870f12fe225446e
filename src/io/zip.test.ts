import { readFileSync } from "node:fs";
import crc32 from "crc-32";
import { strFromU8, strToU8, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { parseWeights } from "./weights.ts";
import { readZipDirectory, readZipEntry, sourceOf } from "./zip.ts";

const saved = new Uint8Array(readFileSync(new URL("../../test/pytorch/saved.pt", import.meta.url)));

function contents(archive: Uint8Array): Record<string, string> {
  const source = sourceOf(archive);
  const entries = [...readZipDirectory(source, "a.zip").values()];
  return Object.fromEntries(entries.map((entry) => [entry.name, strFromU8(readZipEntry(source, "a.zip", entry))]));
}

/** The end record of an archive, which has no comment. */
const endOf = (archive: Uint8Array) => new DataView(archive.buffer, archive.byteOffset + archive.length - 22, 22);

/** An archive with one stored file, whose sizes and place are 64 bits wide, as behind 4 GB. */
function wideArchive(name: string, text: string): Uint8Array {
  const data = strToU8(text);
  const u16 = (n: number) => [n & 255, n >> 8];
  const u32 = (n: number) => [...u16(n & 0xffff), ...u16(n >>> 16)];
  const u64 = (n: number) => [...u32(n), 0, 0, 0, 0];
  const wide = [255, 255, 255, 255];
  const crc = u32(crc32.buf(data) >>> 0);
  const extra = [...u16(1), ...u16(24), ...u64(data.length), ...u64(data.length), ...u64(0)];
  const common = [...u16(45), ...u16(0), ...u16(0), ...u32(0), ...crc, ...wide, ...wide, ...u16(name.length)];
  const local = [...u32(0x04034b50), ...common, ...u16(20), ...strToU8(name), ...extra.slice(0, 20)];
  const other = [...u16(9), ...u16(2), 7, 7]; // an extra field of another kind, which comes first
  const lengths = [...u16(extra.length + other.length), ...u16(0), ...u16(0), ...u16(0), ...u32(0)];
  const central = [
    ...u32(0x02014b50),
    ...u16(45),
    ...common,
    ...lengths,
    ...wide,
    ...strToU8(name),
    ...other,
    ...extra,
  ];
  const start = local.length + data.length;
  const counts = [...u64(1), ...u64(1), ...u64(central.length), ...u64(start)];
  const record = [...u32(0x06064b50), ...u64(44), ...u16(45), ...u16(45), ...u32(0), ...u32(0), ...counts];
  const locator = [...u32(0x07064b50), ...u32(0), ...u64(start + central.length), ...u32(1)];
  const end = [...u32(0x06054b50), ...u16(0), ...u16(0), 255, 255, 255, 255, ...wide, ...wide, ...u16(0)];
  return Uint8Array.from([...local, ...data, ...central, ...record, ...locator, ...end]);
}

describe("archives", () => {
  test("have stored and deflated files, and a comment behind their end", () => {
    const text = "to and fro ".repeat(500);
    const archive = zipSync({
      "a/b.txt": strToU8(text),
      "ä.txt": [strToU8("x"), { level: 0 }],
      empty: new Uint8Array(0),
    });
    const expected = { "a/b.txt": text, "ä.txt": "x", empty: "" };
    expect(contents(archive)).toEqual(expected);
    const commented = Uint8Array.from([...archive, ...strToU8("a comment")]);
    new DataView(commented.buffer).setUint16(archive.length - 2, 9, true);
    expect(contents(commented)).toEqual(expected);
  });

  test("may be wider than 32 bits", () => {
    expect(contents(wideArchive("wide.txt", "far away"))).toEqual({ "wide.txt": "far away" });
    const wide = saved.slice();
    const end = endOf(wide);
    for (const field of [8, 10]) end.setUint16(field, 0xffff, true);
    for (const field of [12, 16]) end.setUint32(field, 0xffffffff, true);
    expect(parseWeights(wide)).toEqual(parseWeights(saved)); // PyTorch writes both ends
    wide[wide.length - 22 - 20] = 0;
    expect(() => parseWeights(wide)).toThrow("the end of its directory is damaged");
  });
});

describe("what is refused", () => {
  const archive = zipSync({
    "a.txt": [strToU8("hello"), { level: 0 }],
    "b.txt": [strToU8("x".repeat(99)), { level: 9 }],
  });
  const central = archive.findLastIndex(
    (_, i) => i > 0 && archive[i] === 0x50 && archive[i + 2] === 1 && archive[i + 3] === 2,
  );
  /** The archive with one word of its last directory entry, b.txt's, changed. */
  const patched = (field: number, value: number, width: 2 | 4) => {
    const bytes = archive.slice();
    const view = new DataView(bytes.buffer);
    if (width === 2) view.setUint16(central + field, value, true);
    else view.setUint32(central + field, value, true);
    return bytes;
  };

  test.each([
    ["an encrypted file", patched(8, 1, 2), "a.zip: b.txt is encrypted"],
    ["an unknown compression", patched(10, 14, 2), "b.txt has compression 14, expected none or deflate"],
    ["another checksum", patched(16, 1, 4), "b.txt is damaged, its checksum differs"],
    ["a size that deflate does not reach", patched(24, 2 ** 30, 4), "b.txt has an impossible size"],
    ["a size that is too small", patched(24, 3, 4), "b.txt is damaged"],
    ["data behind the end", patched(20, 2 ** 30, 4), "it refers to bytes behind its end"],
    ["a place that is none", patched(42, 3, 4), "b.txt is not where its directory says"],
    ["an entry longer than the directory", patched(28, 60000, 2), "its directory is cut"],
    ["a directory that is none", patched(0, 0, 4), "its directory is damaged at file 1 of 2"],
    ["a file that is cut", archive.slice(0, -1), "the directory at its end is missing"],
  ] as const)("%s", (_, bytes, message) => {
    expect(() => contents(bytes)).toThrow(message);
  });

  test("a name twice", () => {
    const bytes = archive.slice();
    const places = [...bytes.keys()].filter((i) => strFromU8(bytes.slice(i, i + 5)) === "b.txt");
    for (const i of places) bytes[i] = "a".charCodeAt(0);
    expect(() => contents(bytes)).toThrow('a.zip: has "a.txt" twice');
  });
});
