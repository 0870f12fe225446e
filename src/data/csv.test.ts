import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../gpu/errors.ts";
import { type CsvOptions, parseCsv, parseRecords } from "./csv.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const read = (text: string, options: CsvOptions = {}) => parseCsv(encode(text), { file: "train.csv", ...options });

function refusal(text: string | Uint8Array, options: CsvOptions = {}): string {
  try {
    parseCsv(typeof text === "string" ? encode(text) : text, { file: "train.csv", ...options });
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    const { message } = error as DataError;
    expect(message).not.toMatch(/[\r\n]/);
    return message;
  }
  throw new Error("was not refused");
}

describe("parseCsv reads", () => {
  it("the columns text and label of a file with a header", () => {
    expect(read("id,label,text\n1, World ,hello\n2,Sports,bye\n")).toEqual({
      texts: ["hello", "bye"],
      labels: ["World", "Sports"],
      rows: [2, 3],
      columns: ["id", "label", "text"],
      skipped: [],
    });
  });

  it("the first two columns of a file without a header", () => {
    const { texts, labels, rows, columns } = read("hello,World\nbye,Sports\nagain,World\n");
    expect({ texts, labels, rows, columns }).toEqual({
      texts: ["hello", "bye", "again"],
      labels: ["World", "Sports", "World"],
      rows: [1, 2, 3],
      columns: null,
    });
  });

  it.each<[string, string, CsvOptions]>([
    ["by name", "stars,review\n5,good\n", { textColumn: "review", labelColumn: "stars" }],
    ["by name in another case", "Label,TEXT\n5,good\n", {}],
    ["by index", "5,good\n", { textColumn: 1, labelColumn: 0 }],
    ["by index as the command line gives it", "5,good\n", { textColumn: "1", labelColumn: "0" }],
    ["by index below a header", "stars,review\n5,good\n", { textColumn: 1, labelColumn: 0, header: true }],
    ["by a name of digits", "1,0\n5,good\n", { textColumn: "0", labelColumn: "1", header: true }],
    ["by the exact name of two that differ in case", "label,Text,text\n5,x,good\n", {}],
    ["separated by tabs, by the file's name", "good\t5\n", { file: "train.tsv" }],
    ["separated as asked", "good;5\n", { delimiter: ";" }],
    ["below a byte order mark", "\ufefftext,label\ngood,5\n", {}],
    ["below quoted names with spaces", '"text ","label"\n"good","5"\n', {}],
  ])("columns %s", (_, text, options) => {
    expect(read(text, options)).toMatchObject({ texts: ["good"], labels: ["5"] });
  });

  it("a file without labels", () => {
    expect(read("text\nhello\n", { labelColumn: null })).toMatchObject({ texts: ["hello"], labels: [] });
    expect(read("hello\nbye\n", { labelColumn: null })).toMatchObject({ texts: ["hello", "bye"], columns: null });
  });

  it("quotes as plain characters where told", () => {
    const { texts } = read('5" screen\tA\n"open\tB\n', { file: "x.tsv", quotes: false, header: false });
    expect(texts).toEqual(['5" screen', '"open']);
  });

  it("names such as __proto__ and constructor like any other", () => {
    const options = { textColumn: "__proto__", labelColumn: "constructor" };
    expect(read("__proto__,constructor\na,b\n", options)).toMatchObject({ texts: ["a"], labels: ["b"] });
  });

  it("a text longer than any buffer of the parser", () => {
    const long = "word ".repeat(100_000).trim();
    expect(read(`text,label\n"${long}",A\n`).texts).toEqual([long]);
  });

  it("leaves out rows with an empty text or label only where asked", () => {
    const { texts, rows, skipped } = read("text,label\na,X\n ,X\nb,\nc,Y\n", { skipEmpty: true });
    expect({ texts, rows, skipped }).toEqual({ texts: ["a", "c"], rows: [2, 5], skipped: [3, 4] });
  });

  it("any table, whatever its line breaks, blank lines and quoting, with the line of every record", () => {
    const field = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom('say "hi"', "a,b", "one\ntwo", "one\r\ntwo\rthree", "", " x ", '"', "é\u{1f600}", "\ufeff"),
    );
    const table = fc.integer({ min: 2, max: 4 }).chain((columns) =>
      fc.array(
        fc.record({
          fields: fc.array(field, { minLength: columns, maxLength: columns }),
          alwaysQuote: fc.boolean(),
          lineBreak: fc.constantFrom("\n", "\r\n", "\r"),
          blankLines: fc.nat(2),
        }),
        { minLength: 1, maxLength: 6 },
      ),
    );
    fc.assert(
      fc.property(table, fc.boolean(), fc.boolean(), (rows, mark, endsWithBreak) => {
        let text = mark ? "\ufeff" : "";
        const lines = rows.map(({ fields, alwaysQuote, lineBreak, blankLines }, i) => {
          const line = text.split(/\r\n|\n|\r/).length;
          const cells = fields.map((cell) =>
            alwaysQuote || /[",\r\n\ufeff]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell,
          );
          const last = i === rows.length - 1 && !endsWithBreak;
          text += cells.join(",") + (last ? "" : lineBreak.repeat(1 + blankLines));
          return line;
        });
        const parsed = parseRecords(encode(text));
        expect(parsed.records).toEqual(rows.map((row) => row.fields));
        expect(parsed.lines).toEqual(lines);
      }),
      { numRuns: 500 },
    );
  });

  const news = new URL("../../../shared/data/ag_news/train.csv", import.meta.url);
  it.runIf(existsSync(news))("real news", () => {
    const { texts, labels, rows, columns } = parseCsv(readFileSync(news), { file: "train.csv", header: false });
    expect(texts).toHaveLength(10_001);
    expect(new Set(labels)).toEqual(new Set(["World", "Sports", "Business", "Sci/Tech"]));
    expect(rows.at(-1)).toBe(10_001);
    expect(columns).toBeNull();
  });
});

describe("parseCsv refuses", () => {
  it.each<[string, string, CsvOptions, string]>([
    ["an empty file", "", {}, "train.csv: is empty; expected rows of a text and a label"],
    ["blank lines only", "\n\r\n\n", {}, "train.csv: is empty; expected rows of a text and a label"],
    ["a header only", "text,label\n", {}, "train.csv: has a header and no rows; add rows below the header"],
    [
      "a missing column, with the nearest",
      "text,labels\na,b\n",
      {},
      'train.csv, line 1: there is no column "label"; did you mean "labels"?; there are "text", "labels"; ' +
        "give the column's name or index with --label-column, or --no-header if this line is data",
    ],
    [
      "a missing column, none near",
      "\n\nid,body\na,b\n",
      { textColumn: "review", labelColumn: "id" },
      'train.csv, line 3: there is no column "review"; there are "id", "body"; ' +
        "give the column's name or index with --text-column, or --no-header if this line is data",
    ],
    [
      "a name without a header",
      "a,b\n",
      { labelColumn: "stars", header: false },
      'train.csv, line 1: column "stars" is a name, but there is no header; ' +
        "give the column's index, counted from 0, with --label-column",
    ],
    [
      "an index past the last column",
      "a,b\n",
      { labelColumn: 2, header: false },
      "train.csv, line 1: there is no column 2 among 2; give the column's index, counted from 0, with --label-column",
    ],
    ["a negative index", "a,b\n", { labelColumn: -1 }, "train.csv, line 1: there is no column -1 among 2"],
    ["a fractional index", "a,b\n", { labelColumn: 0.5 }, "train.csv, line 1: there is no column 0.5 among 2"],
    [
      "two columns of one name",
      "text,label,label\na,b,c\n",
      {},
      'train.csv, line 1: columns 1 and 2 are both "label"; give an index with --label-column',
    ],
    [
      "another delimiter",
      "text;label\na;b\n",
      { header: true },
      'train.csv, line 1: there is no column "text"; there are "text;label"; ' +
        'the fields seem to be separated by ";": say so with --delimiter',
    ],
    [
      "a missing column, without guessing at the delimiter of several fields",
      "a;b,c\n",
      { header: true },
      "give the column's name or index with --text-column, or",
    ],
    [
      "another delimiter, with the right one in a text",
      "text;label\na, b;c\n",
      {},
      "train.csv, line 2: has 2 fields, expected 1 as in line 1; " +
        'the fields seem to be separated by ";": say so with --delimiter',
    ],
    [
      "a row with too many fields",
      'text,label\na,b\n"x\ny",b\nc,d,e\n',
      {},
      "train.csv, line 5 (record 4): has 3 fields, expected 2 as in line 1; " +
        'put a field that contains "," or a line break in double quotes',
    ],
    [
      "a row with too few fields",
      "text,label\na,b\nc\n",
      {},
      "train.csv, line 3: has 1 field, expected 2 as in line 1",
    ],
    [
      "a quote that is never closed",
      'text,label\na,b\n"x\ny","never\nc,d\ne,f\n',
      {},
      "train.csv, line 4 (record 3): the quote that opens here is never closed; close the field and write each quote " +
        'inside it twice (""), or read quotes as plain characters with --no-quotes',
    ],
    [
      "a lone quote at the end",
      'text,label\r\na,b\r\nc,"',
      {},
      "train.csv, line 3: the quote that opens here is never",
    ],
    [
      "a quote that doubled quotes do not close",
      'text,label\n"a ""b"" c,X\n',
      {},
      "line 2: the quote that opens here is",
    ],
    ["a doubled quote at the end", 'text,label\n"a,b""', {}, "train.csv, line 2: the quote that opens here is never"],
    [
      "a quote that the next quote closes",
      'text,label\n"a,b\n"c",d\n',
      {},
      "train.csv, line 2: the quoted field that begins here has text after its closing quote; close the field",
    ],
    [
      "a quote inside a plain field",
      'text,label\n"a ""b""",X\n5" screen,Y\n',
      {},
      "train.csv, line 3: a quote stands inside a field that is not quoted; ",
    ],
    [
      "a likely header",
      "review,sentiment\na,pos\nb,neg\nc,pos\n",
      {},
      'train.csv, line 1: no other row has the label "sentiment", so this may be a header; say --no-header if it is ' +
        "data, or name the columns with --text-column NAME and --label-column NAME",
    ],
    [
      "an empty text",
      'text,label\n"a\nb",X\n"  ",Y\n',
      {},
      "train.csv, line 4 (record 3): the text is empty; fill it in, or leave such rows out with --skip-empty",
    ],
    ["an empty label", "text,label\na, \n", {}, "train.csv, line 2: the label is empty; fill it in"],
    [
      "rows of which none is left",
      "text,label\n,X\n",
      { skipEmpty: true },
      "train.csv: every row has an empty text or label, so nothing is left",
    ],
  ])("%s", (_, text, options, message) => {
    expect(refusal(text, options)).toContain(message);
  });

  it("bytes that are not UTF-8, with line and byte", () => {
    const bytes = encode("text,label\r\ncaf\u00e9?,X\r\nb,Y\r\n");
    bytes[bytes.indexOf(0x3f)] = 0x92;
    expect(refusal(bytes)).toBe(
      "train.csv, line 2: byte 0x92 at offset 17 is not UTF-8; " +
        "convert the file to UTF-8 (for instance with: iconv -f WINDOWS-1252 -t UTF-8)",
    );
  });

  it("a character cut off inside or at the end of the file", () => {
    expect(refusal(Uint8Array.of(0x61, 0x2c, 0x0a, 0xe2, 0x82, 0x2c))).toContain("line 2: byte 0xe2 at offset 3");
    expect(refusal(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61, 0x2c, 0xf0, 0x9f, 0x98))).toContain("byte 0xf0 at offset 5");
  });

  it("a bad byte wherever it is", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "é", "語", "\u{1f600}", "\n"), maxLength: 40 });
    fc.assert(
      fc.property(text, text, (before, after) => {
        const start = encode(before);
        const message = refusal(Uint8Array.of(...start, 0xff, ...encode(after)));
        expect(message).toContain(
          `line ${before.split("\n").length}: byte 0xff at offset ${start.length} is not UTF-8`,
        );
      }),
    );
  });

  it("UTF-16", () => {
    expect(refusal(Uint8Array.of(0xff, 0xfe, 0x61, 0x00))).toContain("(it looks like UTF-16)");
  });

  it("any bytes with a DataError or not at all", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.string({ unit: fc.constantFrom(...'",\n\r a\0é') }).map(encode),
    );
    fc.assert(
      fc.property(bytes, (file) => {
        try {
          parseCsv(file);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("options that do not exist or cannot be", () => {
    expect(() => read("a,b\n", { textcolumn: 1 } as never)).toThrow(
      'parseCsv: unknown option "textcolumn"; did you mean "textColumn"?',
    );
    expect(() => read("a,b\n", { delimiter: '"' })).toThrow(/delimiter is "\\"", expected one ASCII character/);
    expect(() => read("a,b\n", { delimiter: ", " })).toThrow(/expected one ASCII character/);
  });

  it("with a value shown on one line and not too long", () => {
    const header = `text,"${"very long\n".repeat(20)}"\na,b\n`;
    expect(refusal(header)).toMatch(/"(very long\\n){4}\.\.\."/);
  });
});
