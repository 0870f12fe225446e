/** Class names and their numbers. The order is the names' own, so that it does not depend on the order of the rows. */

import { DataError, ValueError } from "../gpu/errors.ts";
import { choices, place, quoted } from "./messages.ts";
import { compareCodePoints } from "./order.ts";

/** Where labels came from, for messages. */
export interface LabelSource {
  /** The file's name. */
  file?: string;
  /** The line of each label. */
  rows?: ArrayLike<number>;
}

/**
 * The classes of a data set: class `i` is the `i`-th name in the order of code points.
 *
 * @example
 * const classes = LabelSet.build(train.labels);
 * const y = classes.encode(test.labels, { file: "test.csv", rows: test.rows });   // [rows]
 */
export class LabelSet {
  readonly names: readonly string[];
  readonly #index: Map<string, number>;

  private constructor(names: readonly string[]) {
    this.names = names;
    this.#index = new Map(names.map((name, i) => [name, i]));
  }

  /**
   * Collects the distinct names among `labels`.
   *
   * @throws ValueError if there is none
   */
  static build(labels: Iterable<string>): LabelSet {
    const names = [...new Set(labels)].sort(compareCodePoints);
    if (names.length === 0) throw new ValueError("LabelSet.build: labels is empty, expected at least one label");
    return new LabelSet(names);
  }

  /**
   * Restores what `toJSON` gave.
   *
   * @param file the name that messages use
   * @throws DataError if `json` is not a list of distinct names
   */
  static fromJSON(json: unknown, file = "labels"): LabelSet {
    const isNames = Array.isArray(json) && json.length > 0 && json.every((name) => typeof name === "string");
    if (!isNames || new Set(json).size < json.length) {
      throw new DataError(`${file}: the labels are not a list of distinct names; write the file anew with toJSON`);
    }
    return new LabelSet(json);
  }

  toJSON(): readonly string[] {
    return this.names;
  }

  /** The number of classes. */
  get size(): number {
    return this.names.length;
  }

  /** The name of class `index`. @throws ValueError */
  name(index: number): string {
    const name = this.names[index];
    if (name === undefined) throw new ValueError(`LabelSet.name: index is ${index}, expected 0 to ${this.size - 1}`);
    return name;
  }

  /** The class of a name, or undefined for a name that is none. */
  index(name: string): number | undefined {
    return this.#index.get(name);
  }

  /**
   * Turns names into classes.
   *
   * @param labels [rows] names
   * @returns [rows] classes
   * @throws DataError for a name that is none, with file, line and the names there are
   */
  encode(labels: readonly string[], { file = "labels", rows }: LabelSource = {}): Int32Array {
    return Int32Array.from(labels, (label, i) => {
      const index = this.#index.get(label);
      if (index !== undefined) return index;
      const where = rows ? place(file, rows[i]!) : `${file}, item ${i}`;
      throw new DataError(
        `${where}: unknown label ${quoted(label)}${choices(label, this.names)}; correct it, or train on a file that has it`,
      );
    });
  }
}
