import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DataError } from "../gpu/errors.ts";
import { readFileChecked, writeFileAtomic } from "./files-node.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tilegrad-files-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return error.message;
}

// Root may do anything, so permissions are tested as somebody else.
async function asOrdinaryUser<T>(run: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(65534);
  try {
    return await run();
  } finally {
    process.seteuid?.(0);
  }
}

describe("readFileChecked", () => {
  it("reads bytes, and nothing where that is allowed", async () => {
    await writeFile(join(folder, "a"), Uint8Array.of(1, 2, 255));
    await writeFile(join(folder, "empty"), "");
    const bytes = await readFileChecked(join(folder, "a"));
    expect(bytes).toEqual(Uint8Array.of(1, 2, 255));
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    expect(await readFileChecked(join(folder, "empty"), { allowEmpty: true })).toHaveLength(0);
  });

  it("names the file and what is wrong with it", async () => {
    const path = join(folder, "a");
    expect(await refusal(readFileChecked(path))).toBe(`${path}: does not exist; check the path`);
    expect(await refusal(readFileChecked(folder))).toBe(`${folder}: is a folder, expected a file; check the path`);
    await writeFile(path, "");
    expect(await refusal(readFileChecked(path))).toBe(`${path}: is empty; check that it was written whole`);
    expect(await refusal(readFileChecked(join(path, "b")))).toContain("a part of the path is a file and not a folder");
    await expect(readFileChecked(path, { allowempty: true } as never)).rejects.toThrow('did you mean "allowEmpty"?');
  });

  it.skipIf(process.platform === "win32")("says where permission is missing", async () => {
    await chmod(folder, 0o755);
    const path = join(folder, "a");
    await writeFile(path, "x", { mode: 0o000 });
    expect(await asOrdinaryUser(() => refusal(readFileChecked(path)))).toContain(`${path}: permission denied`);
  });
});

describe("writeFileAtomic", () => {
  it("writes a new file and replaces an old one, leaving nothing else", async () => {
    const path = join(folder, "a.bin");
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    await writeFileAtomic(path, Uint8Array.of(4));
    await writeFileAtomic(path, new Uint8Array(0));
    await Promise.all([5, 6, 7].map((byte) => writeFileAtomic(path, Uint8Array.of(byte))));
    expect([5, 6, 7]).toContain((await readFile(path))[0]);
    expect(await readdir(folder)).toEqual(["a.bin"]);
  });

  it("says what is wrong and leaves no temporary file", async () => {
    const missing = join(folder, "none", "a");
    expect(await refusal(writeFileAtomic(missing, Uint8Array.of(1)))).toBe(
      `${missing}: the folder ${join(folder, "none")} does not exist; create it`,
    );
    const taken = join(folder, "taken");
    await mkdir(taken);
    expect(await refusal(writeFileAtomic(taken, Uint8Array.of(1)))).toContain(`${taken}: is a folder`);
    expect(await readdir(folder)).toEqual(["taken"]);
  });

  it.skipIf(process.platform === "win32")("leaves the old file where permission is missing", async () => {
    const path = join(folder, "a");
    await writeFile(path, "old");
    await chmod(folder, 0o555);
    expect(await asOrdinaryUser(() => refusal(writeFileAtomic(path, Uint8Array.of(1))))).toContain("permission denied");
    await chmod(folder, 0o755);
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["a"]);
  });

  it("throws errors of its caller as they are", async () => {
    await expect(writeFileAtomic(join(folder, "a"), { length: 1 } as never)).rejects.toThrow(TypeError);
    expect(await readdir(folder)).toEqual([]);
  });

  it("removes what a killed process has left, and nothing else", async () => {
    const killed = spawn(process.execPath, ["-e", ""]);
    await once(killed, "exit");
    const others = [`.b.${killed.pid}-0.tmp`, `.a.${process.pid}-99.tmp`, ".a.tmp", `x.a.${killed.pid}-0.tmp`];
    for (const name of [...others, `.a.${killed.pid}-0.tmp`]) await writeFile(join(folder, name), "");
    await writeFileAtomic(join(folder, "a"), Uint8Array.of(1));
    expect((await readdir(folder)).sort()).toEqual([...others, "a"].sort());
  });

  it("leaves a whole file when killed at any moment", async () => {
    const path = join(folder, "a.bin");
    const size = 4_000_000;
    const module = JSON.stringify(new URL("./files-node.ts", import.meta.url).href);
    const program = `
      import { writeFileAtomic } from ${module};
      for (let i = 0; ; i++) {
        await writeFileAtomic(${JSON.stringify(path)}, new Uint8Array(${size}).fill(i));
        if (i === 0) process.stdout.write("first");
      }`;
    for (let round = 0; round < 4; round++) {
      const writer = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program]);
      await once(writer.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, 7 * round));
      writer.kill("SIGKILL");
      await once(writer, "exit");
      const bytes = await readFile(path);
      expect(bytes.length).toBe(size);
      expect(bytes.equals(Buffer.alloc(size, bytes[0]))).toBe(true);
      expect((await readdir(folder)).length).toBeLessThanOrEqual(2);
    }
  });
});
