import { expect, test } from "vitest";
import { type Point, RunLog, readLog, thin } from "./run-log.ts";

const line = (entry: object) => `${JSON.stringify(entry)}\n`;

test("steps and epochs are points, with the parts of the data in the names", () => {
  const text =
    line({
      event: "step",
      epoch: 0,
      step: 10,
      examples: 320,
      learningRate: 0.1,
      gradientNorm: 2,
      loss: 1.5,
      accuracy: 0.5,
    }) +
    line({
      event: "epoch",
      epoch: 0,
      step: 12,
      steps: 12,
      seconds: 3,
      train: { loss: 1.4 },
      valid: { loss: 1.2, f1: 0.4 },
      best: true,
    });
  expect(readLog(text)).toEqual([
    { step: 10, kind: "step", epoch: 0, values: { learningRate: 0.1, gradientNorm: 2, loss: 1.5, accuracy: 0.5 } },
    {
      step: 12,
      kind: "epoch",
      epoch: 0,
      values: { seconds: 3, "train.loss": 1.4, "valid.loss": 1.2, "valid.f1": 0.4 },
      best: true,
    },
  ]);
});

test("logs that do not say where an epoch ends count its steps, also after a resumption within one", () => {
  const text = [
    { event: "epoch", epoch: 0, steps: 70, train: { loss: 1 }, valid: null },
    { event: "step", epoch: 1, step: 100, loss: 1 },
    { event: "step", epoch: 1, step: 140, loss: 1 },
    { event: "epoch", epoch: 1, steps: 40, train: { loss: 1 }, valid: null },
    { event: "epoch", epoch: 2, steps: 70, train: { loss: 1 }, valid: null },
  ];
  expect(readLog(text.map(line).join("")).map(({ step }) => step)).toEqual([70, 100, 140, 140, 210]);
});

test.each([
  ["an empty line", ""],
  ["a line that was cut", '{"event":"step","epoch":0,"st'],
  ["no object", "[1, 2]"],
  ["null", "null"],
  ["another event", '{"event":"note","epoch":0,"step":1}'],
  ["a step without a number", '{"event":"step","epoch":0,"step":"ten"}'],
  ["an epoch without a number", '{"event":"epoch","train":{"loss":1}}'],
])("%s is no point", (_, text) => expect(new RunLog().read(text)).toBeNull());

test("what is no finite number is not there", () => {
  const point = new RunLog().read(
    '{"event":"step","epoch":0,"step":1,"loss":null,"accuracy":1e999,"note":"x","f1":0.5}',
  );
  expect(point?.values).toEqual({ f1: 0.5 });
});

test("thinning keeps peaks, epochs and the end", () => {
  const points: Point[] = Array.from({ length: 10_000 }, (_, i) => ({
    step: i,
    kind: i === 5003 ? "epoch" : "step",
    epoch: 0,
    values: { loss: Math.sin(i / 300), gradientNorm: i === 7777 ? 99 : i === 123 ? -99 : 1 },
  }));
  const kept = thin(points, 500);
  expect(kept.length).toBeLessThan(520);
  expect(kept.length).toBeGreaterThan(100);
  const steps = kept.map(({ step }) => step);
  expect(steps).toEqual([...steps].sort((a, b) => a - b));
  for (const step of [7777, 123, 5003, 9999]) expect(steps).toContain(step);
  expect(thin(points.slice(0, 400), 500)).toHaveLength(400);
});
