import { describe, expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { Dropout, Linear, ReLU, Sequential } from "../nn/index.ts";
import { Adam } from "../optim/adam.ts";
import { ExponentialMovingAverage } from "../optim/moving-average.ts";
import { StepLR } from "../optim/schedules.ts";
import { memory } from "../tensor/device.ts";
import {
  type Batch,
  type Classifier,
  evaluate,
  type FitOptions,
  InterruptedError,
  Trainer,
  type TrainerOptions,
  type TrainerState,
} from "./trainer.ts";

const CLASSES = 3;

/** Points of which the largest coordinate is the label; a function of the example's number. */
function example(i: number): { x: number[]; label: number } {
  const x = [Math.sin(3 * i), Math.sin(5 * i + 1), Math.sin(7 * i + 2)];
  return { x, label: x.indexOf(Math.max(...x)) };
}

function* batches(first: number, count: number, size: number, from = 0): Iterable<Batch> {
  for (let start = from * size; start < count; start += size) {
    const examples = Array.from({ length: Math.min(size, count - start) }, (_, i) => example(first + start + i));
    yield {
      inputs: [tensor(examples.map(({ x }) => x))],
      labels: tensor(
        examples.map(({ label }) => label),
        { dtype: "i32" },
      ),
      size: examples.length,
    };
  }
}

const train = (epoch: number, from: number) => batches(1000 * epoch, 50, 8, from);
const valid = () => batches(-100, 40, 20);

function setUp(options: Partial<TrainerOptions> = {}, p = 0) {
  manualSeed(4);
  const model = new Sequential(new Linear(3, 16), new ReLU(), new Dropout(p), new Linear(16, CLASSES)) as Classifier;
  const optimizer = new Adam(model.parameters(), { lr: 0.02 });
  return { model, optimizer, trainer: new Trainer({ model, optimizer, clipNorm: 1, ...options }) };
}

const weightsOf = async (model: Classifier) =>
  (await Promise.all(model.parameters().map((p) => p.data()))).map((w) => [...w]);

describe("fit", () => {
  test("learns, reports each epoch, and ends with the best one's parameters", async () => {
    const { model, trainer } = setUp();
    const reports = await trainer.fit({ epochs: 6, train, valid });
    expect(reports.map(({ epoch, steps }) => [epoch, steps])).toEqual([0, 1, 2, 3, 4, 5].map((epoch) => [epoch, 7]));
    const best = reports.findLast((report) => report.best)!;
    expect(best.valid!.accuracy).toBeGreaterThan(0.8);
    expect(await evaluate(model, valid())).toEqual(best.valid);
    expect(trainer.steps).toBe(42);
  });

  test("reports steps, with the sums of the epoch so far", async () => {
    const seen: [number, number, number][] = [];
    const { trainer } = setUp({
      reportEvery: 3,
      onStep: ({ step, examples, epoch }) => void seen.push([epoch, step, examples]),
    });
    await trainer.fit({ epochs: 2, train });
    expect(seen).toEqual([
      [0, 3, 24],
      [0, 6, 48],
      [1, 9, 16],
      [1, 12, 40],
    ]);
  });

  test("gradients of several batches are those of one large batch", async () => {
    const small = setUp({ accumulate: 4 });
    const large = setUp();
    await small.trainer.fit({ epochs: 1, train: (_, from) => batches(0, 50, 8, from) });
    await large.trainer.fit({ epochs: 1, train: (_, from) => batches(0, 50, 32, from) });
    expect(small.trainer.steps).toBe(2);
    const [a, b] = [(await weightsOf(small.model)).flat(), (await weightsOf(large.model)).flat()];
    for (const [i, w] of a.entries()) expect(w).toBeCloseTo(b[i]!, 5);
  });

  test("stops when nothing gets better", async () => {
    const { trainer, optimizer } = setUp();
    optimizer.lr = 0;
    const reports = await trainer.fit({ epochs: 9, train, valid, patience: 2 });
    expect(reports.map(({ best }) => best)).toEqual([true, false, false]);
  });

  test("moves the schedule by epochs or by steps", async () => {
    for (const [scheduleEvery, steps] of [
      ["epoch", 2],
      ["step", 14],
    ] as const) {
      const { model } = setUp();
      const optimizer = new Adam(model.parameters(), { lr: 1 });
      const schedule = new StepLR(optimizer, 1, { gamma: 0.5 });
      await new Trainer({ model, optimizer, schedule, scheduleEvery, clipNorm: 1 }).fit({ epochs: 2, train });
      expect(optimizer.lr).toBeCloseTo(0.5 ** steps, 12);
    }
  });

  test("validates, and keeps, the averages of the weights where there are some", async () => {
    const { model, optimizer } = setUp();
    const average = new ExponentialMovingAverage(model, { decay: 1 }); // they stay where they began
    const before = await weightsOf(model);
    const trainer = new Trainer({ model, optimizer, average });
    const reports = await trainer.fit({ epochs: 2, train, valid });
    expect(reports.map(({ best }) => best)).toEqual([true, false]);
    expect(await weightsOf(model)).toEqual(before);
  });

  test("frees what it makes", async () => {
    const { trainer } = setUp({ reportEvery: 2, onStep: () => {} }, 0.2);
    await trainer.fit({ epochs: 1, train, valid });
    const before = memory();
    await trainer.fit({ epochs: 3, train, valid });
    const after = memory(); // less, where the collector has meanwhile found what earlier tests left
    expect(after.liveBytes).toBeLessThanOrEqual(before.liveBytes);
    expect(after.storages).toBeLessThanOrEqual(before.storages);
  });

  test("says so when the loss is no number", async () => {
    const { trainer } = setUp({ loss: (outputs, labels) => outputs.sum().mul(Number.NaN).add(labels.sum()) });
    await expect(trainer.fit({ epochs: 1, train })).rejects.toThrow("the loss is not a number after step 7; lower the");
  });

  test("errors", async () => {
    expect(() => setUp({ accumulate: 0 })).toThrow("Trainer: accumulate is 0, expected 1 or more");
    expect(() => setUp({ acumulate: 2 } as object)).toThrow('unknown option "acumulate"; did you mean "accumulate"?');
    await expect(setUp().trainer.fit({ epochs: 0, train })).rejects.toThrow("fit: epochs is 0, expected 1 or more");
  });
});

describe("a training that was stopped", () => {
  const EPOCHS = 3;

  async function run(options: Partial<FitOptions>, stopAfter = Number.POSITIVE_INFINITY) {
    const controller = new AbortController();
    const { model, optimizer } = setUp({}, 0.3);
    const schedule = new StepLR(optimizer, 5, { gamma: 0.8 });
    const average = new ExponentialMovingAverage(model, { decay: 0.9 });
    const trainer = new Trainer({
      model,
      optimizer,
      schedule,
      scheduleEvery: "step",
      average,
      clipNorm: 1,
      reportEvery: 1,
      onStep: ({ step }) => {
        if (step >= stopAfter) controller.abort();
      },
    });
    const reports = await trainer.fit({ epochs: EPOCHS, train, valid, signal: controller.signal, ...options });
    return {
      reports: reports.map(({ seconds, steps, ...rest }) => rest),
      weights: await weightsOf(model),
      lr: optimizer.lr,
    };
  }

  test("goes on in the same bits, wherever it was stopped", async () => {
    const whole = await run({});
    for (const stopAfter of [1, 6, 7, 8, 13, 14, 20]) {
      let saved: TrainerState | undefined;
      const save = async (state: TrainerState) => {
        saved = state;
      };
      await expect(run({ save }, stopAfter)).rejects.toThrow(InterruptedError);
      expect(saved!.progress.step).toBe(stopAfter);
      const json = JSON.parse(JSON.stringify(saved!.progress)) as TrainerState["progress"];
      expect(await run({ resume: { tensors: saved!.tensors, progress: json } })).toEqual(whole);
    }
  });

  test("is saved as it was at each step, though the training goes on meanwhile", async () => {
    const states: TrainerState[] = [];
    const save = async (state: TrainerState) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      states.push(state);
    };
    const whole = await run({ save, saveEvery: 4 });
    expect(states.map(({ progress }) => progress.step)).toEqual([4, 7, 8, 12, 14, 16, 20, 21]);
    for (const resume of states) expect(await run({ resume })).toEqual(whole);
  });

  test("an error of saving is not lost", async () => {
    const save = async () => {
      throw new Error("the disk is full");
    };
    await expect(run({ save, saveEvery: 4 })).rejects.toThrow("the disk is full");
  });
});
