/** Tables of examples: CSV, TSV or lines of JSON, each column read by a field. */

import { checkOptions, DataError, TilegradError, ValueError } from "../gpu/errors.ts";
import type { Column } from "./csv.ts";
import { type Dataset, expectIndex, type IterableDataset } from "./dataset.ts";
import { type Field, LabelField, type Learning } from "./fields.ts";
import { skipped } from "./loader.ts";
import { place, quoted } from "./messages.ts";
import { parseRows, type Row, TABULAR_OPTIONS, type TabularOptions } from "./table-rows.ts";

/** A table's fields: in a list, or by names of your own. */
export type Fields = readonly AnyField[] | Readonly<Record<string, AnyField>>;

// biome-ignore lint/suspicious/noExplicitAny: a field of whatever types; unknown would refuse those that take less
type AnyField = Field<any, any, any>;

/** A value for each field, in a list or by name as the fields are. */
export type TableExample<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends AnyField ? ReturnType<F[K]["encode"]> : never;
};

/** A batch for each field. */
export type TableBatch<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends AnyField ? ReturnType<F[K]["collate"]> : never;
};

/**
 * A table in memory. Fields that have something to learn learn it from this table, in the order in which tables are read: the
 * training data comes first.
 *
 * @example
 * const fields = [new TextField({ column: 0, vocab: { maxSize: 25_000 } }), new LabelField({ column: 1 })] as const;
 * const train = TabularDataset.parse(trainBytes, fields, { file: "train.csv" });
 * const test = TabularDataset.parse(testBytes, fields, { file: "test.csv" });      // with the words and classes of train
 * for await (const [ids, labels] of new DataLoader(train, { batchSize: 32 })) ...
 */
export class TabularDataset<const F extends Fields> implements Dataset<TableExample<F>, TableBatch<F>> {
  readonly fields: F;
  /** The line of each example in the file. */
  readonly lines: Int32Array;
  /** The lines of the rows left out by `skipInvalid`. */
  readonly skipped: readonly number[];
  readonly #examples: readonly TableExample<F>[];

  private constructor(fields: F, examples: readonly TableExample<F>[], lines: number[], skipped: readonly number[]) {
    this.fields = fields;
    this.#examples = examples;
    this.lines = Int32Array.from(lines);
    this.skipped = skipped;
  }

  /**
   * Reads a file.
   *
   * @param bytes the file, UTF-8
   * @throws DataError naming file, line and remedy: what `parseCsv` refuses, what is no JSON, a cell that its field refuses,
   *   or a file of which nothing is left
   */
  static parse<const F extends Fields>(bytes: Uint8Array, fields: F, options: TabularOptions = {}): TabularDataset<F> {
    checkOptions("TabularDataset.parse", options, TABULAR_OPTIONS);
    const { columns, classes } = new RowReader(fields, options);
    return TabularDataset.fromRows(parseRows(bytes, columns, classes, options), fields, options);
  }

  /**
   * Takes rows that were read already.
   *
   * @param rows the cells of the fields' columns, in the order of the fields
   * @throws DataError for a cell that its field refuses, or if nothing is left
   */
  static fromRows<const F extends Fields>(
    rows: readonly Row[],
    fields: F,
    options: Pick<TabularOptions, "file" | "skipInvalid"> = {},
  ): TabularDataset<F> {
    const reader = new RowReader(fields, options);
    const prepared = rows.map((row) => reader.prepare(row));
    const learning = reader.learn();
    for (const values of prepared) if (values) learning?.add(values);
    learning?.finish();

    const lines: number[] = [];
    const examples: TableExample<F>[] = [];
    for (const [i, { line }] of rows.entries()) {
      const example = prepared[i] && reader.encode(prepared[i], line);
      if (!example) continue;
      examples.push(example);
      lines.push(line);
    }
    if (examples.length > 0) return new TabularDataset(fields, examples, lines, reader.skipped);
    throw new DataError(`${options.file ?? "table"}: has no row that can be used; expected one or more`);
  }

  get length(): number {
    return this.#examples.length;
  }

  get(index: number): TableExample<F> {
    expectIndex("TabularDataset", index, this.length);
    return this.#examples[index]!;
  }

  collate(examples: readonly TableExample<F>[]): TableBatch<F> {
    return collateTable(this.fields, examples);
  }
}

/**
 * A table that is read as it is needed, row by row, for files larger than memory; `streamTable` makes one of a file. What
 * fields have to learn takes a reading of its own, by `learn` or else before the first epoch.
 */
export class TabularStream<const F extends Fields> implements IterableDataset<TableExample<F>, TableBatch<F>> {
  readonly fields: F;
  readonly #rows: (columns: readonly Column[]) => AsyncIterable<Row>;
  readonly #options: TabularOptions;

  /** @param rows reads them from the first on, each time it is called: the cells of those columns */
  constructor(rows: (columns: readonly Column[]) => AsyncIterable<Row>, fields: F, options: TabularOptions = {}) {
    checkOptions("TabularStream", options, TABULAR_OPTIONS);
    this.#rows = rows;
    this.#options = options;
    this.fields = fields;
  }

  /** Reads the table once, if there are fields that have something to learn. @throws DataError as reading does */
  async learn(): Promise<void> {
    const reader = new RowReader(this.fields, this.#options);
    const learning = reader.learn();
    if (!learning) return;
    for await (const row of this.#rows(reader.columns)) {
      const prepared = reader.prepare(row);
      if (prepared) learning.add(prepared);
    }
    learning.finish();
  }

  /** @param from the example to begin with; those before are read and passed over */
  stream(_epoch: number, from: number): AsyncIterable<TableExample<F>> {
    return skipped(this.#examples(), from);
  }

  collate(examples: readonly TableExample<F>[]): TableBatch<F> {
    return collateTable(this.fields, examples);
  }

  async *#examples(): AsyncGenerator<TableExample<F>> {
    await this.learn();
    const reader = new RowReader(this.fields, this.#options);
    for await (const row of this.#rows(reader.columns)) {
      const prepared = reader.prepare(row);
      const example = prepared && reader.encode(prepared, row.line);
      if (example) yield example;
    }
  }
}

/** The columns that fields read, in their order. */
export function columnsOf(fields: Fields): Column[] {
  return Object.values<AnyField>(fields).map(({ column }) => column);
}

// Takes rows through the fields, and knows what to say of those that a field refuses.
class RowReader<F extends Fields> {
  readonly columns: readonly Column[];
  /** Which of the columns hold class names. */
  readonly classes: readonly number[];
  readonly skipped: number[] = [];
  readonly #entries: readonly (readonly [name: string, field: AnyField])[];
  readonly #isList: boolean;
  readonly #file: string;
  readonly #skipInvalid: boolean;

  constructor(fields: F, { file = "table", skipInvalid = false }: TabularOptions) {
    this.#entries = Object.entries(fields);
    this.#isList = Array.isArray(fields);
    this.#file = file;
    this.#skipInvalid = skipInvalid;
    if (this.#entries.length === 0) throw new ValueError("TabularDataset: there are no fields, expected one or more");
    this.columns = columnsOf(fields);
    this.classes = this.#entries.flatMap(([, field], i) => (field instanceof LabelField ? [i] : []));
  }

  prepare({ cells, line }: Row): unknown[] | null {
    return this.#each(line, (field, i) => field.prepare(cells[i]));
  }

  encode(prepared: readonly unknown[], line: number): TableExample<F> | null {
    const values = this.#each(line, (field, i) => field.encode(prepared[i]));
    if (!values) return null;
    const example = this.#isList ? values : Object.fromEntries(this.#entries.map(([name], i) => [name, values[i]]));
    return example as TableExample<F>;
  }

  learn(): Learning<readonly unknown[]> | null {
    const learning = this.#entries.map(([, field]) => field.learn());
    if (learning.every((one) => one === null)) return null;
    return {
      add: (prepared) => {
        for (const [i, one] of learning.entries()) one?.add(prepared[i]);
      },
      finish: () => {
        for (const one of learning) one?.finish();
      },
    };
  }

  // What `fn` makes of each field's cell; null for a row that is left out.
  #each(line: number, fn: (field: AnyField, i: number) => unknown): unknown[] | null {
    const values: unknown[] = [];
    for (const [i, [, field]] of this.#entries.entries()) {
      try {
        values.push(fn(field, i));
      } catch (error) {
        if (this.#skipInvalid && error instanceof TilegradError) {
          this.skipped.push(line);
          return null;
        }
        const what = error instanceof Error ? error.message : String(error);
        const where = `${place(this.#file, line)}: column ${quoted(String(field.column))}`;
        throw new DataError(`${where} ${what}; correct it, or leave such rows out with skipInvalid`, { cause: error });
      }
    }
    return values;
  }
}

function collateTable<F extends Fields>(fields: F, examples: readonly TableExample<F>[]): TableBatch<F> {
  const columnOf = (key: string) => examples.map((example) => example[key as keyof TableExample<F>]);
  const entries = Object.entries(fields).map(
    ([key, field]) => [key, (field as AnyField).collate(columnOf(key))] as const,
  );
  return (Array.isArray(fields) ? entries.map(([, batch]) => batch) : Object.fromEntries(entries)) as TableBatch<F>;
}
