import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { unzipSync, zipSync } from "fflate";
import { afterAll, describe, expect, test } from "vitest";
import { DataError } from "../gpu/errors.ts";
import { unpickle } from "./pickle.ts";
import { PytorchTensor, type PytorchValue, parsePytorch } from "./pytorch.ts";
import { serializeSafetensors } from "./safetensors.ts";
import { parseWeights } from "./weights.ts";
import { readWeightsFile } from "./weights-node.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-pt-"));
afterAll(() => rmSync(folder, { recursive: true }));

const saved = new Uint8Array(readFileSync(new URL("../../test/pytorch/saved.pt", import.meta.url)));
const files = unzipSync(saved);
const text = (value: string) => [...new TextEncoder().encode(value)];
const bytesOf = (...parts: (number | number[] | string)[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? text(part) : part)));

/** An archive as torch.save's, with a pickle of our own. */
function archive(pickle: Uint8Array, others: Record<string, Uint8Array> = {}): Uint8Array {
  return zipSync({ "archive/data.pkl": pickle, ...others }, { level: 0 });
}

const run = (...program: (number | number[] | string)[]) => parsePytorch(archive(bytesOf([0x80, 2], ...program)));

/** Reads every tensor in a value, however deep. */
function readAll(value: PytorchValue, seen = new Set<unknown>()): void {
  if (seen.has(value)) return;
  seen.add(value);
  if (value instanceof PytorchTensor) value.entry();
  else if (Array.isArray(value)) for (const inner of value) readAll(inner, seen);
  else if (value instanceof Map) for (const inner of value.values()) readAll(inner, seen);
}

describe("what a pickle may do", () => {
  test("names of functions are refused before anything is called", () => {
    const evil = ["cposix\nsystem\nX", [4, 0, 0, 0], "true", [0x85], "R."] as const;
    expect(() => run(...(evil as never as string[]))).toThrow(/^pt: is made of "posix\.system", which is not run/);
    expect(() => run("cbuiltins\neval\n.")).toThrow('is made of "builtins.eval"');
    expect(() => run([0x8c, 2], "os", [0x8c, 6], "system", [0x93], ".")).toThrow('is made of "os.system"');
    expect(() => run("ctorch.nn.modules.linear\nLinear\n)", [0x81], ".")).toThrow("torch.nn.modules.linear.Linear");
    expect(() => run("c__proto__\nconstructor\n.")).toThrow('is made of "__proto__.constructor"');
    expect(() => run("cconstructor\nprototype\n.")).toThrow(DataError);
    expect(() => run(")", "i__main__\nX\n.")).toThrow(/instruction 0x69 at byte 3, which no checkpoint needs/);
  });

  test("no key becomes a property", () => {
    const value = run("}", "X", [9, 0, 0, 0], "__proto__", "}", "X", [1, 0, 0, 0], "x", "K", [1], "ss.");
    expect(value).toEqual(new Map([["__proto__", new Map([["x", 1]])]]));
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  test("lists that hold themselves are read", () => {
    const value = run("]q", [0], "h", [0], "a.") as unknown[];
    expect(value[0]).toBe(value);
  });

  test.each([
    ["nothing", []],
    ["a stack that is empty", ["0."]],
    ["a mark that is missing", ["t."]],
    ["a memory that is empty", ["h", [7], "."]],
    ["an append to a number", ["K", [1], "K", [2], "a."]],
    ["items of a list", ["](K", [1], "K", [2], "u."]],
    ["an odd number of items", ["}(K", [1], "u."]],
    ["a dict with a list for a key", ["}]K", [1], "s."]],
    ["a call of a number", ["K", [1], ")R."]],
    ["a call with a number", ["ctorch\nSize\nK", [1], "R."]],
    ["a size of a number", ["ctorch\nSize\nK", [1], [0x85], "R."]],
    ["a dict of a number", ["ccollections\nOrderedDict\nK", [1], [0x85], "R."]],
    ["a tensor of nothing", ["ctorch._utils\n_rebuild_tensor_v2\n)R."]],
    ["attributes of a list", ["]}b."]],
    ["an integer of 10,000 bytes", [[0x8b, 0x10, 0x27, 0, 0], "."]],
    ["text longer than the file", ["X", [0xff, 0xff, 0xff, 0xff], "."]],
    ["text that is not UTF-8", ["X", [1, 0, 0, 0, 0xff], "."]],
    ["a name without an end", ["ctorch"]],
    ["a storage of an unknown kind", ["K", [1], "Q."]],
    ["a newer protocol", [[0x80, 9], "."]],
  ] as [string, (number | number[] | string)[]][])("%s is refused", (_, program) => {
    expect(() => run(...program)).toThrow(DataError);
  });
});

describe("tensors", () => {
  const word = (value: number) => [...new Uint8Array(Uint32Array.of(value).buffer)];
  const tuple = (values: readonly number[]) => ["(", ...values.flatMap((value) => ["J", word(value)]), "t"];

  /** A tensor over a storage of 6 numbers from 0 to 5. */
  function make(offset: number, shape: readonly number[], strides: readonly number[], count = 6): PytorchTensor {
    const program = [
      "ctorch._utils\n_rebuild_tensor_v2\n((X",
      word(7),
      "storage",
      "ctorch\nFloatStorage\nX",
      word(1),
      "0",
    ];
    const rest = ["X", word(3), "cpu", "J", word(count), "tQ", "J", word(offset), ...tuple(shape), ...tuple(strides)];
    const pickle = bytesOf([0x80, 2], ...program, ...rest, [0x89], "NtR.");
    const data = new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer);
    return parsePytorch(archive(pickle, { "archive/data/0": data })) as PytorchTensor;
  }

  test("are views by strides", () => {
    expect([...make(0, [3, 2], [1, 3]).entry().data]).toEqual([0, 3, 1, 4, 2, 5]);
    expect([...make(5, [], []).entry().data]).toEqual([5]);
    expect([...make(1, [2, 2], [0, 4]).entry().data]).toEqual([1, 5, 1, 5]);
    expect([...make(0, [0, 9], [1, 1]).entry().data]).toEqual([]);
    expect([...make(2, [1, 3], [77, 1]).entry().data]).toEqual([2, 3, 4]);
  });

  test("lie within their storages, and repeat them not too often", () => {
    expect(() => make(6, [], [])).toThrow("a tensor of shape [] lies outside of its storage");
    expect(() => make(0, [3, 2], [1, 4])).toThrow("lies outside of its storage");
    expect(() => make(0, [2], [-1])).toThrow("a tensor has an impossible shape");
    expect(() => make(0, [2, 2], [1])).toThrow("a tensor has an impossible shape");
    expect(() => make(0, [2 ** 30, 2 ** 30], [0, 0])).toThrow("a tensor of shape");
    expect(() => make(0, [2 ** 14, 2 ** 14], [0, 0])).toThrow(/repeats 6 elements; in Python, save x\.clone\(\)/);
    expect(() => make(0, [6], [1], 7)).toThrow('the elements of storage "0" are missing');
  });
});

describe("archives", () => {
  test("are read deflated, too, and with any name of their folder", () => {
    const again = zipSync(
      Object.fromEntries(Object.entries(files).map(([name, data]) => [name.replace(/^\w+/, "x/y"), data])),
    );
    expect(parseWeights(again)).toEqual(parseWeights(saved));
  });

  test("of others are refused", () => {
    expect(() => parsePytorch(zipSync({ "a.txt": new Uint8Array(3) }))).toThrow(
      "is a zip archive, but none of torch.save's",
    );
    expect(() => parsePytorch(archive(bytesOf("N."), { "archive/constants.pkl": bytesOf("N.") }))).toThrow(
      "TorchScript",
    );
    expect(() => parsePytorch(archive(bytesOf("N."), { "archive/byteorder": bytesOf("big") }))).toThrow("byte order");
    expect(() => parsePytorch(new Uint8Array(0))).toThrow("is no file of torch.save");
    expect(() => parsePytorch(bytesOf("hello"), { file: "x.pt" })).toThrow("x.pt: is no file of torch.save");
    expect(parsePytorch(archive(bytesOf([0x80, 2], "N."), { "archive/byteorder": bytesOf("little") }))).toBe(null);
  });
});

describe("weights", () => {
  const state = (name: string) =>
    serializeSafetensors([[name, { dtype: "F32", shape: [1], data: Float32Array.of(4) }]]);

  test("are told by what is in a file, not by its name", async () => {
    writeFileSync(join(folder, "a.pt"), state("w"));
    expect([...(await readWeightsFile(join(folder, "a.pt"))).keys()]).toEqual(["w"]);
    writeFileSync(join(folder, "a.safetensors"), saved);
    expect((await readWeightsFile(join(folder, "a.safetensors"))).has("head.weight")).toBe(true);
    expect(() => parseWeights(state("w"), { at: "model" })).toThrow("is a safetensors file");
    await expect(readWeightsFile(join(folder, "none.pt"))).rejects.toThrow(/none\.pt: does not exist/);
    await expect(readWeightsFile(folder)).rejects.toThrow("is a folder");
  });

  test("that are not to be found are asked for", () => {
    const none = archive(bytesOf([0x80, 2], "}X", [5, 0, 0, 0], "epoch", "K", [3], "s."));
    expect(() => parseWeights(none)).toThrow(
      'weights: there is no state dict; say where it is with the option at; keys: "epoch"',
    );
  });
});

describe("damage", () => {
  test("of a file gives an error or the file's values, and nothing else", () => {
    const edits = fc.array(fc.record({ at: fc.nat(saved.length - 1), byte: fc.nat(255) }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(edits, (edits) => {
        const bytes = saved.slice();
        for (const { at, byte } of edits) bytes[at] = byte;
        try {
          readAll(parsePytorch(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("of a pickle in a sound archive likewise, and no prototype changes", () => {
    const [name] = Object.keys(files).filter((name) => name.endsWith("data.pkl"));
    const pickle = files[name!]!;
    const edits = fc.array(fc.record({ at: fc.nat(pickle.length - 1), byte: fc.nat(255) }), {
      minLength: 1,
      maxLength: 4,
    });
    const before = Object.getOwnPropertyNames(Object.prototype).join();
    fc.assert(
      fc.property(edits, fc.nat(pickle.length), (edits, length) => {
        const bytes = pickle.slice(0, edits.length % 2 === 0 ? length : undefined);
        for (const { at, byte } of edits) bytes[at] = byte;
        try {
          readAll(parsePytorch(zipSync({ ...files, [name!]: bytes }, { level: 0 })));
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 300 },
    );
    expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(before);
  });

  test("any bytes at all are a pickle or an error", () => {
    const options = { file: "x", global: () => undefined, persistent: () => null };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          unpickle(bytes, options);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
