import { expect, test } from "vitest";
import { Embedding } from "../nn/index.ts";
import { pretrainedVectors, type VectorOptions } from "./vectors.ts";
import { Vocab } from "./vocab.ts";

const vocab = Vocab.build([["the", "the", "cat", "cat", "sat", "New York"]], {}); // <pad> <unk> cat the New York sat
const GLOVE = "the 1 2 -3e-1\nof 9 9 9\ncat 3 4 .5\nthe 7 7 7\nNew York 0 1 1\n";

function read(text: string | string[], options: VectorOptions = {}, words = vocab) {
  const chunks = [text].flat().map((chunk) => new TextEncoder().encode(chunk));
  return pretrainedVectors(words, chunks, options);
}

const rows = async (text: string | string[], options?: VectorOptions) =>
  ((await (await read(text, options)).weight.toArray()) as number[][]).map((row) =>
    row.map((x) => Number(x.toFixed(4))),
  );

test("takes the vectors of the vocabulary's tokens, in its order", async () => {
  const { weight, coverage } = await read(GLOVE, { missing: "zeros" });
  expect(weight.shape).toEqual([6, 3]);
  expect(await rows(GLOVE, { missing: "zeros" })).toEqual([
    [0, 0, 0],
    [0, 0, 0],
    [3, 4, 0.5],
    [1, 2, -0.3],
    [0, 1, 1],
    [0, 0, 0],
  ]);
  expect(coverage).toEqual({ found: 3, tokens: 5, missing: ["<unk>", "sat"], inFile: 5 });
});

test("from files with a header, other line ends, spaces at the ends of lines, in whatever pieces", async () => {
  const expected = await rows(GLOVE);
  const word2vec = `\ufeff5 3\n${GLOVE.replaceAll("\n", " \r\n")}`;
  expect(await rows(word2vec)).toEqual(expected);
  for (const size of [1, 2, 7, 30]) {
    expect(await rows(word2vec.match(new RegExp(`[^]{1,${size}}`, "gu"))!)).toEqual(expected);
  }
  expect(await rows(GLOVE.trimEnd())).toEqual(expected);
});

test("what has none is drawn like the vectors found, or given by a function; the padding is 0", async () => {
  const words = Vocab.build([[..."abcdefghij"].flatMap((a) => [..."0123456789"].map((b) => a + b))]);
  const file = Array.from(words.tokens.slice(2, 50), (token, i) => `${token} ${i % 2 ? 1 : 3} 5`).join("\n");
  const { weight } = await read(`${file}\n<pad> 8 8`, { seed: 3 }, words);
  const table = (await weight.toArray()) as number[][];
  expect(table[0]).toEqual([0, 0]);
  const drawn = table.slice(50).map(([x]) => x!);
  const mean = drawn.reduce((a, b) => a + b) / drawn.length;
  expect(Math.abs(mean - 2)).toBeLessThan(0.6);
  expect(new Set(drawn).size).toBe(drawn.length);
  expect(table.slice(50).every(([, y]) => y === 5)).toBe(true);
  expect(await (await read(`${file}\n`, { seed: 3 }, words)).weight.toArray()).toEqual(table);

  const seen: string[] = [];
  const given = await rows(GLOVE, {
    padding: null,
    missing: (token, { mean, std }) => {
      seen.push(token);
      return [mean[0]!, std[1]!, 7];
    },
  });
  expect(seen).toEqual(["<pad>", "<unk>", "sat"]);
  expect(given[0]).toEqual([1.3333, 1.2472, 7]);
});

test("becomes an Embedding's weight", async () => {
  const { weight } = await read(GLOVE);
  const embedding = Embedding.fromPretrained(weight, { freeze: false, paddingIndex: 0 });
  expect([embedding.weight.shape, embedding.weight.requiresGrad]).toEqual([[6, 3], true]);
  expect(Embedding.fromPretrained(weight).weight.requiresGrad).toBe(false);
});

test("errors", async () => {
  const file = "glove.txt";
  await expect(read("the 1 2\ncat 1\n", { file })).rejects.toThrow(
    'glove.txt, line 2: the vector of "cat" has 1 numbers, expected 2 as in the first line',
  );
  await expect(read("the 1 2\ncat 1 x\n", { file })).rejects.toThrow(
    'line 2: "x" is no number, in the vector of "cat"',
  );
  await expect(read("of 1 2\n", { file })).rejects.toThrow(
    'glove.txt: none of its 1 vectors is of one of the 5 tokens, such as "the", "New York", "sat"; check',
  );
  await expect(read("the\t1\n", { file }, Vocab.build([["the\t1"]]))).rejects.toThrow("none of its 1 vectors");
  await expect(read(GLOVE, { missing: () => [1] })).rejects.toThrow('missing gave 1 numbers for "<unk>", expected 3');
  await expect(read(GLOVE, { missing: "zero" as "zeros" })).rejects.toThrow('missing is "zero", expected normal');
  await expect(read(GLOVE, { mising: "zeros" } as object)).rejects.toThrow('did you mean "missing"?');
});
