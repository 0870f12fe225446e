/** The rows of tables, before fields make something of them: the cells of some columns, with the line on which each row begins. */

import { DataError } from "../gpu/errors.ts";
import { type Column, findColumn, isName, parseRecords, refuseLikelyHeader } from "./csv.ts";
import { choices, place, quoted } from "./messages.ts";
import { decodeUtf8 } from "./utf8.ts";

/** How a table's file is read. */
export interface TabularOptions {
  /** The name that messages use, and whose ending tells the format. */
  file?: string;
  /** CSV and its kin, or a JSON value per line; default: JSON for `.jsonl`, `.ndjson` and `.json`. */
  format?: "csv" | "jsonl";
  /** Of CSV: whether the first row names the columns; `"auto"` (default): where a field's column is a name. */
  header?: boolean | "auto";
  /** Of CSV; default: a tab for `.tsv` and `.tab`, else a comma. */
  delimiter?: string;
  /** Of CSV: whether `"` quotes fields (default true). */
  quotes?: boolean;
  /** Leave rows out that a field refuses, and list their lines in `skipped`, instead of refusing the file (default false). */
  skipInvalid?: boolean;
}

export const TABULAR_OPTIONS = ["file", "format", "header", "delimiter", "quotes", "skipInvalid"] as const;

export interface Row {
  /** One for each column that was asked for. */
  readonly cells: readonly unknown[];
  /** From 1, as an editor counts. */
  readonly line: number;
}

export function isJsonLines({ file = "", format }: TabularOptions): boolean {
  return format ? format === "jsonl" : /\.(jsonl|ndjson|json)$/i.test(file);
}

/**
 * All rows of a file.
 *
 * @param classes which of the columns hold class names, by which a header taken for data is noticed
 * @throws DataError as `parseCsv` does
 */
export function parseRows(
  bytes: Uint8Array,
  columns: readonly Column[],
  classes: readonly number[],
  options: TabularOptions,
): Row[] {
  const { file = "table" } = options;
  if (isJsonLines(options)) return jsonRows(bytes, columns, file);
  const { delimiter, quotes } = options;
  const { records, lines } = parseRecords(bytes, {
    file,
    ...(delimiter !== undefined && { delimiter }),
    ...(quotes !== undefined && { quotes }),
  });
  const { indices, isHeader } = findColumns(records[0]!, lines[0]!, columns, options);
  if (!isHeader && (options.header ?? "auto") === "auto") {
    for (const i of classes) refuseLikelyHeader(records, indices[i]!, place(file, lines[0]!));
  }
  const first = isHeader ? 1 : 0;
  return records.slice(first).map((record, i) => ({
    cells: indices.map((index) => record[index]),
    line: lines[i + first]!,
  }));
}

/** Which of a CSV file's columns are asked for. @throws DataError if one is not there */
export function findColumns(
  first: string[],
  line: number,
  columns: readonly Column[],
  { file = "table", header = "auto" }: TabularOptions,
): { indices: number[]; isHeader: boolean } {
  const isHeader = header === "auto" ? columns.some(isName) : header;
  const names = isHeader ? first.map((name) => name.trim()) : null;
  const indices = columns.map((column) => findColumn(column, "the field's column", first, names, place(file, line)));
  return { indices, isHeader };
}

/**
 * The rows of lines of JSON, each an object (columns are names) or a list (columns are indices).
 *
 * @param bytes whole lines
 * @param start where in the file the bytes begin
 * @throws DataError for what is no UTF-8 or no JSON, or a row without one of the columns
 */
export function jsonRows(
  bytes: Uint8Array,
  columns: readonly Column[],
  file: string,
  start = { line: 1, offset: 0 },
): Row[] {
  const rows: Row[] = [];
  for (const [i, text] of decodeUtf8(bytes, file, start)
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = start.line + i;
    if (text.trim() === "") continue;
    rows.push({ cells: columns.map((column) => cellOf(parseJson(text, file, line), column, place(file, line))), line });
  }
  return rows;
}

function parseJson(text: string, file: string, line: number): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const remedy = "each line is to be one whole JSON value";
    throw new DataError(`${place(file, line)}: is no JSON (${(error as Error).message}); ${remedy}`, { cause: error });
  }
  if (typeof value === "object" && value !== null) return value;
  throw new DataError(`${place(file, line)}: is ${quoted(text)}, expected an object or a list of cells`);
}

function cellOf(row: object, column: Column, where: string): unknown {
  if (Object.hasOwn(row, column)) return row[column as keyof typeof row];
  const known = Object.keys(row);
  throw new DataError(`${where}: there is no ${quoted(String(column))} in this row${choices(String(column), known)}`);
}
