/** Tokens and their numbers: specials first, then the most frequent tokens, so that a smaller vocabulary is a prefix. */

import { checkOptions, DataError, ValueError } from "../gpu/errors.ts";
import { quoted } from "./messages.ts";
import { compareCodePoints } from "./order.ts";

export interface VocabOptions {
  /** The most tokens to keep, specials included (default: no limit). */
  maxSize?: number;
  /** Keep only tokens that occur at least so often (default 1). */
  minFrequency?: number;
  /** Tokens that come first, in this order (default `<pad>`, `<unk>`, so that padding is 0 and unknown is 1). */
  specials?: readonly string[];
  /** The special that stands for unknown tokens; `null`: there is none (default `<unk>` where it is a special). */
  unknown?: string | null;
}

/** What a vocabulary is stored as. */
export interface VocabJSON {
  tokens: readonly string[];
  specials: number;
  unknown: string | null;
}

/**
 * A numbering of tokens. Specials come first, the others follow by falling frequency, ties in the order of code points.
 *
 * @example
 * const vocab = Vocab.build(texts.map((text) => tokenizer.tokenize(text)), { maxSize: 25_000, minFrequency: 2 });
 * const ids = vocab.encode(tokenizer.tokenize("hello world"));   // Int32Array
 */
export class Vocab {
  /** Every token; its position is its number. */
  readonly tokens: readonly string[];
  /** How many of them are specials; they come first. */
  readonly specials: number;
  /** The token that stands for unknown ones, if there is one. */
  readonly unknown: string | null;
  readonly #index: Map<string, number>;
  readonly #unknownIndex: number | undefined;

  private constructor({ tokens, specials, unknown }: VocabJSON) {
    this.tokens = tokens;
    this.specials = specials;
    this.unknown = unknown;
    this.#index = new Map(tokens.map((token, i) => [token, i]));
    this.#unknownIndex = unknown === null ? undefined : this.#index.get(unknown);
  }

  /**
   * Counts tokens and numbers them.
   *
   * @param tokenLists the tokens of each text
   * @throws ValueError for options that cannot be: a size that the specials fill, a special twice, an unknown that is no special
   */
  static build(tokenLists: Iterable<Iterable<string>>, options: VocabOptions = {}): Vocab {
    const builder = new VocabBuilder(options);
    for (const tokens of tokenLists) builder.add(tokens);
    return builder.build();
  }

  /**
   * Restores what `toJSON` gave.
   *
   * @param file the name that messages use
   * @throws DataError if `json` is no vocabulary
   */
  static fromJSON(json: unknown, file = "vocabulary"): Vocab {
    const { tokens, specials, unknown } = Object(json) as Partial<VocabJSON>;
    const refuse = (what: string): never => {
      throw new DataError(`${file}: ${what}; write the vocabulary anew with toJSON`);
    };
    if (!Array.isArray(tokens) || !tokens.every((token) => typeof token === "string")) {
      return refuse("tokens is not a list of strings");
    }
    const seen = new Set<string>();
    for (const token of tokens) {
      if (seen.has(token)) refuse(`token ${quoted(token)} occurs twice`);
      seen.add(token);
    }
    if (!Number.isInteger(specials) || specials! < 0 || specials! > tokens.length) {
      return refuse(`specials is ${JSON.stringify(specials)}, expected 0 to ${tokens.length}`);
    }
    if (unknown === undefined || (unknown !== null && !seen.has(unknown))) {
      return refuse(`unknown is ${JSON.stringify(unknown)}, expected one of the tokens or null`);
    }
    return new Vocab({ tokens, specials: specials!, unknown });
  }

  toJSON(): VocabJSON {
    return { tokens: this.tokens, specials: this.specials, unknown: this.unknown };
  }

  /** The number of tokens, specials included. */
  get size(): number {
    return this.tokens.length;
  }

  /** Whether `token` has a number of its own. */
  has(token: string): boolean {
    return this.#index.has(token);
  }

  /**
   * The number of a token, or that of the unknown token.
   *
   * @throws ValueError for a token without a number where there is no unknown token
   */
  get(token: string): number {
    const index = this.#index.get(token) ?? this.#unknownIndex;
    if (index !== undefined) return index;
    throw new ValueError(
      `Vocab.get: ${quoted(token)} is not among the ${this.size} tokens and there is no token for unknown ones; ` +
        'build the vocabulary with "<unk>" among its specials',
    );
  }

  /** Turns tokens into numbers: [tokens]. @throws ValueError as `get` does */
  encode(tokens: Iterable<string>): Int32Array {
    return Int32Array.from(tokens, (token) => this.get(token));
  }

  /**
   * Turns numbers back into tokens.
   *
   * @param ids [tokens]
   * @param options `skipSpecials` leaves out padding and the other specials (default false)
   * @throws ValueError for a number that no token has
   */
  decode(ids: Iterable<number>, options: { skipSpecials?: boolean } = {}): string[] {
    checkOptions("Vocab.decode", options, ["skipSpecials"]);
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.tokens[id];
      if (token === undefined) throw new ValueError(`Vocab.decode: id is ${id}, expected 0 to ${this.size - 1}`);
      if (!options.skipSpecials || id >= this.specials) tokens.push(token);
    }
    return tokens;
  }
}

/** Counts tokens as they come, for data that is not in memory at once, and makes a `Vocab` of them. */
export class VocabBuilder {
  readonly #options: Required<VocabOptions>;
  readonly #frequency = new Map<string, number>();

  /** @throws ValueError as `Vocab.build` does */
  constructor(options: VocabOptions = {}) {
    checkOptions("Vocab.build", options, ["maxSize", "minFrequency", "specials", "unknown"]);
    const { maxSize = Number.POSITIVE_INFINITY, minFrequency = 1, specials = ["<pad>", "<unk>"] } = options;
    const { unknown = specials.includes("<unk>") ? "<unk>" : null } = options;
    if (new Set(specials).size < specials.length) {
      throw new ValueError(`Vocab.build: specials are ${specials.map(quoted).join(", ")}, expected each once`);
    }
    if (unknown !== null && !specials.includes(unknown)) {
      throw new ValueError(`Vocab.build: unknown is ${quoted(unknown)}, expected one of the specials or null`);
    }
    if (!(maxSize > specials.length)) {
      throw new ValueError(`Vocab.build: maxSize is ${maxSize}, expected more than the ${specials.length} specials`);
    }
    if (!(minFrequency >= 1)) throw new ValueError(`Vocab.build: minFrequency is ${minFrequency}, expected at least 1`);
    this.#options = { maxSize, minFrequency, specials, unknown };
  }

  /** Counts the tokens of a text. */
  add(tokens: Iterable<string>): void {
    for (const token of tokens) this.#frequency.set(token, (this.#frequency.get(token) ?? 0) + 1);
  }

  build(): Vocab {
    const { maxSize, minFrequency, specials, unknown } = this.#options;
    const isSpecial = new Set(specials);
    const ranked = [...this.#frequency]
      .filter(([token, count]) => count >= minFrequency && !isSpecial.has(token))
      .sort(([a, m], [b, n]) => n - m || compareCodePoints(a, b))
      .slice(0, maxSize - specials.length)
      .map(([token]) => token);
    return Vocab.fromJSON({ tokens: [...specials, ...ranked], specials: specials.length, unknown });
  }
}
