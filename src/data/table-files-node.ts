/** Tables from files in Node: whole, or row by row for files larger than memory. */
import { pipeline } from "node:stream/promises";
import { CsvError, parse } from "csv-parse";
import { checkOptions, DataError } from "../gpu/errors.ts";
import { readFileChecked } from "../io/files-node.ts";
import { readBlocks } from "./blocks-node.ts";
import { type Column, csvFormat, expectFields, QUOTE_REMEDY } from "./csv.ts";
import { CR, LF, lineEnds } from "./lines.ts";
import { place } from "./messages.ts";
import { isParquet, parquetRows } from "./parquet-node.ts";
import { columnsOf, type Fields, TabularDataset, TabularStream } from "./table.ts";
import { findColumns, isJsonLines, jsonRows, type Row, TABULAR_OPTIONS, type TabularOptions } from "./table-rows.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * Reads a table into memory: CSV, TSV, lines of JSON or, by the package "hyparquet", Parquet, as the file's ending tells.
 *
 * @throws DataError as `TabularDataset.parse` does, and for a file that cannot be read
 *
 * @example
 * const fields = { text: new TextField(), stars: new NumberField({ column: "stars" }) };
 * const train = await readTable("reviews.jsonl", fields);
 */
export async function readTable<const F extends Fields>(
  file: string,
  fields: F,
  options: Omit<TabularOptions, "file"> = {},
): Promise<TabularDataset<F>> {
  if (isParquet(file)) {
    checkOptions("readTable", options, TABULAR_OPTIONS.slice(1));
    const rows: Row[] = [];
    for await (const row of parquetRows(file, columnsOf(fields))) rows.push(row);
    return TabularDataset.fromRows(rows, fields, { ...options, file });
  }
  return TabularDataset.parse(await readFileChecked(file), fields, { ...options, file });
}

/**
 * A table that is read anew in each epoch, a part of it in memory at a time.
 *
 * @throws DataError when it is read: for a file that cannot be, or a row that is refused, naming file, line and remedy
 *
 * @example
 * const stream = streamTable("large.csv", fields);
 * await stream.learn();                              // the vocabulary and the classes, where the fields have none yet
 * const loader = new DataLoader(stream, { batchSize: 32, shuffle: true, shuffleBuffer: 10_000 });
 */
export function streamTable<const F extends Fields>(
  file: string,
  fields: F,
  options: Omit<TabularOptions, "file"> = {},
): TabularStream<F> {
  checkOptions("streamTable", options, TABULAR_OPTIONS.slice(1));
  const all = { ...options, file };
  const rows = (columns: readonly Column[]) => {
    if (isParquet(file)) return parquetRows(file, columns);
    return isJsonLines(all) ? jsonFile(columns, all) : csvFile(columns, all);
  };
  return new TabularStream(rows, fields, all);
}

interface FileOptions extends TabularOptions {
  readonly file: string;
}

async function* jsonFile(columns: readonly Column[], { file }: FileOptions): AsyncGenerator<Row> {
  const start = { line: 1, offset: 0 };
  for await (const block of readBlocks(file)) {
    yield* jsonRows(block, columns, file, start);
    start.line += lineEnds(block).length;
    start.offset += block.length;
  }
}

interface Parsed {
  readonly record: string[];
  readonly line: number;
  /** From 1. */
  readonly ordinal: number;
}

async function* csvFile(columns: readonly Column[], options: FileOptions): AsyncGenerator<Row> {
  const { file } = options;
  const lines = new LineQueue();
  async function* checked(): AsyncGenerator<Uint8Array> {
    for await (const block of readBlocks(file)) {
      decodeUtf8(block, file, lines.end); // refuses what is not UTF-8
      lines.add(block);
      yield block;
    }
  }
  let count = 0; // of the records that were parsed, of which some are on their way when parsing fails
  const parser = parse({
    ...csvFormat(options),
    on_record: (record: string[], { bytes }) =>
      ({ record, line: lines.next(bytes), ordinal: ++count }) satisfies Parsed as unknown as string[],
  });
  const done = pipeline(checked, parser).catch((error: unknown) => error);
  let first: Parsed | null = null;
  let found: ReturnType<typeof findColumns> | null = null;
  try {
    for await (const parsed of parser as AsyncIterable<Parsed>) {
      const { record, line, ordinal } = parsed;
      first ??= parsed;
      expectFields(record, first, place(file, line, ordinal), options);
      if (!found) {
        found = findColumns(record, line, columns, options);
        if (found.isHeader) continue;
      }
      yield { cells: found.indices.map((index) => record[index]), line };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const where = place(file, lines.next(Number.POSITIVE_INFINITY), count + 1);
    throw new DataError(`${where}: ${QUOTE_FAULTS[error.code] ?? error.message}; ${QUOTE_REMEDY}`, { cause: error });
  } finally {
    parser.destroy();
    await done;
  }
  if (count === 0) throw new DataError(`${file}: is empty; expected rows`);
}

const QUOTE_FAULTS: Partial<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "a quote that opens in this row is never closed",
  INVALID_OPENING_QUOTE: "a quote stands inside a field that is not quoted",
  CSV_INVALID_CLOSING_QUOTE: "a quoted field has text after its closing quote",
};

/** The lines that were read and whose records were not: so many bytes into the file, they end. */
class LineQueue {
  /** Where what was read ends. */
  readonly end = { line: 1, offset: 0 };
  #ends: { end: number; isBlank: boolean }[] = [];
  #line = 1;
  #recordEnd = 0;

  add(block: Uint8Array): void {
    let start = 0;
    for (const end of lineEnds(block)) {
      const isBlank = block.subarray(start, end).every((byte) => byte === LF || byte === CR);
      this.#ends.push({ end: this.end.offset + end, isBlank });
      start = end;
      this.end.line++;
    }
    this.end.offset += block.length;
  }

  /** The line on which the next record begins. @param recordEnd bytes of the file up to the end of that record */
  next(recordEnd: number): number {
    let passed = 0;
    while (passed < this.#ends.length) {
      const { end, isBlank } = this.#ends[passed]!;
      if (end > this.#recordEnd && !isBlank) break;
      passed++;
    }
    this.#ends.splice(0, passed);
    this.#line += passed;
    this.#recordEnd = recordEnd;
    return this.#line;
  }
}
