import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tilegrad } from "../../test/command.ts";
import { LabelField, NumberField, TextField } from "./fields.ts";
import { parquetRows, readParquetTexts } from "./parquet-node.ts";
import { readTable, streamTable } from "./table-files-node.ts";
import type { Row } from "./table-rows.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tilegrad-parquet-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Options = Parameters<typeof parquetWriteBuffer>[0];
async function write(columnData: Options["columnData"], options: Partial<Options> = {}): Promise<string> {
  const file = join(folder, `${Math.random()}.parquet`);
  await writeFile(file, new Uint8Array(parquetWriteBuffer({ columnData, ...options })));
  return file;
}

const texts = ["the cat sat", "stocks fell", "a dog barked", "shares rose"];
const HUB = {
  info: { features: { text: { _type: "Value" }, label: { _type: "ClassLabel", names: ["animal", "money"] } } },
};
const news = (options: Partial<Options> = {}) =>
  write(
    [
      { name: "label", data: [0n, 1n, 0n, 1n], type: "INT64" },
      { name: "text", data: texts, type: "STRING" },
      { name: "score", data: [0.5, 1, 1.5, 2], type: "DOUBLE" },
    ],
    options,
  );
const rowsOf = async (...args: Parameters<typeof parquetRows>) => {
  const rows: Row[] = [];
  for await (const row of parquetRows(...args)) rows.push(row);
  return rows;
};

describe("rows", () => {
  test("of some columns, by name or index, group after group", async () => {
    const file = await news({ rowGroupSize: 3 });
    expect(await rowsOf(file, ["score", "LABEL", 1])).toEqual(
      texts.map((text, i) => ({ cells: [0.5 + i / 2, i % 2, text], line: i + 1 })),
    );
  });

  test.each([
    ["UNCOMPRESSED", undefined],
    ["SNAPPY", undefined],
    ["GZIP", (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes))],
    ["BROTLI", (bytes: Uint8Array) => new Uint8Array(brotliCompressSync(bytes))],
  ] as const)("of files compressed with %s", async (codec, compress) => {
    const file = await news({ codec, ...(compress && { compressors: { [codec]: compress } }) });
    expect((await rowsOf(file, ["text"])).map(({ cells }) => cells[0])).toEqual(texts);
  });

  test("of what cannot be is refused", async () => {
    const file = await news();
    await expect(rowsOf(file, ["txt"], () => "--text-column")).rejects.toThrow(
      `${file}: there is no column "txt"; did you mean "text"?; there are "label", "text", "score"; give a name or index with --text-column`,
    );
    await expect(rowsOf(file, [3])).rejects.toThrow('there is no column "3"');
    await expect(rowsOf(join(folder, "none.parquet"), [0])).rejects.toThrow("none.parquet: does not exist");
    const other = join(folder, "other.parquet");
    await writeFile(other, "text,label\na,b\n");
    await expect(rowsOf(other, [0])).rejects.toThrow(
      /other\.parquet: cannot be read as Parquet \(.*\); write the file anew/,
    );
  });
});

describe("texts and labels", () => {
  test("with the numbers of classes, or their names where the file tells them", async () => {
    const plain = await readParquetTexts(await news());
    expect(plain).toEqual({
      texts,
      labels: ["0", "1", "0", "1"],
      rows: [1, 2, 3, 4],
      columns: ["text", "label"],
      skipped: [],
    });
    const hub = await readParquetTexts(
      await news({ kvMetadata: [{ key: "huggingface", value: JSON.stringify(HUB) }] }),
    );
    expect(hub.labels).toEqual(["animal", "money", "animal", "money"]);
    const odd = await readParquetTexts(await news({ kvMetadata: [{ key: "huggingface", value: "{" }] }));
    expect(odd.labels).toEqual(plain.labels);
    const { labels } = await readParquetTexts(await news(), { labelColumn: null });
    expect(labels).toEqual([]);
    expect((await readParquetTexts(await news(), { labelColumn: "score" })).labels).toEqual(["0.5", "1", "1.5", "2"]);
  });

  test("that are blank are refused, or left out", async () => {
    const file = await write([
      { name: "text", data: ["a", null, "c", " "], type: "STRING", nullable: true },
      { name: "label", data: ["x", "y", "", "x"], type: "STRING" },
    ]);
    await expect(readParquetTexts(file)).rejects.toThrow(
      `${file}, row 2: the text is empty; fill it in, or leave such rows out`,
    );
    const { texts, skipped } = await readParquetTexts(file, { skipEmpty: true });
    expect([texts, skipped]).toEqual([["a"], [2, 3, 4]]);
    const none = await write([
      { name: "text", data: [""], type: "STRING" },
      { name: "label", data: [""], type: "STRING" },
    ]);
    await expect(readParquetTexts(none, { skipEmpty: true })).rejects.toThrow("has no row with a text and a label");
    const nested = await write([
      { name: "text", data: [{ a: 1 }], type: "JSON" },
      { name: "label", data: ["x"], type: "STRING" },
    ]);
    await expect(readParquetTexts(nested)).rejects.toThrow("row 1: the text is a Object, expected a text or a number");
  });
});

test("tables, whole and as streams", async () => {
  const file = await news({ rowGroupSize: 2, kvMetadata: [{ key: "huggingface", value: JSON.stringify(HUB) }] });
  const fields = { words: new TextField(), label: new LabelField(), score: new NumberField({ column: "score" }) };
  const table = await readTable(file, fields);
  expect(table.length).toBe(4);
  expect(fields.label.labels.names).toEqual(["animal", "money"]);
  expect([table.get(3).label, table.get(3).score]).toEqual([1, 2]);
  const streamed = [];
  for await (const example of streamTable(file, fields).stream(0, 1)) streamed.push(example);
  expect(streamed).toEqual([1, 2, 3].map((i) => table.get(i)));
  await expect(readTable(file, [new LabelField({ column: "x" })])).rejects.toThrow("there is no column");
  await expect(readTable(file, [new NumberField({ column: "text" })])).rejects.toThrow(
    /parquet, line 1: column "text"/,
  );
});

describe("the command takes them", () => {
  const many = texts.flatMap((text, i) => Array.from({ length: 6 }, () => ({ text, label: BigInt(i % 2) })));
  const file = () =>
    write([
      { name: "text", data: many.map(({ text }) => text), type: "STRING" },
      { name: "label", data: many.map(({ label }) => label), type: "INT64" },
    ]);
  const small = ["--epochs", "1", "--min-frequency", "1"];

  test("to train", async () => {
    const files = ["--train", await file(), "--test", await news(), "--out", join(folder, "run")];
    const { code, stdout, stderr } = await tilegrad(["train", "text", ...files, "--model", "bag-of-words", ...small]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/22 training, 2 validation, 4 test texts; 2 classes/);
  });

  test("to pre-train", async () => {
    const sizes = ["--features", "8", "--heads", "2", "--layers", "1", "--feed-forward", "8"];
    const files = ["--data", await file(), "--out", join(folder, "pretrained")];
    const { code, stdout, stderr } = await tilegrad(["pretrain", "text", ...files, ...sizes, ...small]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/22 and 2 texts/);
  });
});
