import { expect, test } from "vitest";
import { LabelField, NumberField, TextField, ValueField } from "./fields.ts";
import { LabelSet } from "./labels.ts";
import { DataLoader } from "./loader.ts";
import { TabularDataset } from "./table.ts";
import type { TabularOptions } from "./table-rows.ts";
import { CharacterTokenizer } from "./tokenizer.ts";
import { Vocab } from "./vocab.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const CSV = 'text,stars,kind,tags\n"Good, very good",4,a,x|y\nBad,1,b,\nGood,2.5,a,z\n';
const JSONL = [
  '{"text": "Good, very good", "stars": 4, "kind": "a", "tags": ["x", "y"]}',
  "",
  '{"text": "Bad", "stars": 1, "kind": "b", "tags": []}',
  '{"text": "Good", "stars": 2.5, "kind": "a", "tags": ["z"]}',
].join("\r\n");

const fields = () => ({
  words: new TextField({ vocab: { minFrequency: 2 } }),
  stars: new NumberField({ column: "stars" }),
  kind: new LabelField({ column: 2 }),
});

test("reads each column with its field, and learns what they need from the first table", () => {
  const own = fields();
  const table = TabularDataset.parse(bytes(CSV), own);
  expect(own.words.vocab.tokens).toEqual(["<pad>", "<unk>", "good"]);
  expect(own.kind.labels.names).toEqual(["a", "b"]);
  expect(table.length).toBe(3);
  expect(table.get(0)).toEqual({ words: Int32Array.of(2, 1, 1, 2), stars: 4, kind: 0 });
  expect(table.get(1)).toEqual({ words: Int32Array.of(1), stars: 1, kind: 1 });
  expect([...table.lines]).toEqual([2, 3, 4]);
  const other = TabularDataset.parse(bytes("text,stars,kind\nbad good,3,b\n"), own);
  expect(other.get(0)).toEqual({ words: Int32Array.of(1, 2), stars: 3, kind: 1 });
});

test("lines of JSON are the same, by name or by index", () => {
  const kind = { kind: new LabelField({ column: "kind" }) };
  const table = TabularDataset.parse(bytes(JSONL), { ...fields(), ...kind }, { format: "jsonl" });
  const csv = TabularDataset.parse(bytes(CSV), fields());
  for (let i = 0; i < 3; i++) expect(table.get(i)).toEqual(csv.get(i));
  expect([...table.lines]).toEqual([1, 3, 4]);
  const lists = TabularDataset.parse(bytes('["a", 1]\n["b", 2]'), [new NumberField({ column: 1 })], {
    file: "x.jsonl",
  });
  expect([lists.get(0), lists.get(1)]).toEqual([[1], [2]]);
});

test("batches have a tensor for each field, in a list or by name as the fields are", async () => {
  const { words, stars, kind } = fields();
  for await (const [ids, labels] of new DataLoader(TabularDataset.parse(bytes(CSV), [words, kind]), { batchSize: 3 })) {
    expect(await ids.toArray()).toEqual([[2, 1, 1, 2], [1, 0, 0, 0], [2, 0, 0, 0]]); // biome-ignore format: a table
    expect(await labels.toArray()).toEqual([0, 1, 0]);
  }
  for await (const batch of new DataLoader(TabularDataset.parse(bytes(CSV), { stars }), { batchSize: 2 })) {
    expect([batch.stars.dtype, batch.stars.rank]).toEqual(["f32", 1]);
  }
});

test("fields have their own preprocessing", () => {
  const text = new TextField({
    column: "text",
    preprocess: (text) => text.replace(/good/gi, "g"),
    tokenizer: new CharacterTokenizer(),
    vocab: Vocab.build([["g", "B"]], { specials: ["_", "?"], unknown: "?" }),
    maxLength: 2,
  });
  const stars = new NumberField({ column: "stars", standardize: true });
  const tags = new ValueField({
    column: "tags",
    read: (cell) => String(cell).split("|"),
    collate: (tags) => tags.flat(),
  });
  const kind = new LabelField({ column: "kind", labels: LabelSet.build(["b", "a", "c"]) });
  const table = TabularDataset.parse(bytes(CSV), [text, stars, tags, kind]);
  const [ids, value, list] = table.get(0);
  expect([ids, list]).toEqual([Int32Array.of(3, 1), ["x", "y"]]); // "g," of g before B in the order of code points
  expect(value).toBeCloseTo(1.5 / Math.sqrt((1.5 ** 2 + 1.5 ** 2) / 3), 12);
  expect(table.collate([table.get(0), table.get(2)])[2]).toEqual(["x", "y", "z"]);
});

test("rows that a field refuses are refused with file and line, or left out", () => {
  const csv = "text,stars,kind\nfine,1,a\nbad,many,a\n,3,b\nalso fine,4,b\n";
  expect(() => TabularDataset.parse(bytes(csv), fields(), { file: "r.csv" })).toThrow(
    'r.csv, line 3: column "stars" is "many", expected a number; correct it, or leave such rows out with skipInvalid',
  );
  const table = TabularDataset.parse(bytes(csv), fields(), { skipInvalid: true });
  expect([table.length, [...table.lines], table.skipped]).toEqual([2, [2, 5], [3, 4]]);
  const own = fields();
  TabularDataset.parse(bytes(CSV), own);
  expect(() => TabularDataset.parse(bytes("text,stars,kind\nx,1,c\n"), own, { file: "t.csv" })).toThrow(
    't.csv, line 2: column "2" unknown label "c"; did you mean "a"?; there are "a", "b"',
  );
  const missing = [new NumberField({ column: "stars", missing: -1 })];
  expect(TabularDataset.parse(bytes("stars,b\n,x\n3,y\n"), missing).get(0)).toEqual([-1]);
});

test("errors of the file", () => {
  const refuse = (text: string, options: TabularOptions = {}, some: object = fields()) =>
    expect(() => TabularDataset.parse(bytes(text), some as ReturnType<typeof fields>, options));
  refuse("").toThrow("table: is empty");
  refuse("a,b\n1,2\n").toThrow('line 1: there is no column "text"');
  refuse('{"a": 1}', { file: "x.jsonl" }).toThrow('x.jsonl, line 1: there is no "text" in this row; there are "a"');
  refuse('{"a": 1}\n{"a":', { file: "x.jsonl" }, [new NumberField({ column: "a" })]).toThrow(
    "x.jsonl, line 2: is no JSON",
  );
  refuse("3", { file: "x.jsonl" }).toThrow('x.jsonl, line 1: is "3", expected an object or a list');
  refuse('{"text": ["a"]}', { format: "jsonl" }, [new TextField()]).toThrow("is a list or an object, expected a text");
  refuse("text\n", {}, [new TextField()]).toThrow("has no row that can be used");
  refuse("x,label\ny,a\nz,a\n", {}, [new LabelField({ column: 1 })]).toThrow("this may be a header");
  refuse(CSV, {}, []).toThrow("there are no fields");
  refuse(CSV, { skipinvalid: true } as TabularOptions).toThrow('did you mean "skipInvalid"?');
  expect(() => new TextField().vocab).toThrow('column "text" has no vocabulary yet; read a table with it first');
  expect(() => new LabelField().labels).toThrow('column "label" has no classes yet');
  expect(() => new TextField({ maxLength: 0 })).toThrow("TextField: maxLength is 0");
  expect(() => new TextField({ vocab: { maxSize: 1 } })).toThrow("maxSize is 1, expected more than the 2 specials");
});
