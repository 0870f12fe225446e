import { expect, test } from "vitest";
import { curvesOf, metricsOf, smooth } from "./curves.js";
import {
  formatCount,
  formatDuration,
  formatMetric,
  formatNumber,
  formatPercent,
  formatTick,
  titleOf,
} from "./format.js";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

test.each([
  [0, "0"],
  [0.000012345, "1.23e-5"],
  [0.0001234, "0.0001234"],
  [12.3456, "12.35"],
  [1234.5, "1,235"],
  [1234, "1,234"],
  [12_345_678, "1.23e7"],
  [Number.NaN, "–"],
  [null, "–"],
  [undefined, "–"],
])("the number %s is %s", (value, text) => expect(formatNumber(value)).toBe(text));

test.each([
  [0.84, "0.8 s"],
  [9.96, "10 s"],
  [59.6, "1 min 00 s"],
  [185, "3 min 05 s"],
  [3599.7, "1 h 00 min"],
  [7805, "2 h 10 min"],
  [Number.POSITIVE_INFINITY, "–"],
])("%s seconds are %s", (seconds, text) => expect(plain(formatDuration(seconds))).toBe(text));

test("metrics are written as their names ask for", () => {
  expect(plain(formatMetric("valid.accuracy", 0.8125))).toBe("81.3 %");
  expect(plain(formatMetric("topFive", 1))).toBe("100.0 %");
  expect(formatMetric("train.loss", 0.5)).toBe("0.5000");
  expect(formatMetric("loss", 0.00001)).toBe("1.00e-5");
  expect(formatMetric("perplexity", 12)).toBe("12");
  expect(formatMetric("loss", null)).toBe("–");
  expect(plain(formatTick("accuracy", 0.35))).toBe("35 %");
  expect(formatTick("loss", 0.5)).toBe("0.5");
  expect(formatCount(1234567)).toBe("1,234,567");
  expect(formatPercent(Number.NaN)).toBe("–");
  expect(["learningRate", "f1", "mean_error", "loss"].map(titleOf)).toEqual([
    "Learning rate",
    "F1",
    "Mean error",
    "Loss",
  ]);
});

const points = [
  { step: 5, kind: "step" as const, epoch: 0, values: { loss: 3, learningRate: 0.1, perplexity: 9 } },
  {
    step: 10,
    kind: "epoch" as const,
    epoch: 0,
    values: { "train.loss": 2, "valid.loss": 2.5, learningRate: 0.1, seconds: 4 },
  },
  { step: 15, kind: "step" as const, epoch: 1, values: { loss: 1, learningRate: 0.05 } },
  { step: 20, kind: "epoch" as const, epoch: 1, values: { "train.loss": 1, "valid.accuracy": 0.5 } },
];

test("metrics stand in their order: the loss first, the learning rate behind", () => {
  expect(metricsOf(points)).toEqual(["loss", "accuracy", "perplexity", "learningRate"]);
  expect(metricsOf([])).toEqual([]);
});

test("curves lie along the steps, or the epochs that these are", () => {
  expect(curvesOf(points, "loss", "step", null)).toEqual({
    steps: { x: [5, 15], y: [3, 1] },
    train: { x: [10, 20], y: [2, 1] },
    valid: { x: [10], y: [2.5] },
  });
  expect(curvesOf(points, "learningRate", "epoch", null).steps).toEqual({ x: [0.5, 1, 1.5], y: [0.1, 0.1, 0.05] });
  const twice = [...points.slice(0, 1), { ...points[1]!, step: 5 }];
  expect(curvesOf(twice, "learningRate", "step", null).steps).toEqual({ x: [5], y: [0.1] });
  expect(curvesOf(points, "loss", "epoch", 20).steps.x).toEqual([0.25, 0.75]);
  expect(curvesOf(points.slice(0, 1), "loss", "epoch", null).steps.x).toEqual([0]);
});

test("smoothing begins where the curve does and follows it", () => {
  const flat = { x: [1, 2, 3], y: [4, 4, 4] };
  for (const [i, value] of smooth(flat, 0.9).y.entries()) expect(value).toBeCloseTo(flat.y[i]!, 12);
  expect(smooth({ x: [1, 2], y: [0, 1] }, 0.5).y).toEqual([0, 0.5 / 0.75]);
  expect(smooth({ x: [1, 2], y: [0, 1] }, 0).y).toEqual([0, 1]);
});
