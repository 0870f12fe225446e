import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../gpu/errors.ts";
import { Vocab } from "./vocab.ts";

const lists = [
  ["the", "cat", "sat", "the"],
  ["b", "a", "\u{1f600}", "\uff5e", "cat", "the"],
];

describe("Vocab.build", () => {
  it("numbers specials, then tokens by falling frequency, ties by code point", () => {
    const vocab = Vocab.build(lists);
    expect(vocab.tokens).toEqual(["<pad>", "<unk>", "the", "cat", "a", "b", "sat", "\uff5e", "\u{1f600}"]);
    expect(vocab.size).toBe(9);
    expect(vocab.get("<pad>")).toBe(0);
    expect(vocab.unknown).toBe("<unk>");
  });

  it("counts the specials in maxSize, and keeps frequent tokens only", () => {
    expect(Vocab.build(lists, { maxSize: 4 }).tokens).toEqual(["<pad>", "<unk>", "the", "cat"]);
    expect(Vocab.build(lists, { minFrequency: 3 }).tokens).toEqual(["<pad>", "<unk>", "the"]);
    expect(Vocab.build(lists, { minFrequency: 9 }).tokens).toEqual(["<pad>", "<unk>"]);
  });

  it("takes other specials, and never a token twice", () => {
    const vocab = Vocab.build([["<s>", "a", "<s>"]], { specials: ["<s>", "?"], unknown: "?" });
    expect(vocab.tokens).toEqual(["<s>", "?", "a"]);
    expect([...vocab.encode(["<s>", "z"])]).toEqual([0, 1]);
  });

  it("counts tokens named like members of objects", () => {
    const vocab = Vocab.build([["__proto__", "constructor", "__proto__"]]);
    expect(vocab.decode(vocab.encode(["__proto__", "constructor", "toString"]))).toEqual([
      "__proto__",
      "constructor",
      "<unk>",
    ]);
  });

  it("does not depend on the order of the texts", () => {
    const texts = fc.array(fc.array(fc.constantFrom("a", "b", "c", "\u{1f600}", "\uff5e")));
    fc.assert(
      fc.property(texts, (tokens) => {
        expect(Vocab.build(tokens.toReversed()).tokens).toEqual(Vocab.build(tokens).tokens);
      }),
    );
  });

  it("refuses options that cannot be", () => {
    expect(() => Vocab.build(lists, { maxsize: 4 } as never)).toThrow(
      'unknown option "maxsize"; did you mean "maxSize"?',
    );
    expect(() => Vocab.build(lists, { maxSize: 2 })).toThrow("maxSize is 2, expected more than the 2 specials");
    expect(() => Vocab.build(lists, { maxSize: Number.NaN })).toThrow("maxSize is NaN");
    expect(() => Vocab.build(lists, { minFrequency: 0 })).toThrow("minFrequency is 0, expected at least 1");
    expect(() => Vocab.build(lists, { specials: ["a", "a"] })).toThrow('specials are "a", "a", expected each once');
    expect(() => Vocab.build(lists, { unknown: "?" })).toThrow('unknown is "?", expected one of the specials or null');
  });
});

describe("Vocab", () => {
  const vocab = Vocab.build(lists, { maxSize: 4 });

  it("encodes and decodes, unknown tokens as <unk>", () => {
    expect(vocab.encode(["cat", "dog", "the"])).toEqual(Int32Array.of(3, 1, 2));
    expect(vocab.encode([])).toEqual(new Int32Array(0));
    expect(vocab.decode([3, 1, 2, 0])).toEqual(["cat", "<unk>", "the", "<pad>"]);
    expect(vocab.decode(Int32Array.of(2, 3, 1, 0), { skipSpecials: true })).toEqual(["the", "cat"]);
    expect([vocab.has("cat"), vocab.has("dog")]).toEqual([true, false]);
  });

  it("refuses unknown tokens where nothing stands for them, and numbers out of range", () => {
    const strict = Vocab.build(lists, { unknown: null });
    expect(() => strict.encode(["dog"])).toThrow('Vocab.get: "dog" is not among the 9 tokens');
    expect(() => Vocab.build(lists, { specials: [] }).get("dog")).toThrow(/there is no token for unknown ones/);
    expect(() => vocab.decode([4])).toThrow("Vocab.decode: id is 4, expected 0 to 3");
    expect(() => vocab.decode([-1])).toThrow("Vocab.decode: id is -1");
    expect(() => vocab.decode([0.5])).toThrow("Vocab.decode: id is 0.5");
  });

  it("goes through JSON", () => {
    for (const original of [vocab, Vocab.build([], { specials: [] }), Vocab.build(lists, { unknown: null })]) {
      const restored = Vocab.fromJSON(JSON.parse(JSON.stringify(original)));
      expect(restored).toEqual(original);
      expect(restored.decode([...restored.tokens.keys()])).toEqual(original.tokens);
    }
    expect(Vocab.fromJSON(JSON.parse(JSON.stringify(vocab))).get("dog")).toBe(1);
  });

  it.each([
    [null, "vocab.json: tokens is not a list of strings; write the vocabulary anew with toJSON"],
    [{ tokens: ["a", 1], specials: 0, unknown: null }, "tokens is not a list of strings"],
    [{ tokens: ["a", "b", "a"], specials: 0, unknown: null }, 'token "a" occurs twice'],
    [{ tokens: ["a"], specials: 2, unknown: null }, "specials is 2, expected 0 to 1"],
    [{ tokens: ["a"], specials: 1 }, "unknown is undefined, expected one of the tokens or null"],
    [{ tokens: ["a"], specials: 1, unknown: "b" }, 'unknown is "b", expected one of the tokens or null'],
  ])("refuses %j as JSON", (json, message) => {
    expect(() => Vocab.fromJSON(json, "vocab.json")).toThrow(message);
    expect(() => Vocab.fromJSON(json, "vocab.json")).toThrow(DataError);
  });
});
