import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { TextField } from "./fields.ts";
import { HuggingFaceTokenizer, readTokenizer } from "./hugging-face-node.ts";
import { TabularDataset } from "./table.ts";

const folder = mkdtempSync(join(tmpdir(), "tilegrad-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ids = (...tokens: string[]) => Object.fromEntries(tokens.map((token, id) => [token, id]));
const special = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

// As BERT's: WordPiece, lower case, [CLS] and [SEP] around.
const WORDPIECE = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
    ],
    pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
    },
  },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: ids("[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "##ed", "the", "game", "!", "un"),
  },
};
const CONFIG = { pad_token: "[PAD]", unk_token: { content: "[UNK]" }, tokenizer_class: "BertTokenizer" };

// As GPT-2's: pairs of bytes, merged.
const BYTE_PAIRS = {
  version: "1.0",
  added_tokens: [special(9, "<|end|>")],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: "BPE",
    unk_token: null,
    continuing_subword_prefix: "",
    end_of_word_suffix: "",
    fuse_unk: false,
    vocab: ids("l", "o", "w", "e", "r", "Ġ", "lo", "low", "er"),
    merges: ["l o", "lo w", "e r"],
  },
};

test("cuts texts as the file says, with the file's ids", async () => {
  const tokenizer = await HuggingFaceTokenizer.create(WORDPIECE, CONFIG);
  expect(tokenizer.tokenize("Playing the GAME!")).toEqual(["[CLS]", "play", "##ing", "the", "game", "!", "[SEP]"]);
  expect([...tokenizer.vocab.encode(tokenizer.tokenize("unplayed"))]).toEqual([2, 1, 3]);
  expect([...tokenizer.vocab.encode(tokenizer.tokenize("the zebra"))]).toEqual([2, 7, 1, 3]);
  expect([tokenizer.vocab.size, tokenizer.padId]).toEqual([11, 0]);
  expect(tokenizer.detokenize(tokenizer.tokenize("playing the game"))).toBe("playing the game");
  const bare = await HuggingFaceTokenizer.create(WORDPIECE, CONFIG, { specialTokens: false });
  expect(bare.tokenize("played")).toEqual(["play", "##ed"]);
});

test("byte pairs come back as the text they were", async () => {
  const tokenizer = await HuggingFaceTokenizer.create(BYTE_PAIRS);
  expect(tokenizer.tokenize("lower low")).toEqual(["low", "er", "Ġ", "low"]);
  expect([...tokenizer.vocab.encode(tokenizer.tokenize("low<|end|>"))]).toEqual([7, 9]);
  expect([tokenizer.vocab.unknown, tokenizer.padId]).toEqual([null, null]);
  const word = fc.string({ unit: fc.constantFrom(..."lower "), maxLength: 20 });
  fc.assert(fc.property(word, (text) => tokenizer.detokenize(tokenizer.tokenize(text)) === text));
});

test("fits a field, and is restored from its JSON", async () => {
  const file = join(folder, "tokenizer.json");
  writeFileSync(file, JSON.stringify(WORDPIECE));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(CONFIG));
  const tokenizer = await readTokenizer(file);
  expect(tokenizer.padId).toBe(0);
  const field = new TextField({ tokenizer, vocab: tokenizer.vocab, padValue: tokenizer.padId! });
  const table = TabularDataset.parse(new TextEncoder().encode("text\nplayed the game\nun\n"), [field]);
  expect(table.get(0)).toEqual([Int32Array.of(2, 4, 6, 7, 8, 3)]);
  const again = await HuggingFaceTokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer)));
  expect(again.tokenize("unplayed!")).toEqual(tokenizer.tokenize("unplayed!"));
});

test("errors", async () => {
  const file = join(folder, "wrong.json");
  writeFileSync(file, '{"model":');
  await expect(readTokenizer(file)).rejects.toThrow("wrong.json: is no JSON");
  writeFileSync(file, '{"model": {"type": "WordPeace"}}');
  await expect(readTokenizer(file)).rejects.toThrow("wrong.json: cannot be used as a tokenizer");
  await expect(readTokenizer(join(folder, "no.json"))).rejects.toThrow("no.json: does not exist");
  await expect(HuggingFaceTokenizer.create({}, {}, { special: true } as object)).rejects.toThrow(
    'unknown option "special"',
  );
});
