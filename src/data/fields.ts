/**
 * Fields: how the cells of a table's column become values, and the values of a batch a tensor. A cell is prepared (checked,
 * cleaned, cut into tokens) and then encoded; what encoding needs to know (a vocabulary, the classes, a mean) the field learns
 * from the first table that is read with it, and uses for all others.
 */

import { checkOptions, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { padSequences } from "./batches.ts";
import { type Collated, collate } from "./collate.ts";
import type { Column } from "./csv.ts";
import { LabelSet } from "./labels.ts";
import { choices, quoted } from "./messages.ts";
import { type Tokenizer, WordTokenizer } from "./tokenizer.ts";
import { Vocab, VocabBuilder, type VocabOptions } from "./vocab.ts";

/** A column of a table: cells become prepared values (P), those examples' values (T), and those of a batch one (B). */
export interface Field<T = unknown, B = unknown, P = unknown> {
  readonly column: Column;
  /** @param cell a string, or what a line of JSON holds @throws ValueError saying what the cell is and what was expected */
  prepare(cell: unknown): P;
  /** What is given all prepared values of a table before the first is encoded; null where nothing is left to learn. */
  learn(): Learning<P> | null;
  /** @throws ValueError for a value that cannot be encoded */
  encode(prepared: P): T;
  collate(values: readonly T[]): B;
}

export interface Learning<P> {
  add(prepared: P): void;
  /** After the last value. @throws ValueError if nothing was to be learned from them */
  finish(): void;
}

export interface TextFieldOptions {
  /** The column's name or index (default "text"). */
  column?: Column;
  /** Cleans a text before it is cut, for instance `normalizeText`. */
  preprocess?: (text: string) => string;
  /** Default: a WordTokenizer. */
  tokenizer?: Tokenizer;
  /** A vocabulary, or how it is built from the first table that is read (default: of all tokens). */
  vocab?: Vocab | VocabOptions;
  /** Longer texts are cut to their first tokens (default: none is). */
  maxLength?: number;
  /** The id after the end of a text in a batch (default 0, a vocabulary's `<pad>`). */
  padValue?: number;
}

/**
 * Texts as ids: an example's value is an Int32Array, a batch's i32 [batch, time], padded to its longest.
 *
 * @example
 * new TextField({ column: "review", vocab: { maxSize: 25_000, minFrequency: 2 }, maxLength: 256 });
 */
export class TextField implements Field<Int32Array, Tensor<"i32">, string[]> {
  readonly column: Column;
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  readonly padValue: number;
  readonly #preprocess: (text: string) => string;
  readonly #vocabOptions: VocabOptions;
  #vocab: Vocab | null;

  constructor(options: TextFieldOptions = {}) {
    checkOptions("TextField", options, ["column", "preprocess", "tokenizer", "vocab", "maxLength", "padValue"]);
    const { column = "text", preprocess = (text) => text, tokenizer = new WordTokenizer(), vocab = {} } = options;
    const { maxLength = Number.POSITIVE_INFINITY, padValue = 0 } = options;
    if (!(maxLength >= 1)) throw new ValueError(`TextField: maxLength is ${maxLength}, expected at least 1`);
    this.column = column;
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.padValue = padValue;
    this.#preprocess = preprocess;
    this.#vocab = vocab instanceof Vocab ? vocab : null;
    this.#vocabOptions = vocab instanceof Vocab ? {} : vocab;
    new VocabBuilder(this.#vocabOptions); // refuses what cannot be
  }

  /** @throws ValueError before a table was read */
  get vocab(): Vocab {
    if (this.#vocab) return this.#vocab;
    throw new ValueError(`TextField: column ${quoted(String(this.column))} has no vocabulary yet; ${READ_FIRST}`);
  }

  prepare(cell: unknown): string[] {
    return this.tokenizer.tokenize(this.#preprocess(expectText(cell)));
  }

  learn(): Learning<string[]> | null {
    if (this.#vocab) return null;
    const builder = new VocabBuilder(this.#vocabOptions);
    return { add: (tokens) => builder.add(tokens), finish: () => void (this.#vocab = builder.build()) };
  }

  encode(tokens: string[]): Int32Array {
    return this.vocab.encode(tokens.length > this.maxLength ? tokens.slice(0, this.maxLength) : tokens);
  }

  collate(values: readonly Int32Array[]): Tensor<"i32"> {
    const { ids, shape } = padSequences(values, { padValue: this.padValue });
    return tensor(ids, { shape, dtype: "i32" });
  }
}

/** Class names as classes: an example's value is a number, a batch's i32 [batch]. */
export class LabelField implements Field<number, Tensor<"i32">, string> {
  readonly column: Column;
  #labels: LabelSet | null;

  /** @param options column (default "label"); labels: the classes (default: those of the first table that is read) */
  constructor(options: { column?: Column; labels?: LabelSet } = {}) {
    checkOptions("LabelField", options, ["column", "labels"]);
    this.column = options.column ?? "label";
    this.#labels = options.labels ?? null;
  }

  /** The classes. @throws ValueError before a table was read */
  get labels(): LabelSet {
    if (this.#labels) return this.#labels;
    throw new ValueError(`LabelField: column ${quoted(String(this.column))} has no classes yet; ${READ_FIRST}`);
  }

  prepare(cell: unknown): string {
    return expectText(cell).trim();
  }

  learn(): Learning<string> | null {
    if (this.#labels) return null;
    const names = new Set<string>();
    return { add: (name) => void names.add(name), finish: () => void (this.#labels = LabelSet.build(names)) };
  }

  encode(name: string): number {
    const index = this.labels.index(name);
    if (index !== undefined) return index;
    throw new ValueError(`unknown label ${quoted(name)}${choices(name, this.labels.names)}`);
  }

  collate(classes: readonly number[]): Tensor<"i32"> {
    return tensor(Int32Array.from(classes), { dtype: "i32" });
  }
}

export interface NumberFieldOptions {
  column: Column;
  /** Stands for an empty cell (default: that is an error). */
  missing?: number;
  /** Less the mean and divided by the deviation of the first table that is read (default false). */
  standardize?: boolean;
}

/** Numbers: an example's value is one, a batch's f32 [batch]. */
export class NumberField implements Field<number, Tensor<"f32">, number> {
  readonly column: Column;
  readonly #missing: number | undefined;
  #scale: { readonly mean: number; readonly std: number } | null;

  constructor(options: NumberFieldOptions) {
    checkOptions("NumberField", options, ["column", "missing", "standardize"]);
    this.column = options.column;
    this.#missing = options.missing;
    this.#scale = options.standardize ? null : { mean: 0, std: 1 };
  }

  prepare(cell: unknown): number {
    const isEmpty = cell === null || cell === undefined || (typeof cell === "string" && cell.trim() === "");
    if (isEmpty && this.#missing !== undefined) return this.#missing;
    const value = typeof cell === "number" ? cell : Number(expectText(cell));
    if (Number.isFinite(value)) return value;
    throw new ValueError(`is ${quoted(String(cell))}, expected a number`);
  }

  learn(): Learning<number> | null {
    if (this.#scale) return null;
    // Welford's: https://doi.org/10.1080/00401706.1962.10490022
    let [count, mean, squares] = [0, 0, 0];
    return {
      add: (value) => {
        const delta = value - mean;
        mean += delta / ++count;
        squares += delta * (value - mean);
      },
      finish: () => void (this.#scale = { mean, std: Math.sqrt(squares / Math.max(1, count)) || 1 }),
    };
  }

  encode(value: number): number {
    if (this.#scale) return (value - this.#scale.mean) / this.#scale.std;
    throw new ValueError(`NumberField: column ${quoted(String(this.column))} has no mean yet; ${READ_FIRST}`);
  }

  collate(values: readonly number[]): Tensor<"f32"> {
    return tensor(Float32Array.from(values), { dtype: "f32" });
  }
}

/** Whatever a function makes of a cell; a batch is what `collate`, the field's or else the general one, makes of them. */
export class ValueField<T, B = Collated<T>> implements Field<T, B, T> {
  readonly column: Column;
  readonly #read: (cell: unknown) => T;
  readonly #collate: (values: readonly T[]) => B;

  /** @param options read: is given a string, or what a line of JSON holds; what it throws is shown with file and line */
  constructor(options: { column: Column; read: (cell: unknown) => T; collate?: (values: readonly T[]) => B }) {
    checkOptions("ValueField", options, ["column", "read", "collate"]);
    this.column = options.column;
    this.#read = options.read;
    this.#collate = options.collate ?? (collate as (values: readonly T[]) => unknown as (values: readonly T[]) => B);
  }

  prepare(cell: unknown): T {
    return this.#read(cell);
  }

  learn(): null {
    return null;
  }

  encode(value: T): T {
    return value;
  }

  collate(values: readonly T[]): B {
    return this.#collate(values);
  }
}

const READ_FIRST = "read a table with it first";

function expectText(cell: unknown): string {
  if (typeof cell === "object" && cell !== null) throw new ValueError("is a list or an object, expected a text");
  const text = String(cell ?? "");
  if (text.trim() === "") throw new ValueError("is empty");
  return text;
}
