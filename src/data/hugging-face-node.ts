/**
 * Tokenizers of Hugging Face's models, from their `tokenizer.json`, through the package "@huggingface/tokenizers", which is
 * loaded when it is needed. The file's ids are the vocabulary's.
 */
import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { checkOptions, DataError, TilegradError } from "../gpu/errors.ts";
import { readFileChecked } from "../io/files-node.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { decodeUtf8 } from "./utf8.ts";
import { Vocab } from "./vocab.ts";

export interface HuggingFaceOptions {
  /** Add what the model wants around a text, such as `[CLS]` and `[SEP]` (default true). */
  specialTokens?: boolean;
  /** The name that messages use. */
  file?: string;
}

/** What `toJSON` gives: the files' contents. */
export interface HuggingFaceJSON {
  readonly type: "hugging-face";
  readonly tokenizer: object;
  readonly config: object;
  readonly specialTokens: boolean;
}

/**
 * A tokenizer from Hugging Face.
 *
 * @example
 * const tokenizer = await readTokenizer("bert-base-uncased/tokenizer.json");
 * const { vocab, padId } = tokenizer;
 * vocab.encode(tokenizer.tokenize("Hello"));                          // the model's own ids
 * new TextField({ tokenizer, vocab, padValue: padId ?? 0 });
 */
export class HuggingFaceTokenizer implements Tokenizer {
  /** The file's tokens by its ids; an id without a token, should there be one, is called `<unused 7>`. */
  readonly vocab: Vocab;
  /** The id that fills short texts up, if the files name one. */
  readonly padId: number | null;
  readonly #library: Library;
  readonly #json: HuggingFaceJSON;

  private constructor(library: Library, json: HuggingFaceJSON) {
    this.#library = library;
    this.#json = json;
    const { tokenizer, config } = json as { tokenizer: TokenizerFile; config: ConfigFile };
    const byId: string[] = [];
    for (const [token, id] of library.get_vocab(true)) byId[id] = token;
    const tokens = Array.from(byId, (token, id) => token ?? `<unused ${id}>`);
    const unknown = [tokenizer.model?.unk_token, nameOf(config.unk_token)].find(
      (token) => token && tokens.includes(token),
    );
    this.vocab = Vocab.fromJSON({ tokens, specials: 0, unknown: unknown ?? null });
    const padding = tokenizer.padding?.pad_token ?? nameOf(config.pad_token);
    this.padId = padding === undefined ? null : (library.token_to_id(padding) ?? null);
  }

  /**
   * Makes a tokenizer of the contents of `tokenizer.json`, and of `tokenizer_config.json` where there is one.
   *
   * @throws DataError if the package is not installed, or cannot use the contents
   */
  static async create(
    tokenizer: object,
    config: object = {},
    options: HuggingFaceOptions = {},
  ): Promise<HuggingFaceTokenizer> {
    checkOptions("HuggingFaceTokenizer", options, ["specialTokens", "file"]);
    const { specialTokens = true, file = "tokenizer.json" } = options;
    const { Tokenizer } = await loadLibrary(file);
    try {
      return new HuggingFaceTokenizer(new Tokenizer(tokenizer, config), {
        type: "hugging-face",
        tokenizer,
        config,
        specialTokens,
      });
    } catch (error) {
      if (error instanceof TilegradError) throw error;
      throw new DataError(
        `${file}: cannot be used as a tokenizer (${(error as Error).message}); expected a tokenizer.json of the ` +
          "tokenizers library",
        { cause: error },
      );
    }
  }

  /** Restores what `toJSON` gave. */
  static fromJSON({ tokenizer, config, specialTokens }: HuggingFaceJSON): Promise<HuggingFaceTokenizer> {
    return HuggingFaceTokenizer.create(tokenizer, config, { specialTokens });
  }

  tokenize(text: string): string[] {
    const encoding = this.#library.encode(text, { add_special_tokens: this.#json.specialTokens });
    const { tokens, ids } = encoding as { tokens: string[]; ids: number[] };
    // What the vocabulary lacks has the unknown token's id.
    return tokens.map((token, i) => (this.vocab.has(token) ? token : (this.vocab.tokens[ids[i]!] ?? token)));
  }

  /** The text that tokens stand for, without special tokens. @throws ValueError for a token that the vocabulary lacks */
  detokenize(tokens: Iterable<string>): string {
    const ids = [...this.vocab.encode(tokens)];
    return ids.length === 0 ? "" : this.#library.decode(ids, { skip_special_tokens: true });
  }

  toJSON(): HuggingFaceJSON {
    return this.#json;
  }
}

/**
 * Reads a tokenizer of Hugging Face, and `tokenizer_config.json` beside it where there is one.
 *
 * @param file the path of a `tokenizer.json`
 * @throws DataError for a file that cannot be read or used, or if the package is not installed
 */
export async function readTokenizer(
  file: string,
  options: Omit<HuggingFaceOptions, "file"> = {},
): Promise<HuggingFaceTokenizer> {
  const config = join(dirname(file), "tokenizer_config.json");
  const hasConfig = await access(config).then(
    () => true,
    () => false,
  );
  const json = await readJson(file);
  return HuggingFaceTokenizer.create(json, hasConfig ? await readJson(config) : {}, { ...options, file });
}

// What is read of the files here; the library reads the rest.
interface TokenizerFile {
  readonly model?: { readonly unk_token?: string | null };
  readonly padding?: { readonly pad_token?: string } | null;
}

interface ConfigFile {
  readonly pad_token?: string | { readonly content: string };
  readonly unk_token?: string | { readonly content: string };
}

function nameOf(token: string | { readonly content: string } | undefined): string | undefined {
  return typeof token === "object" ? token?.content : token;
}

async function readJson(file: string): Promise<object> {
  const text = decodeUtf8(await readFileChecked(file), file);
  try {
    return Object(JSON.parse(text)) as object;
  } catch (error) {
    throw new DataError(`${file}: is no JSON (${(error as Error).message}); check that it was written whole`, {
      cause: error,
    });
  }
}

async function loadLibrary(file: string) {
  try {
    return await import("@huggingface/tokenizers");
  } catch (cause) {
    throw new DataError(`${file}: such tokenizers need another package; run: npm install @huggingface/tokenizers`, {
      cause,
    });
  }
}
