import { expect, test } from "vitest";
import { classScores, confusionMatrix, frequentConfusions, meanScore } from "./confusion.ts";
import { PredictionTally } from "./predictions.ts";

const show = (example: number) => ({ text: `text ${example}` });

test("a tally counts pairs and keeps the worst and the most confident mistakes", () => {
  const tally = new PredictionTally(3, 2);
  const scores = [
    [5, 0, 0], // right
    [5, 0, 0], // sure, and wrong: the worst
    [0.1, 0, 0], // a little wrong
    [0, 3, 2.9], // the second most confident is below; its label is likely
    [0, 9, 8.9],
    [4, 3.9, -9], // its label is very unlikely
  ];
  tally.add(scores.slice(0, 3).flat(), [0, 1, 1], [10, 11, 12]);
  tally.add(scores.slice(3).flat(), [2, 2, 2], [13, 14, 15]);
  const result = tally.result("test", ["a", "b", "c"], show);
  expect(result).toMatchObject({ split: "test", examples: 6, labels: ["a", "b", "c"] });
  expect(result.confusion).toEqual([
    [0, 0, 1],
    [1, 0, 2],
    [2, 0, 1],
    [2, 1, 2],
  ]);
  expect(result.worst.map(({ example }) => example)).toEqual([15, 11]);
  const [worst] = result.worst;
  const whole = Math.exp(4) + Math.exp(3.9) + Math.exp(-9);
  expect(worst!.loss).toBeCloseTo(Math.log(whole) + 9, 10);
  expect(worst!.guesses.map(([label]) => label)).toEqual([0, 1, 2]);
  expect(worst!.guesses[0]![1]).toBeCloseTo(Math.exp(4) / whole, 10);
  expect(worst).toMatchObject({ label: 2, text: "text 15" });
  // 11 is the most confident of all, but stands among the worst already.
  expect(result.confident.map(({ example }) => example)).toEqual([14, 13]);
});

test("without a mistake nothing is kept", () => {
  const tally = new PredictionTally(2);
  tally.add([1, 0, 0, 1], [0, 1], [0, 1]);
  expect(tally.result("valid", ["a", "b"], show)).toMatchObject({ worst: [], confident: [], examples: 2 });
});

test("scores that overflow float64's exponential, or differ by more than it, still give losses", () => {
  const tally = new PredictionTally(2);
  tally.add([2000, 0], [1], [0]);
  const [mistake] = tally.result("test", ["a", "b"], show).worst;
  expect(mistake).toMatchObject({
    loss: 2000,
    guesses: [
      [0, 1],
      [1, 0],
    ],
  });
});

const example = {
  labels: ["cat", "dog", "never"],
  confusion: [
    [0, 0, 8],
    [0, 1, 2],
    [1, 0, 4],
    [1, 1, 6],
  ] as const,
};

test("precision, recall and F1 are those of their definitions, and none where there is nothing to divide by", () => {
  const scores = classScores(example);
  expect(scores).toEqual([
    { label: "cat", support: 10, precision: 8 / 12, recall: 0.8, f1: 16 / 22 },
    { label: "dog", support: 10, precision: 6 / 8, recall: 0.6, f1: 12 / 18 },
    { label: "never", support: 0, precision: null, recall: null, f1: null },
  ]);
  expect(meanScore(scores, "recall", () => 1)).toBeCloseTo(0.7, 12);
  expect(meanScore(scores.slice(2), "recall", () => 1)).toBeNull();
  expect(frequentConfusions(example, 5)).toEqual([
    { label: "dog", predicted: "cat", count: 4 },
    { label: "cat", predicted: "dog", count: 2 },
  ]);
});

test("a small matrix is a table of counts and shares", () => {
  const text = String(confusionMatrix(example));
  expect(text).toContain("<table");
  expect(text).toMatch(/style="--share:0\.800">8<small>80\.0\s%<\/small>/);
  expect(text.match(/<td class="none">/g)).toHaveLength(5);
});

test.each([
  [21, 21],
  [100, 100],
  [300, 100],
])("a matrix of %i classes is a picture of %i", (classes, shown) => {
  const labels = Array.from({ length: classes }, (_, k) => `class ${k} <&>`);
  const confusion = labels.flatMap((_, k): [number, number, number][] => [
    [k, k, 5],
    [k, (k + 1) % classes, k < 50 ? 3 : 1],
  ]);
  const text = String(confusionMatrix({ labels, confusion }));
  expect(text.match(/text-anchor="end"/g)).toHaveLength(shown);
  expect(text).toContain("class 0 &lt;&amp;&gt; taken for class 1 &lt;&amp;&gt;: 3, 37.5");
  expect(text.includes(`The 100 of ${classes} classes`)).toBe(classes > 100);
  expect(text.length).toBeLessThan(100_000);
});
