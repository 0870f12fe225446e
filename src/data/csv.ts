/**
 * Tabular text: RFC 4180 (commas, or another delimiter; quoted fields may hold delimiters, line breaks and doubled
 * quotes) into texts and labels. A file is either read whole or refused with one line that names file, line and remedy;
 * no row is dropped unless that was asked for. The remedies name the command's flags: `--no-header` is `header: false`.
 */

// The self-contained build: it works in Node and in a bundler alike, where "csv-parse/sync" needs Node's Buffer.
import { CsvError, parse } from "csv-parse/browser/esm/sync";
import { checkOptions, DataError, ValueError } from "../gpu/errors.ts";
import { choices, place, quoted } from "./messages.ts";
import { decodeUtf8, lineCounter, withoutByteOrderMark } from "./utf8.ts";

/** A column's name, or its index from 0. A string of digits that is no column's name is an index. */
export type Column = string | number;

export interface RecordOptions {
  /** The name that messages use. */
  file?: string;
  /** Default: a tab for a file that ends in `.tsv` or `.tab`, else a comma. */
  delimiter?: string;
  /** Whether `"` quotes fields (the default). Without, a quote is a character like any other. */
  quotes?: boolean;
}

export interface CsvOptions extends RecordOptions {
  /** Default: `text`, or index 0 where there is no header. */
  textColumn?: Column;
  /** Default: `label`, or index 1 where there is no header. `null`: the file has no labels. */
  labelColumn?: Column | null;
  /** Whether the first row names the columns. `"auto"` (the default) looks at it, and refuses the file when in doubt. */
  header?: boolean | "auto";
  /** Leave out rows with a blank text or label and list them in `skipped`, instead of refusing the file. */
  skipEmpty?: boolean;
}

export interface CsvData {
  texts: string[];
  /** As many as `texts`, without surrounding spaces; none with `labelColumn: null`. */
  labels: string[];
  /** The line on which each row begins, as an editor counts. */
  rows: number[];
  /** The columns' names, or null where there is no header. */
  columns: string[] | null;
  /** The lines of the rows left out by `skipEmpty`. */
  skipped: number[];
}

/** The records of a file, the header included, each with the line on which it begins. */
export interface Records {
  records: string[][];
  lines: number[];
}

const OPTIONS = ["file", "textColumn", "labelColumn", "header", "delimiter", "quotes", "skipEmpty"];

/**
 * Reads texts and their labels from a CSV or TSV file.
 *
 * @param bytes the file, UTF-8 with or without a byte order mark; line breaks LF, CRLF or CR
 * @throws DataError naming file, line and remedy: not UTF-8, empty, no rows, no such column, a row with more or fewer
 *   fields than the first, a quote that is not closed, a blank text or label
 * @throws ValueError for an option that does not exist or cannot be
 *
 * @example
 * const { texts, labels } = parseCsv(bytes, { file: "reviews.csv", textColumn: "review", labelColumn: "stars" });
 */
export function parseCsv(bytes: Uint8Array, options: CsvOptions = {}): CsvData {
  checkOptions("parseCsv", options, OPTIONS);
  const { file = "CSV", textColumn, labelColumn, header = "auto", skipEmpty = false } = options;
  const { records, lines } = parseRecords(bytes, options);

  const columns = readHeader(records[0]!, options);
  const where = place(file, lines[0]!);
  const text = findColumn(textColumn ?? (columns ? "text" : 0), "--text-column", records[0]!, columns, where);
  const label =
    labelColumn === null
      ? null
      : findColumn(labelColumn ?? (columns ? "label" : 1), "--label-column", records[0]!, columns, where);

  const first = columns ? 1 : 0;
  if (records.length === first) throw new DataError(`${file}: has a header and no rows; add rows below the header`);
  if (header === "auto" && !columns && label !== null) refuseLikelyHeader(records, label, where);

  const data: CsvData = { texts: [], labels: [], rows: [], columns, skipped: [] };
  for (let i = first; i < records.length; i++) {
    const record = records[i]!;
    const empty = [text, label].find((column) => column !== null && !record[column]!.trim());
    if (empty === undefined) {
      data.texts.push(record[text]!);
      if (label !== null) data.labels.push(record[label]!.trim());
      data.rows.push(lines[i]!);
    } else if (skipEmpty) {
      data.skipped.push(lines[i]!);
    } else {
      const what = `${place(file, lines[i]!, i + 1)}: the ${empty === text ? "text" : "label"} is empty`;
      throw new DataError(`${what}; fill it in, or leave such rows out with --skip-empty`);
    }
  }
  if (data.texts.length === 0) throw new DataError(`${file}: every row has an empty text or label, so nothing is left`);
  return data;
}

/**
 * Splits a CSV or TSV file into records of equally many fields. Blank lines are no records.
 *
 * @throws DataError if the file is empty, not UTF-8, ragged, or has a quote out of place
 */
export function parseRecords(bytes: Uint8Array, options: RecordOptions = {}): Records {
  const { file = "CSV" } = options;
  const format = csvFormat(options);
  const content = withoutByteOrderMark(bytes);
  const text = decodeUtf8(bytes, file);
  const lineAt = lineCounter(content);
  const records: string[][] = [];
  const lines: number[] = [];
  let end = 0; // where the record before ended in `content`

  try {
    parse(text, {
      ...format,
      on_record: (record: string[], { bytes: recordEnd }) => {
        lines.push(lineAt(skipLineBreaks(content, end)));
        records.push(record);
        end = recordEnd;
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const { offset, fault } = findQuoteAtFault(content, skipLineBreaks(content, end), format.delimiter);
    throw new DataError(`${place(file, lineAt(offset), records.length + 1)}: ${fault}; ${QUOTE_REMEDY}`);
  }

  if (records.length === 0) throw new DataError(`${file}: is empty; expected rows of a text and a label`);
  const first = { record: records[0]!, line: lines[0]! };
  for (const [i, record] of records.entries()) expectFields(record, first, place(file, lines[i]!, i + 1), options);
  return { records, lines };
}

export const QUOTE_REMEDY =
  'close the field and write each quote inside it twice (""), or read quotes as plain characters with --no-quotes';

/** How csv-parse reads records. @throws ValueError for a delimiter that cannot be one */
export function csvFormat({ file = "", quotes = true, delimiter = delimiterOf(file) }: RecordOptions) {
  if (!/^[\t !#-~]$/.test(delimiter)) {
    throw new ValueError(`parseRecords: delimiter is ${quoted(delimiter)}, expected one ASCII character, not a quote`);
  }
  return {
    delimiter,
    quote: quotes ? '"' : null,
    escape: quotes ? '"' : null,
    record_delimiter: ["\r\n", "\n", "\r"],
    relax_column_count: true, // expectFields counts them, where the first record's line is known
    skip_empty_lines: true,
  };
}

function delimiterOf(file: string): string {
  return /\.(tsv|tab)$/i.test(file) ? "\t" : ",";
}

/** @throws DataError unless a record has as many fields as the first one */
export function expectFields(
  { length }: string[],
  first: { readonly record: string[]; readonly line: number },
  where: string,
  options: RecordOptions,
): void {
  const expected = first.record.length;
  if (length === expected) return;
  const remedy = `put a field that contains ${quoted(csvFormat(options).delimiter)} or a line break in double quotes`;
  throw new DataError(
    `${where}: has ${length} ${length === 1 ? "field" : "fields"}, expected ${expected} as in line ${first.line}; ` +
      (wrongDelimiter(first.record) ?? remedy),
  );
}

// The columns' names, or null if the first record is data.
function readHeader(first: string[], { header = "auto", textColumn, labelColumn }: CsvOptions): string[] | null {
  const names = first.map((name) => name.trim());
  if (header !== "auto") return header ? names : null;
  if (isName(textColumn) || isName(labelColumn)) return names;
  const hasDefault = (name: string) => names.some((other) => other.toLowerCase() === name);
  const named = (textColumn === undefined && hasDefault("text")) || (labelColumn === undefined && hasDefault("label"));
  return named ? names : null;
}

/** Whether a column is given by its name: digits are an index. */
export function isName(column?: Column | null): boolean {
  return typeof column === "string" && !/^\d+$/.test(column);
}

/** The index of a column. @param flag what to change where it cannot be found @throws DataError */
export function findColumn(
  wanted: Column,
  flag: string,
  first: string[],
  names: string[] | null,
  where: string,
): number {
  const matches = (same: (name: string) => boolean) => (names ?? []).flatMap((name, i) => (same(name) ? [i] : []));
  const exact = matches((name) => name === wanted);
  const found = exact.length > 0 ? exact : matches((name) => name.toLowerCase() === String(wanted).toLowerCase());
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    const indices = found.join(" and ");
    throw new DataError(`${where}: columns ${indices} are both ${quoted(String(wanted))}; give an index with ${flag}`);
  }
  const index = typeof wanted === "number" || /^\d+$/.test(wanted) ? Number(wanted) : null;
  if (index !== null && Number.isInteger(index) && index >= 0 && index < first.length) return index;

  const columns = names ? "name or index" : "index, counted from 0,";
  const remedy = wrongDelimiter(first) ?? `give the column's ${columns} with ${flag}`;
  if (index !== null) throw new DataError(`${where}: there is no column ${index} among ${first.length}; ${remedy}`);
  const name = quoted(String(wanted));
  if (!names) throw new DataError(`${where}: column ${name} is a name, but there is no header; ${remedy}`);
  throw new DataError(
    `${where}: there is no column ${name}${choices(String(wanted), names)}; ` +
      `${remedy}, or --no-header if this line is data`,
  );
}

// The remedy for a first row that has one field and seems to be separated by something else.
function wrongDelimiter(first: string[]): string | undefined {
  const other =
    first.length === 1 ? [",", ";", "\t", "|"].find((delimiter) => first[0]!.includes(delimiter)) : undefined;
  return other && `the fields seem to be separated by ${quoted(other)}: say so with --delimiter`;
}

/** A header taken for data would become a class of its own, which no other row has. @throws DataError if it looks so */
export function refuseLikelyHeader(records: string[][], label: number, where: string): void {
  const [first, ...others] = records.map((record) => record[label]!);
  const classes = new Set(others);
  if (classes.has(first!) || classes.size === others.length) return;
  throw new DataError(
    `${where}: no other row has the label ${quoted(first!)}, so this may be a header; say --no-header if it is data, ` +
      "or name the columns with --text-column NAME and --label-column NAME",
  );
}

const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;

// The parser reports a bad quote where it gave up, which is often the end of the file; people look for where it opened.
function findQuoteAtFault(bytes: Uint8Array, start: number, delimiter: string): { offset: number; fault: string } {
  const ends = [delimiter.charCodeAt(0), LF, CR, undefined];
  let opened = start;
  for (let i = start; i < bytes.length; i++) {
    if (bytes[i] === QUOTE) {
      opened = i;
      i = closingQuote(bytes, opened) + 1;
      if (!ends.includes(bytes[i])) {
        return { offset: opened, fault: "the quoted field that begins here has text after its closing quote" };
      }
    }
    for (; !ends.includes(bytes[i]); i++) {
      if (bytes[i] === QUOTE) return { offset: i, fault: "a quote stands inside a field that is not quoted" };
    }
  }
  return { offset: opened, fault: "the quote that opens here is never closed" };
}

// The quote that closes the one at `opened`, passing over doubled ones; the end of the file if there is none.
function closingQuote(bytes: Uint8Array, opened: number): number {
  let i = bytes.indexOf(QUOTE, opened + 1);
  while (i >= 0 && bytes[i + 1] === QUOTE) i = bytes.indexOf(QUOTE, i + 2);
  return i < 0 ? bytes.length : i;
}

function skipLineBreaks(bytes: Uint8Array, start: number): number {
  let i = start;
  while (bytes[i] === LF || bytes[i] === CR) i++;
  return i;
}
