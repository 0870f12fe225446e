import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LabelField, TextField, ValueField } from "./fields.ts";
import { Random } from "./random.ts";
import type { TabularStream } from "./table.ts";
import { readTable, streamTable } from "./table-files-node.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-table-"));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, content: string | Uint8Array) => {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
};

async function listed<T>(stream: { stream(epoch: number, from: number): AsyncIterable<T> | Iterable<T> }, from = 0) {
  const all: T[] = [];
  for await (const example of stream.stream(0, from)) all.push(example);
  return all;
}

const fields = () => ({
  text: new TextField({ column: 0, vocab: { maxSize: 20 } }),
  raw: new ValueField({ column: 0, read: String, collate: (all) => [...all] }),
  label: new LabelField({ column: 1 }),
});

// Rows with what makes lines hard to count: breaks of all kinds inside quotes, blank lines, characters of several bytes.
function hardTable(seed: number, rows: number): string {
  const random = new Random(seed);
  const pieces = ["a", "ü", "日本", "😀", " ", '""', ",", "\n", "\r\n", "\r", "word"];
  const ends = ["\n", "\r\n", "\r", "\n\n", "\r\n\r\n\n"];
  let text = "";
  for (let i = 0; i < rows; i++) {
    const cell = Array.from({ length: random.integer(30) }, () => pieces[random.integer(pieces.length)]).join("");
    text += `"x${cell}",${"abc"[random.integer(3)]}${ends[random.integer(5)]}`;
  }
  return text;
}

test("a stream gives what the whole table does, from any example on", async () => {
  for (const seed of [1, 2]) {
    const file = write(`hard${seed}.csv`, `\ufeff${hardTable(seed, 3000)}`); // two blocks of 64 KiB or more
    const whole = await readTable(file, fields());
    const all = Array.from({ length: whole.length }, (_, i) => whole.get(i));
    const stream = streamTable(file, fields());
    await stream.learn();
    expect(await listed(stream)).toEqual(all);
    expect(await listed(stream, 2345)).toEqual(all.slice(2345));
  }
});

test("and says the same of what is wrong with it", async () => {
  const good = hardTable(5, 3000);
  const cases: [name: string, content: string | Uint8Array][] = [
    ["ragged", `${good}"only one"\n${good}`],
    ["label", `${good}"text",\n${good}`],
    ["utf8", Buffer.concat([Buffer.from(good), Buffer.of(0x22, 0xff, 0x22, 0x2c, 0x61, 0x0a), Buffer.from(good)])],
    ["json", `${'["a", "b"]\n'.repeat(9000)}["a"\n`],
    ["missing", `${'["a", "b"]\r\n'.repeat(9000)}["a"]\r\n`],
  ];
  for (const [name, content] of cases) {
    const file = write(`${name}.${name === "json" || name === "missing" ? "jsonl" : "csv"}`, content);
    const error = await readTable(file, fields()).catch((error: Error) => error);
    expect(error).toBeInstanceOf(Error);
    const stream = await listed(streamTable(file, fields())).catch((error: Error) => error);
    expect((stream as Error).message).toBe((error as Error).message);
  }
});

test("quotes out of place are told with the line of their row", async () => {
  const good = hardTable(7, 2000);
  const lines = good.split(/\r\n|\n|\r/).length;
  for (const [row, fault] of [
    ['"x"y,a', "a quoted field has text after its closing quote"],
    ['x"y,a', "a quote stands inside a field that is not quoted"],
    ['"x,a', "a quote that opens in this row is never closed"],
  ]) {
    const file = write("quotes.csv", `${good}${row}`);
    await expect(listed(streamTable(file, fields()))).rejects.toThrow(
      `quotes.csv, line ${lines} (record 2001): ${fault}`,
    );
  }
});

test("what fields learn takes a reading of its own", async () => {
  const file = write("learn.csv", "b a,x\na,y\n");
  const own = fields();
  const stream: TabularStream<ReturnType<typeof fields>> = streamTable(file, own, { header: false });
  await stream.learn();
  expect([own.text.vocab.tokens.slice(2), own.label.labels.names]).toEqual([
    ["a", "b"],
    ["x", "y"],
  ]);
  expect((await listed(streamTable(file, fields())))[1]).toMatchObject({ label: 1, raw: "a" });
});

test("lines may be left out, and left in the middle", async () => {
  const file = write("skip.csv", "text,label\na,x\n,y\nb,\nc,z\n");
  const some = { text: new TextField(), label: new LabelField() };
  const all = await listed(streamTable(file, some, { skipInvalid: true }));
  expect(all.map(({ label }) => some.label.labels.name(label))).toEqual(["x", "z"]);
  for await (const example of streamTable(file, some, { skipInvalid: true }).stream(0, 0)) {
    expect(example.label).toBe(0);
    break;
  }
});

test("files that cannot be read", async () => {
  const missing = join(folder, "missing.csv");
  await expect(readTable(missing, fields())).rejects.toThrow("missing.csv: does not exist; check the path");
  await expect(listed(streamTable(missing, fields()))).rejects.toThrow("missing.csv: does not exist; check the path");
  await expect(listed(streamTable(folder, fields()))).rejects.toThrow("is a folder, expected a file");
  await expect(listed(streamTable(write("empty.csv", ""), fields()))).rejects.toThrow("empty.csv: is empty");
  expect(() => streamTable(missing, fields(), { skipinvalid: true } as object)).toThrow('did you mean "skipInvalid"?');
});
