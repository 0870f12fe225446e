import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findDuplicates, findNearDuplicates, type NormalizeOptions, normalizeText } from "./clean.ts";
import { Random } from "./random.ts";

describe("normalizeText", () => {
  test.each<[text: string, options: NormalizeOptions, expected: string]>([
    ["  a\u00a0\t b\r\n\r\nc ", {}, "a b c"],
    [" a  b ", { whitespace: false }, " a  b "],
    ["e\u0301 \ufb01", {}, "\u00e9 \ufb01"],
    ["e\u0301 \ufb01 \uff21\u2460", { form: "NFKC" }, "\u00e9 fi A1"],
    ["ÀÉ Straße", { lowercase: true }, "àé straße"],
    ["Ångström, naïve", { stripAccents: true }, "Angstrom, naive"],
    ["“It’s” – well…", { plainPunctuation: true }, '"It\'s" - well...'],
    ["zero\u200bwidth so\u00adft \u0000\u0007bell \ufeff", {}, "zerowidth soft bell"],
    ["👩‍👩‍👧 نمی‌خواهم", {}, "👩‍👩‍👧 نمی‌خواهم"],
    ["<p>One<br/>two <b>th</b>ree</p><!-- no -->four", { html: true }, "One two three four"],
    ["<script>x < 1</script>a<style>b{}</style>", { html: true }, "a"],
    [
      "a &amp;&lt;b&gt; &#39;c&#x27; &eacute;&nbsp;&mdash; &unknown; &amp;amp;",
      { html: true },
      "a &<b> 'c' é — &unknown; &amp;",
    ],
    ["a<!-- b <script>c</SCRIPT >d -->e<script>f", { html: true }, "a e f"],
    ["&#0; &#x110000; &#xd800;", { html: true }, "&#0; &#x110000; &#xd800;"],
    ["1 < 2 and 3 > 2", { html: true }, "1 < 2 and 3 > 2"],
    ["see (https://a.b/c?d=e), www.x.org. ok", { urls: "<url>" }, "see (<url>), <url>. ok"],
    ["mail a.b+c@d-e.org, not @me", { emails: "$&" }, "mail $&, not @me"],
  ])("%j %j", (text, options, expected) => {
    expect(normalizeText(text, options)).toBe(expected);
  });

  test("once is enough", () => {
    const options = fc.record({
      form: fc.constantFrom("NFC" as const, "NFKC" as const, "NFD" as const, "NFKD" as const),
      stripAccents: fc.boolean(),
      plainPunctuation: fc.boolean(),
      lowercase: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), options, (text, settings) => {
        const once = normalizeText(text, settings);
        return normalizeText(once, settings) === once;
      }),
    );
  });

  test("takes no longer for long texts", () => {
    for (const piece of ["<a", "&#", "<!--", "www.", "a@", "a.", "<script>"]) {
      const start = performance.now();
      normalizeText(piece.repeat(20_000), { html: true, urls: "", emails: "" });
      expect(performance.now() - start, piece).toBeLessThan(2000);
    }
  });

  test("errors", () => {
    expect(() => normalizeText("", { form: "NFX" as "NFC" })).toThrow('form is "NFX", expected NFC');
    expect(() => normalizeText("", { lowerCase: true } as object)).toThrow('did you mean "lowercase"?');
  });
});

describe("duplicates", () => {
  test("are equal after normalisation", () => {
    const { kept, groups } = findDuplicates(["A  b", "c", "a b", "Ａ b", "d", "C "]);
    expect([...kept]).toEqual([0, 1, 4]);
    expect(groups.map((group) => [...group])).toEqual([[0, 2, 3], [1, 5]]); // biome-ignore format: groups
    expect([...findDuplicates(["a", "A"], (text) => text).kept]).toEqual([0, 1]);
  });

  test("near ones share most of their words' runs", () => {
    const random = new Random(3);
    const story = (count: number) => Array.from({ length: count }, () => `word${random.integer(500)}`);
    const texts: string[] = [];
    const origin: number[] = [];
    for (let i = 0; i < 60; i++) {
      const words = story(60);
      texts.push(words.join(" "));
      origin.push(i);
      if (i % 3 > 0) continue;
      const changed = [...words];
      changed[random.integer(60)] = "other"; // at most 3 of 58 shingles differ on each side: Jaccard 0.9
      texts.push(`${changed.join(" ")}!`);
      origin.push(i);
    }
    const { kept, groups } = findNearDuplicates(texts);
    expect(kept).toHaveLength(60);
    expect(groups).toHaveLength(20);
    for (const group of groups) expect(new Set(Array.from(group, (i) => origin[i]))).toHaveProperty("size", 1);
    expect(findNearDuplicates(texts, { threshold: 1 }).groups).toHaveLength(0);
  });

  test("equal texts are near ones at any threshold, texts without words only if equal", () => {
    const threshold = fc.double({ min: 0.05, max: 1, noNaN: true });
    const words = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(words, { maxLength: 8 }), threshold, (lists, least) => {
        const texts = lists.map((list) => list.join(" "));
        const { kept } = findNearDuplicates([...texts, ...texts], { threshold: least });
        return kept.every((i) => i < texts.length);
      }),
      { numRuns: 50 },
    );
    expect([...findNearDuplicates(["!", "?", "!", ""], { threshold: 1 }).kept]).toEqual([0, 1, 3]);
  });

  test("errors", () => {
    expect(() => findNearDuplicates([], { threshold: 0 })).toThrow("threshold is 0, expected above 0 and up to 1");
    expect(() => findNearDuplicates([], { shingle: 0 })).toThrow("shingle is 0, expected a whole number from 1");
  });
});
