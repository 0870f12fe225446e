/**
 * Parquet files, read by the package "hyparquet", which is loaded when it is needed: some columns, a group of rows at a time.
 * Integers of 64 bits become numbers, and the classes of a file from Hugging Face's hub their names.
 */
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type * as Hyparquet from "hyparquet";
import { DataError, TilegradError } from "../gpu/errors.ts";
import { refuseFile } from "../io/files-node.ts";
import type { Column, CsvData, CsvOptions } from "./csv.ts";
import { choices, quoted } from "./messages.ts";
import type { Row } from "./table-rows.ts";

/** Whether a file's name says that it is Parquet. */
export function isParquet(file: string): boolean {
  return /\.parquet$/i.test(file);
}

/**
 * Reads rows, a group of them in memory at a time.
 *
 * @param columns names, or indices from 0
 * @param option what gives a column, for messages
 * @returns the cells of these columns; a row's line is its number, from 1
 * @throws DataError for a file that cannot be read, is no Parquet, or has no such column
 */
export async function* parquetRows(
  file: string,
  columns: readonly Column[],
  option: (column: number) => string = () => "the field's column",
): AsyncGenerator<Row> {
  const { metadata, names, classes, read } = await openParquet(file);
  const wanted = columns.map((column, i) => names[columnIndex(file, names, column, option(i))]!);
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    const rows = await read(wanted, start, end);
    for (const [i, row] of rows.entries()) {
      yield { cells: wanted.map((name) => cellOf(row[name], classes.get(name))), line: start + i + 1 };
    }
    start = end;
  }
}

/**
 * Reads texts and their labels, as `parseCsv` does.
 *
 * @throws DataError naming file, row and remedy: what `parquetRows` refuses, or a text or label that is blank or none
 * @throws TilegradError where hyparquet is not installed
 */
export async function readParquetTexts(
  file: string,
  options: Pick<CsvOptions, "textColumn" | "labelColumn" | "skipEmpty"> = {},
): Promise<CsvData> {
  const { textColumn = "text", labelColumn = "label", skipEmpty = false } = options;
  const columns = labelColumn === null ? [textColumn] : [textColumn, labelColumn];
  const flags = ["--text-column", "--label-column"];
  const data = { texts: [] as string[], labels: [] as string[], rows: [] as number[], skipped: [] as number[] };
  for await (const { cells, line } of parquetRows(file, columns, (i) => flags[i]!)) {
    const [text, label] = cells.map((cell, i) =>
      textOf(cell, `${file}, row ${line}: the ${i === 0 ? "text" : "label"}`),
    );
    const empty = text!.trim() === "" ? "text" : label?.trim() === "" ? "label" : null;
    if (empty === null) {
      data.texts.push(text!);
      if (label !== undefined) data.labels.push(label.trim());
      data.rows.push(line);
    } else if (skipEmpty) {
      data.skipped.push(line);
    } else {
      const what = `${file}, row ${line}: the ${empty} is empty`;
      throw new DataError(`${what}; fill it in, or leave such rows out with --skip-empty`);
    }
  }
  if (data.texts.length === 0) throw new DataError(`${file}: has no row with a text and a label; add some`);
  return { ...data, columns: columns.map(String) };
}

interface ParquetFile {
  readonly metadata: Hyparquet.FileMetaData;
  /** Of the columns. */
  readonly names: readonly string[];
  /** By column: the names of its classes. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
  /** Rows from `start` up to, not including, `end`. */
  read(columns: string[], start: number, end: number): Promise<Record<string, unknown>[]>;
}

async function openParquet(file: string): Promise<ParquetFile> {
  const hyparquet = await loadHyparquet();
  const buffer = await hyparquet.asyncBufferFromFile(file).catch((error: unknown) => refuseFile(file, error));
  const refuse = (cause: unknown): never => {
    throw new DataError(`${file}: cannot be read as Parquet (${(cause as Error).message}); write the file anew`, {
      cause,
    });
  };
  const metadata = await hyparquet.parquetMetadataAsync(buffer).catch(refuse);
  return {
    metadata,
    names: hyparquet.parquetSchema(metadata).children.map(({ element }) => element.name),
    classes: classesOf(metadata),
    read: (columns, rowStart, rowEnd) =>
      hyparquet
        .parquetReadObjects({ file: buffer, metadata, columns, rowStart, rowEnd, compressors: COMPRESSORS })
        .catch(refuse),
  };
}

// Beside Snappy, which hyparquet has itself.
const COMPRESSORS: Hyparquet.Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
};

async function loadHyparquet(): Promise<typeof Hyparquet> {
  try {
    return await import("hyparquet");
  } catch (cause) {
    throw new TilegradError(
      "Parquet files are read by the package hyparquet, which is not installed: npm install hyparquet",
      { cause },
    );
  }
}

interface HubMetadata {
  readonly info?: {
    readonly features?: Readonly<Record<string, { readonly _type?: string; readonly names?: string[] }>>;
  };
}

// Files from Hugging Face's hub say so: { info: { features: { label: { _type: "ClassLabel", names: ["World", ...] } } } }.
function classesOf({ key_value_metadata }: Hyparquet.FileMetaData): Map<string, readonly string[]> {
  const text = key_value_metadata?.find(({ key }) => key === "huggingface")?.value ?? "{}";
  let about: HubMetadata = {};
  try {
    about = JSON.parse(text);
  } catch {
    // It is no more than a hint.
  }
  const columns = Object.entries(about.info?.features ?? {});
  return new Map(
    columns.flatMap(([column, { _type, names }]) => (_type === "ClassLabel" && names ? [[column, names]] : [])),
  );
}

function cellOf(value: unknown, classes: readonly string[] | undefined): unknown {
  const cell = typeof value === "bigint" ? Number(value) : value;
  return (typeof cell === "number" && classes?.[cell]) || cell;
}

function textOf(cell: unknown, what: string): string {
  if (typeof cell !== "object" || cell === null) return String(cell ?? "");
  throw new DataError(`${what} is a ${cell.constructor.name}, expected a text or a number; name another column`);
}

function columnIndex(file: string, names: readonly string[], wanted: Column, option: string): number {
  const text = String(wanted);
  const same = (name: string) => name.toLowerCase() === text.toLowerCase();
  const found = [names.indexOf(text), names.findIndex(same), /^\d+$/.test(text) ? Number(text) : -1];
  const index = found.find((i) => i >= 0 && i < names.length);
  if (index !== undefined) return index;
  throw new DataError(
    `${file}: there is no column ${quoted(text)}${choices(text, names)}; give a name or index with ${option}`,
  );
}
