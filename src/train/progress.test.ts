import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EpochReport, StepReport } from "./callbacks.ts";
import { percent, showProgress, terminalProgress } from "./progress.ts";

/** What is printed, as lines; of a bar, what it drew last. */
function output(isTTY: boolean) {
  let text = "";
  const stream = {
    isTTY,
    columns: 200,
    write: (part: string) => {
      text += part;
      return true;
    },
    cursorTo() {},
    moveCursor() {},
    clearLine() {},
    on() {},
    off() {},
    removeListener() {},
  };
  return { stream, text: () => text };
}

const step = (values: object): StepReport =>
  ({
    epoch: 1,
    step: 50,
    examples: 400,
    examplesPerSecond: 1234.4,
    learningRate: 0.01,
    gradientNorm: 2,
    loss: 0.51239,
    ...values,
  }) as StepReport;

const epoch = (train: object, valid: object | null, best = false): EpochReport =>
  ({
    epoch: 0,
    steps: 5,
    step: 5,
    seconds: 2.34,
    learningRate: 0.1,
    gradientNorm: 1,
    train,
    valid,
    best,
  }) as EpochReport;

const { NO_COLOR } = process.env;
beforeEach(() => delete process.env.NO_COLOR);
afterEach(() => {
  delete process.env.NO_COLOR;
  if (NO_COLOR !== undefined) process.env.NO_COLOR = NO_COLOR;
});

describe("where the output is piped", () => {
  test("a line comes every fifty steps, with whatever was measured", () => {
    const { stream, text } = output(false);
    const progress = terminalProgress(3, stream);
    progress.startEpoch(1, 800);
    progress.step(step({ step: 40, accuracy: 0.5 }));
    progress.step(step({ accuracy: 0.8125, mae: 12345.678 }));
    expect(text()).toBe("epoch 2/3  step 50  loss 0.5124  accuracy 81.3 %  mae 12346  1234 examples/s\n");
  });

  test("a table has a row per epoch, its head once, and no colours", () => {
    const { stream, text } = output(false);
    const progress = terminalProgress(3, stream);
    progress.epoch(epoch({ loss: 0.5, accuracy: 0.75 }, { loss: 0.25, accuracy: 1 }, true));
    progress.epoch({ ...epoch({ loss: 0.4, accuracy: 0.5 }, { loss: 0.5, accuracy: 0.5 }), epoch: 1 });
    expect(text().split("\n")).toEqual([
      "  epoch  train loss    accuracy  valid loss    accuracy   seconds",
      "    1/3      0.5000      75.0 %      0.2500     100.0 %       2.3  best",
      "    2/3      0.4000      50.0 %      0.5000      50.0 %       2.3",
      "",
    ]);
  });

  test("columns are as wide as the names of metrics, and there are none for what is not measured", () => {
    const { stream, text } = output(false);
    terminalProgress(1, stream).epoch(epoch({ loss: 1, meanAbsoluteError: 0.5 }, null));
    expect(text().split("\n").slice(0, 2)).toEqual([
      "  epoch  train loss  meanAbsoluteError   seconds",
      "    1/1      1.0000             0.5000       2.3",
    ]);
  });
});

describe("on a terminal", () => {
  test("a bar has the loss, the metrics, the rate and the time that is left; it goes when the epoch ends", () => {
    const { stream, text } = output(true);
    const progress = terminalProgress(2, stream);
    progress.startEpoch(0, 800);
    progress.step(step({ epoch: 0, f1: 0.5 }));
    progress.stop();
    expect(text()).toMatch(/epoch 1\/2.*━━.*400\/800 {2}loss 0\.5124 {2}f1 50\.0 % {2}1234 examples\/s .* left/s);
  });

  test("colours are left out where NO_COLOR asks for it", () => {
    for (const value of [undefined, "1"]) {
      if (value) process.env.NO_COLOR = value;
      const { stream, text } = output(true);
      terminalProgress(1, stream).epoch(epoch({ loss: 1 }, { loss: 1 }, true));
      expect(text().includes("\u001b[32m")).toBe(value === undefined);
      expect(text()).toContain("best");
    }
  });
});

test("as a callback it is told of every epoch and step, and stopped at the end", async () => {
  const heard: string[] = [];
  const callback = showProgress(
    {
      startEpoch: (epoch, examples) => heard.push(`start ${epoch} of ${examples}`),
      step: ({ step }) => heard.push(`step ${step}`),
      epoch: ({ epoch }) => heard.push(`epoch ${epoch}`),
      stop: () => heard.push("stop"),
    },
    70,
  );
  await callback.onEpochStart!(0);
  await callback.onStep!(step({}));
  await callback.onEpoch!(epoch({ loss: 1 }, null));
  await callback.onEnd!({ reports: [], error: null });
  expect(heard).toEqual(["start 0 of 70", "step 50", "epoch 0", "stop"]);
});

test("percent", () => expect([percent(0.8125), percent(1)]).toEqual(["81.3 %", "100.0 %"]));
