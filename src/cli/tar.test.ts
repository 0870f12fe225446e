import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readTar } from "./tar.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-tar-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const longName = `a/${"long/".repeat(30)}${"name".repeat(30)}.txt`;
const contents: Record<string, string> = {
  "a/empty.txt": "",
  "a/one.txt": "one\n",
  "a/block.txt": "x".repeat(512),
  "a/ünïcode.txt": "ü",
  "a/long.txt": "y".repeat(3000),
  [longName]: "deep",
};
for (const [name, text] of Object.entries(contents)) {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), text);
}
symlinkSync("one.txt", join(folder, "a/link.txt"));
const archive = (format: string) =>
  new Uint8Array(execFileSync("tar", ["-cf", "-", `--format=${format}`, "a"], { cwd: folder, maxBuffer: 1 << 24 }));

async function* pieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function read(bytes: Uint8Array, size = 1000): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const entry of readTar(pieces(bytes, size), "x.tar"))
    found[entry.name] = new TextDecoder().decode(entry.bytes);
  return found;
}

describe("tar", () => {
  test.each(["gnu", "pax", "ustar"])("the files of an archive, format %s, whatever the pieces", async (format) => {
    const expected = { ...contents };
    if (format === "ustar") {
      rmSync(join(folder, longName)); // a name that ustar has no room for
      delete expected[longName];
    }
    const bytes = archive(format);
    for (const size of [1, 511, 512, 100_000]) expect(await read(bytes, size)).toEqual(expected);
  });

  test("a name in two parts", async () => {
    const path = `a/${"d".repeat(90)}/${"f".repeat(90)}.txt`;
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), "parts");
    expect((await read(archive("ustar")))[path]).toBe("parts");
  });

  test("what is cut, damaged or none is refused", async () => {
    const bytes = archive("gnu");
    await expect(read(bytes.subarray(0, 1300))).rejects.toThrow("x.tar: ends within an entry");
    await expect(read(bytes.with(3, bytes[3]! ^ 1))).rejects.toThrow("x.tar: is no tar archive, or is damaged");
    await expect(read(new TextEncoder().encode("no archive".repeat(100)))).rejects.toThrow("is no tar archive");
    expect(await read(new Uint8Array(0))).toEqual({});
  });

  test("sizes beyond what octal digits hold", async () => {
    const header = archive("gnu").slice(0, 512);
    const base256 = Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0); // 512
    header.set(base256, 124);
    header[156] = "0".charCodeAt(0);
    const sum = header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
    header.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
    const entry = Uint8Array.of(...header, ...new Array<number>(512).fill(65));
    expect(Object.values(await read(entry))).toEqual(["A".repeat(512)]);
  });
});
