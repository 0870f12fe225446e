/**
 * Tokenizers cut a text into tokens, the strings that a `Vocab` numbers. Each is a pure function of its options, which
 * `toJSON` gives and `tokenizerFromJSON` takes, so that a saved model reads new text as it read its training data.
 */

import { checkOptions, DataError, didYouMean, TilegradError, ValueError } from "../gpu/errors.ts";
import { quoted } from "./messages.ts";

export interface Tokenizer {
  /** Cuts a text into tokens. */
  tokenize(text: string): string[];
  /** Joins tokens to a text; what `tokenize` lost (case, spaces) stays lost. */
  detokenize(tokens: Iterable<string>): string;
  /** The tokenizer's type and options. */
  toJSON(): { readonly type: string };
}

export interface WordOptions {
  /** Fold case first (default true). */
  lowercase?: boolean;
  /** Keep punctuation marks and symbols as tokens (default true). */
  punctuation?: boolean;
}

export interface CharacterOptions {
  /** Fold case first (default false). */
  lowercase?: boolean;
}

// Every repetition is bounded, since the regular expression engine's stack is: a longer word is cut in two.
const UNSPACED = String.raw`[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]`; // each character is a word
const NUMBER = String.raw`\p{Nd}{1,99}(?:[.,]\p{Nd}{1,99}){1,99}`;
const LETTERS = String.raw`(?:(?!${UNSPACED})[\p{L}\p{M}\p{N}\u200c\u200d]){1,999}`; // joiners shape Persian and Indic words
const WORD = `${LETTERS}(?:'${LETTERS}){0,99}`;
const PICTURE = String.raw`\p{Extended_Pictographic}[\ufe0f\p{EMod}]{0,9}`;
const EMOJI = String.raw`${PICTURE}(?:\u200d${PICTURE}){0,9}|\p{RI}\p{RI}`;
const MARK = String.raw`[^\s\p{L}\p{M}\p{N}\p{C}]`;

const WORDS = new RegExp(`${UNSPACED}|${NUMBER}|${WORD}`, "gu");
const WORDS_AND_MARKS = new RegExp(`${UNSPACED}|${NUMBER}|${WORD}|${EMOJI}|${MARK}`, "gu");

/**
 * Cuts a text into words, numbers and punctuation marks. The text is brought to Unicode's composed form (NFC) first, and
 * typographic apostrophes to `'`.
 *
 * Words are runs of letters, digits and combining marks in any script, with the apostrophes inside them; decimal points
 * and commas inside a number belong to it; every other visible character is a token of its own, an emoji sequence one
 * token. Chinese and Japanese characters are one token each.
 *
 * @example
 * new WordTokenizer().tokenize("Don't pay $1,000.50!");   // ["don't", "pay", "$", "1,000.50", "!"]
 */
export class WordTokenizer implements Tokenizer {
  readonly lowercase: boolean;
  readonly punctuation: boolean;

  /** @throws ValueError for an option that does not exist or has another type */
  constructor(options: WordOptions = {}) {
    checkFlags("WordTokenizer", options, ["lowercase", "punctuation"]);
    this.lowercase = options.lowercase ?? true;
    this.punctuation = options.punctuation ?? true;
  }

  tokenize(text: string): string[] {
    const composed = text.normalize("NFC").replace(/[\u2019\u02bc\uff07]/g, "'");
    return (this.lowercase ? composed.toLowerCase() : composed).match(this.punctuation ? WORDS_AND_MARKS : WORDS) ?? [];
  }

  /** Joins tokens by spaces. */
  detokenize(tokens: Iterable<string>): string {
    return [...tokens].join(" ");
  }

  toJSON() {
    return { type: "word", lowercase: this.lowercase, punctuation: this.punctuation } as const;
  }
}

/** Cuts a text into its characters (code points), after bringing it to Unicode's composed form (NFC). */
export class CharacterTokenizer implements Tokenizer {
  readonly lowercase: boolean;

  /** @throws ValueError for an option that does not exist or has another type */
  constructor(options: CharacterOptions = {}) {
    checkFlags("CharacterTokenizer", options, ["lowercase"]);
    this.lowercase = options.lowercase ?? false;
  }

  tokenize(text: string): string[] {
    const composed = text.normalize("NFC");
    return Array.from(this.lowercase ? composed.toLowerCase() : composed);
  }

  detokenize(tokens: Iterable<string>): string {
    return [...tokens].join("");
  }

  toJSON() {
    return { type: "character", lowercase: this.lowercase } as const;
  }
}

/** Cuts a text into the bytes of its UTF-8 form, written `<0x00>` to `<0xff>`: 256 tokens are enough for any text. */
export class ByteTokenizer implements Tokenizer {
  tokenize(text: string): string[] {
    return Array.from(new TextEncoder().encode(text), (byte) => BYTE_TOKENS[byte]!);
  }

  /** Decodes the bytes; tokens that are no bytes (specials) are left out, and bytes that are no UTF-8 become U+FFFD. */
  detokenize(tokens: Iterable<string>): string {
    const bytes = [...tokens].map((token) => BYTE_TOKENS.indexOf(token)).filter((byte) => byte >= 0);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }

  toJSON() {
    return { type: "byte" } as const;
  }
}

const BYTE_TOKENS = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).padStart(2, "0")}>`);

const TYPES = {
  word: (options: WordOptions) => new WordTokenizer(options),
  character: (options: CharacterOptions) => new CharacterTokenizer(options),
  byte: (options: object) => {
    checkOptions("ByteTokenizer", options, []);
    return new ByteTokenizer();
  },
};

/**
 * Restores a tokenizer from what its `toJSON` gave.
 *
 * @param file the name that messages use
 * @throws DataError for a type or option that this version does not know
 */
export function tokenizerFromJSON(json: unknown, file = "tokenizer"): Tokenizer {
  const { type, ...options } = Object(json) as { type?: unknown };
  if (typeof type !== "string" || !Object.hasOwn(TYPES, type)) {
    const known = Object.keys(TYPES);
    const has =
      typeof type === "string" ? `${quoted(type)}${didYouMean(type, known)}` : `missing; known: ${known.join(", ")}`;
    throw new DataError(`${file}: the tokenizer's type is ${has}`);
  }
  try {
    return TYPES[type as keyof typeof TYPES](options);
  } catch (error) {
    if (error instanceof TilegradError) throw new DataError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}

function checkFlags(op: string, options: object, known: readonly string[]): void {
  checkOptions(op, options, known);
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && typeof value !== "boolean") {
      throw new ValueError(`${op}: ${name} is ${JSON.stringify(value)}, expected true or false`);
    }
  }
}
