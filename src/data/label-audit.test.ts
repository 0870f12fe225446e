import { expect, test } from "vitest";
import { auditLabels, findLabelIssues } from "./label-audit.ts";
import { Random } from "./random.ts";

test("counts classes, and finds equal texts with different labels", () => {
  const audit = auditLabels(["Good", "bad", "good ", "fine", "BAD", "bad"], ["+", "-", "-", "+", "-", "-"]);
  expect(audit.classes).toEqual([
    { label: "-", count: 4, share: 4 / 6 },
    { label: "+", count: 2, share: 2 / 6 },
  ]);
  expect(audit.imbalance).toBe(2);
  expect(audit.repeated).toBe(3);
  expect(audit.conflicts).toEqual([{ text: "Good", indices: Int32Array.of(0, 2), labels: ["+", "-"] }]);
  expect(() => auditLabels(["a"], [])).toThrow("there are 0 labels, expected one for each of 1 texts");
});

test("finds the labels that were changed", () => {
  const random = new Random(4);
  const classes = 4;
  const truth = Int32Array.from({ length: 600 }, () => random.integer(classes));
  const changed = new Set(random.permutation(600).slice(0, 40));
  const labels = truth.map((label, i) =>
    changed.has(i) ? (label + 1 + random.integer(classes - 1)) % classes : label,
  );
  // A model that is right most of the time, surer of some classes than of others.
  const probabilities = Array.from(truth, (label) => {
    const scores = Array.from({ length: classes }, (_, k) =>
      Math.exp((k === label ? 1.5 + k / 2 : 0) + random.normal() * 0.5),
    );
    const total = scores.reduce((a, b) => a + b);
    return scores.map((score) => score / total);
  });
  const issues = findLabelIssues(labels, probabilities);
  const right = issues.filter(({ index, suggested }) => changed.has(index) && suggested === truth[index]).length;
  expect(right).toBeGreaterThan(18); // of 40: about half of a class's examples have less than its mean probability
  expect(right / issues.length).toBeGreaterThan(0.9);
  expect(issues.map(({ margin }) => margin)).toEqual(issues.map(({ margin }) => margin).sort((a, b) => b - a));
});

test("a class that a model is less sure of needs less to be suggested", () => {
  const labels = [0, 0, 1, 1, 0, 1];
  const rows = [[0.99, 0.01], [0.97, 0.03], [0.4, 0.6], [0.5, 0.5], [0.45, 0.55], [0.6, 0.4]]; // biome-ignore format: a table
  expect(findLabelIssues(labels, rows)).toEqual([{ index: 4, label: 0, suggested: 1, margin: expect.closeTo(0.1, 9) }]);
});

test("errors", () => {
  expect(findLabelIssues([], [])).toEqual([]);
  expect(() => findLabelIssues([0], [])).toThrow(
    "there are 0 rows of probabilities, expected one for each of 1 labels",
  );
  expect(() => findLabelIssues([0, 1], [[1, 0], [1]])).toThrow("row 1 has 1 probabilities, expected 2, one per class");
  expect(() => findLabelIssues([2], [[1, 0]])).toThrow("label 0 is 2, expected 0 to 1");
});
