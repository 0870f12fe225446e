import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../gpu/errors.ts";
import { ByteTokenizer, CharacterTokenizer, tokenizerFromJSON, WordTokenizer } from "./tokenizer.ts";

const words = new WordTokenizer();
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom("a", "É", "e\u0301", "'", "\u2019", " ", "1", ".", ",", "語", "か", "\u200d", "❤\ufe0f"),
  }),
);

describe("WordTokenizer", () => {
  it.each([
    ["Don't pay $1,000.50!", ["don't", "pay", "$", "1,000.50", "!"]],
    ["It\u2019s 3.14, isn\u2019t it?", ["it's", "3.14", ",", "isn't", "it", "?"]],
    ["'quoted' rock'n'roll dogs'", ["'", "quoted", "'", "rock'n'roll", "dogs", "'"]],
    ["covid19 mp3 4G 1.5x v2.0", ["covid19", "mp3", "4g", "1.5", "x", "v2", ".", "0"]],
    ["state-of-the-art e.g. a/b", ["state", "-", "of", "-", "the", "-", "art", "e", ".", "g", ".", "a", "/", "b"]],
    ["...wait", [".", ".", ".", "wait"]],
    ["Crème BRÛLÉE naïve", ["crème", "brûlée", "naïve"]],
    ["Привет, мир", ["привет", ",", "мир"]],
    ["हिन्दी में", ["हिन्दी", "में"]],
    ["می\u200cخواهم", ["می\u200cخواهم"]],
    ["東京タワーは高い2024年", ["東", "京", "タ", "ワ", "ー", "は", "高", "い", "2024", "年"]],
    ["한국어 문장", ["한국어", "문장"]],
    ["love❤\ufe0fit 👩\u200d🚀👍🏽🇫🇷🇩🇪", ["love", "❤\ufe0f", "it", "👩\u200d🚀", "👍🏽", "🇫🇷", "🇩🇪"]],
    ["tab\tand\u00a0space\u200b\u0000\ufeff", ["tab", "and", "space"]],
    ["a_b #tag @me", ["a", "_", "b", "#", "tag", "@", "me"]],
    ["", []],
    [" \n ", []],
  ])("cuts %j", (text, tokens) => {
    expect(words.tokenize(text)).toEqual(tokens);
  });

  it("keeps case and leaves out punctuation where told", () => {
    expect(new WordTokenizer({ lowercase: false }).tokenize("Don't, Sir!")).toEqual(["Don't", ",", "Sir", "!"]);
    expect(new WordTokenizer({ punctuation: false }).tokenize("Don't, Sir! ❤")).toEqual(["don't", "sir"]);
  });

  it("gives the same tokens for every spelling of a text in Unicode", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const tokens = words.tokenize(text);
        expect(words.tokenize(text.normalize("NFD"))).toEqual(tokens);
        expect(words.tokenize(words.detokenize(tokens))).toEqual(tokens);
        for (const token of tokens) expect(token).toMatch(/^\S+$/);
      }),
      { numRuns: 2000 },
    );
  });

  it("takes runs of any length without spaces", () => {
    for (const run of ["a", "1,", "'", "語", "\u200d", "❤\u200d", "a'"]) words.tokenize(run.repeat(3_000_000));
    expect(words.tokenize("a".repeat(1500)).map((token) => token.length)).toEqual([999, 501]);
  });
});

describe("CharacterTokenizer", () => {
  it("cuts into code points and joins them again", () => {
    const characters = new CharacterTokenizer();
    expect(characters.tokenize("Ae\u0301 👍")).toEqual(["A", "é", " ", "👍"]);
    expect(new CharacterTokenizer({ lowercase: true }).tokenize("Ab")).toEqual(["a", "b"]);
    fc.assert(
      fc.property(anyText, (text) => {
        expect(characters.detokenize(characters.tokenize(text))).toBe(text.normalize("NFC"));
      }),
    );
  });
});

describe("ByteTokenizer", () => {
  it("cuts into bytes and joins them again, specials left out", () => {
    const bytes = new ByteTokenizer();
    expect(bytes.tokenize("aé")).toEqual(["<0x61>", "<0xc3>", "<0xa9>"]);
    expect(bytes.detokenize(["<pad>", "<0x61>", "<0xc3>"])).toBe("a\ufffd");
    expect(bytes.detokenize(bytes.tokenize("\ufeffa"))).toBe("\ufeffa");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(bytes.detokenize(bytes.tokenize(text))).toBe(text);
      }),
    );
  });
});

describe("tokenizerFromJSON", () => {
  it.each([
    new WordTokenizer({ lowercase: false }),
    new WordTokenizer({ punctuation: false }),
    new CharacterTokenizer({ lowercase: true }),
    new ByteTokenizer(),
  ])("restores %j", (tokenizer) => {
    const restored = tokenizerFromJSON(JSON.parse(JSON.stringify(tokenizer)));
    expect(restored).toEqual(tokenizer);
    expect(restored.tokenize("Ab, c")).toEqual(tokenizer.tokenize("Ab, c"));
  });

  it.each([
    [{ type: "wrod" }, 'config.json: the tokenizer\'s type is "wrod"; did you mean "word"?'],
    [{ type: "toString" }, 'config.json: the tokenizer\'s type is "toString"; known: word, character, byte'],
    [null, "config.json: the tokenizer's type is missing; known: word, character, byte"],
    [
      { type: "word", lowerCase: true },
      'config.json: WordTokenizer: unknown option "lowerCase"; did you mean "lowercase"?',
    ],
    [{ type: "word", lowercase: 1 }, "config.json: WordTokenizer: lowercase is 1, expected true or false"],
    [{ type: "byte", lowercase: true }, 'config.json: ByteTokenizer: unknown option "lowercase"'],
  ])("refuses %j", (json, message) => {
    expect(() => tokenizerFromJSON(json, "config.json")).toThrow(message);
    expect(() => tokenizerFromJSON(json, "config.json")).toThrow(DataError);
  });
});
