import { describe, expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { stack } from "../kernels/functions.ts";
import { mseLoss } from "../kernels/ops.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { Accuracy, MeanAbsoluteError, R2 } from "../metrics/index.ts";
import { Dropout, Linear, ReLU, Sequential, Tanh } from "../nn/index.ts";
import { Adam } from "../optim/adam.ts";
import { GradScaler } from "../optim/grad-scaler.ts";
import { ExponentialMovingAverage } from "../optim/moving-average.ts";
import { StepLR } from "../optim/schedules.ts";
import { SGD } from "../optim/sgd.ts";
import { memory } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "./batches.ts";
import type { TrainerCallback } from "./callbacks.ts";
import { type Classifier, evaluate } from "./evaluate.ts";
import { type FitOptions, InterruptedError, Trainer, type TrainerOptions } from "./trainer.ts";
import type { TrainerState } from "./trainer-state.ts";

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

const measured = () => ({
  metrics: { accuracy: new Accuracy() },
  monitor: { metric: "accuracy", mode: "max" } as const,
});

function setUp(options: Partial<TrainerOptions<"accuracy">> = {}, p = 0) {
  manualSeed(4);
  const model = new Sequential(new Linear(3, 16), new ReLU(), new Dropout(p), new Linear(16, CLASSES)) as Classifier;
  const optimizer = new Adam(model.parameters(), { lr: 0.02 });
  return { model, optimizer, trainer: new Trainer({ model, optimizer, clipNorm: 1, ...measured(), ...options }) };
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
    expect(await evaluate(model, valid(), { metrics: { accuracy: new Accuracy() } })).toEqual(best.valid);
    expect(trainer.steps).toBe(42);
  });

  test("reports steps, with the sums of the epoch so far", async () => {
    const seen: [number, number, number][] = [];
    const { trainer } = setUp({
      reportEvery: 3,
      callbacks: { onStep: ({ step, examples, epoch }) => void seen.push([epoch, step, examples]) },
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
    const trainer = new Trainer({ model, optimizer, average, ...measured() });
    const reports = await trainer.fit({ epochs: 2, train, valid });
    expect(reports.map(({ best }) => best)).toEqual([true, false]);
    expect(await weightsOf(model)).toEqual(before);
  });

  test("frees what it makes", async () => {
    const { trainer } = setUp({ reportEvery: 2, callbacks: { onStep: () => {} } }, 0.2);
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

  test("reads what steps made while later steps are taken, the last ones at the epoch's end", async () => {
    const seen: number[] = [];
    const seenAt: number[] = [];
    const { trainer } = setUp({ reportEvery: 1, callbacks: { onStep: ({ step }) => void seen.push(step) } });
    const watched = function* (epoch: number, from: number) {
      for (const batch of train(epoch, from)) {
        seenAt.push(seen.length);
        yield batch;
      }
    };
    await trainer.fit({ epochs: 1, train: watched });
    expect(seenAt).toEqual([0, 0, 0, 1, 2, 3, 4]);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test("reports the learning rate and the norm of the gradients, before they are clipped", async () => {
    for (const clipNorm of [undefined, 1e-3]) {
      const reports: { learningRate: number; gradientNorm: number | null }[] = [];
      const { model } = setUp();
      const optimizer = new SGD(model.parameters(), { lr: 1 });
      const trainer = new Trainer({
        model,
        optimizer,
        clipNorm,
        reportEvery: 1,
        schedule: new StepLR(optimizer, 1, { gamma: 0.5 }),
        scheduleEvery: "step",
        callbacks: { onStep: (report) => void reports.push(report) },
      });
      const before = (await weightsOf(model)).flat();
      const [epoch] = await trainer.fit({ epochs: 1, train: () => batches(0, 8, 8) });
      const after = (await weightsOf(model)).flat();
      const moved = Math.hypot(...after.map((w, i) => w - before[i]!));
      expect(reports).toHaveLength(1);
      expect(reports[0]!.learningRate).toBe(1);
      expect(reports[0]!.gradientNorm).toBeGreaterThan(0.05);
      expect(moved / (clipNorm ?? reports[0]!.gradientNorm!)).toBeCloseTo(1, 2);
      expect(epoch).toMatchObject({ step: 1, learningRate: 1, gradientNorm: reports[0]!.gradientNorm });
    }
  });

  test("tells callbacks what happens, in order, each waiting for the other", async () => {
    const heard: string[] = [];
    const listener = (name: string): TrainerCallback => ({
      onStart: ({ epochs, step }) => void heard.push(`${name} start ${epochs} ${step}`),
      onEpochStart: (epoch) => void heard.push(`${name} epoch ${epoch} starts`),
      async onStep({ step }) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        heard.push(`${name} step ${step}`);
      },
      onEpoch: ({ epoch }) => void heard.push(`${name} epoch ${epoch}`),
      onSave: ({ step }) => void heard.push(`${name} saved ${step}`),
      onEnd: ({ reports, error }) => void heard.push(`${name} end ${reports.length} ${error}`),
    });
    const { trainer } = setUp({ reportEvery: 4, callbacks: [listener("a"), listener("b")] });
    await trainer.fit({ epochs: 1, train, valid, save: async () => {} });
    const expected = ["start 1 0", "epoch 0 starts", "step 4", "epoch 0", "saved 7", "end 1 null"];
    expect(heard).toEqual(expected.flatMap((event) => [`a ${event}`, `b ${event}`]));
  });

  test("an error of a callback ends the training, and the others hear of it", async () => {
    let end: unknown;
    const failing = {
      onStep() {
        throw new Error("no space");
      },
    };
    const { trainer } = setUp({ reportEvery: 2, callbacks: [failing, { onEnd: ({ error }) => void (end = error) }] });
    await expect(trainer.fit({ epochs: 1, train })).rejects.toThrow("no space");
    expect(end).toMatchObject({ message: "no space" });
    expect(trainer.steps).toBeLessThan(7);
  });

  test("learns numbers, measured by what they are measured by", async () => {
    manualSeed(1);
    const model = new Sequential(new Linear(3, 16), new Tanh(), new Linear(16, 2)) as Classifier;
    const metrics = { mae: new MeanAbsoluteError(), r2: new R2() };
    const points = function* (): Iterable<readonly Tensor[]> {
      for (const { inputs, labels } of batches(0, 64, 16)) {
        labels.dispose();
        const x = inputs[0]!;
        yield [x, stack([x.sum(1), x.prod(1)], 1)];
      }
    };
    const trainer = new Trainer({
      model,
      optimizer: new Adam(model.parameters(), { lr: 0.02 }),
      loss: mseLoss,
      metrics,
      monitor: { metric: "r2", mode: "max" },
    });
    const reports = await trainer.fit({ epochs: 12, train: points, valid: points });
    const best = reports.findLast((report) => report.best)!;
    expect(best.valid!.r2).toBe(Math.max(...reports.map(({ valid }) => valid!.r2)));
    expect(best.valid!.r2).toBeGreaterThan(0.5);
    expect(best.valid!.mae).toBeLessThan(reports[0]!.valid!.mae);
  });

  test("chooses the best epoch by what is monitored", async () => {
    for (const [monitor, pick] of [
      [undefined, (values: number[]) => Math.min(...values)],
      [{ metric: "loss", mode: "max" } as const, (values: number[]) => Math.max(...values)],
    ] as const) {
      const { trainer } = setUp({ monitor });
      const reports = await trainer.fit({ epochs: 4, train, valid });
      const losses = reports.map(({ valid }) => valid!.loss);
      expect(reports.findLast(({ best }) => best)!.valid!.loss).toBe(pick(losses));
    }
  });

  test("errors", async () => {
    expect(() => setUp({ metrics: { step: new Accuracy() } as never })).toThrow('a metric has the name "step", which');
    expect(() => setUp({ monitor: { metric: "f1" as "loss", mode: "max" } })).toThrow(
      'monitor.metric is "f1", expected "loss", "accuracy"',
    );
    expect(() => setUp({ monitor: { metric: "loss", mode: "least" as "min" } })).toThrow('monitor.mode is "least"');
    await expect(setUp().trainer.fit({ epochs: 1, train, patience: 1 })).rejects.toThrow("patience is given without");
    await expect(setUp().trainer.fit({ epochs: 1, train: () => [] })).rejects.toThrow("there are no examples");
    expect(() => setUp({ accumulate: 0 })).toThrow("Trainer: accumulate is 0, expected 1 or more");
    expect(() => setUp({ acumulate: 2 } as object)).toThrow('unknown option "acumulate"; did you mean "accumulate"?');
    await expect(setUp().trainer.fit({ epochs: 0, train })).rejects.toThrow("fit: epochs is 0, expected 1 or more");
  });
});

describe.each(["float32", "mixed precision"])("a training in %s that was stopped", (precision) => {
  const EPOCHS = 3;

  async function run(options: Partial<FitOptions>, stopAfter = Number.POSITIVE_INFINITY) {
    const controller = new AbortController();
    let last: object | null = null;
    const { model, optimizer } = setUp({}, 0.3);
    const schedule = new StepLR(optimizer, 5, { gamma: 0.8 });
    const average = new ExponentialMovingAverage(model, { decay: 0.9 });
    const trainer = new Trainer({
      model,
      optimizer,
      schedule,
      scheduleEvery: "step",
      average,
      // One that overflows in the first steps, and grows again after some.
      scaler: precision === "float32" ? undefined : new GradScaler({ initScale: 2 ** 22, growthInterval: 4 }),
      clipNorm: 1,
      reportEvery: 1,
      ...measured(),
      callbacks: {
        onStep: ({ examplesPerSecond, ...report }) => {
          last = report;
        },
      },
    });
    // The signal comes while the step's batch is being made.
    const stopping = function* (epoch: number, from: number) {
      let step = 7 * epoch + from;
      for (const batch of train(epoch, from)) {
        if (++step === stopAfter) controller.abort();
        yield batch;
      }
    };
    const { signal } = controller;
    const reports = await trainer.fit({ epochs: EPOCHS, train: stopping, valid, signal, ...options });
    return {
      reports: reports.map(({ seconds, steps, ...rest }) => rest),
      weights: await weightsOf(model),
      lr: optimizer.lr,
      last: last as object | null,
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
    for (const resume of states) {
      const isAtEnd = resume.progress.step === 21; // no step is left that could be reported
      expect(await run({ resume })).toEqual(isAtEnd ? { ...whole, last: null } : whole);
    }
  });

  test("an error of saving is not lost", async () => {
    const save = async () => {
      throw new Error("the disk is full");
    };
    await expect(run({ save, saveEvery: 4 })).rejects.toThrow("the disk is full");
  });
});

describe("captured steps", () => {
  // Batches of other sizes at the end, one that comes in every epoch and one that comes once.
  const shapes = function* (epoch: number, from: number) {
    yield* [...batches(1000 * epoch, 50, 8), ...batches(500, epoch + 1, 9)].slice(from);
  };

  async function run(capture: boolean, accumulate: number, isMixed: boolean) {
    const { model } = setUp({}, 0.3);
    const optimizer = new Adam(model.parameters(), { lr: 0.02 });
    const schedule = new StepLR(optimizer, 5, { gamma: 0.8 });
    const average = new ExponentialMovingAverage(model, { decay: 0.9 });
    const scaler = new GradScaler({ enabled: isMixed, initScale: 2 ** 22, growthInterval: 4 });
    const steps: { gradientNorm: number | null }[] = [];
    const trainer = new Trainer({
      ...{ model, optimizer, schedule, average, scaler, capture, accumulate, ...measured() },
      scheduleEvery: "step",
      clipNorm: 1,
      reportEvery: 1,
      callbacks: { onStep: ({ examplesPerSecond, ...report }) => void steps.push(report) },
    });
    const reports = await trainer.fit({ epochs: 5, train: shapes, valid });
    const { replayedShapes } = trainer;
    trainer.dispose();
    return {
      steps,
      reports: reports.map(({ seconds, ...rest }) => rest),
      weights: await weightsOf(model),
      replayedShapes,
    };
  }

  test.each([
    [1, false],
    [3, false],
    [3, true],
  ])("give the bits of plain ones, %s batches each, mixed precision: %s", async (accumulate, isMixed) => {
    const plain = await run(false, accumulate, isMixed);
    const captured = await run(true, accumulate, isMixed);
    expect(plain.steps.some(({ gradientNorm }) => gradientNorm === null)).toBe(isMixed);
    expect(plain.replayedShapes).toBe(0);
    expect(captured.replayedShapes).toBeGreaterThan(0);
    expect({ ...captured, replayedShapes: 0 }).toEqual(plain);
  });

  test("give their memory back", async () => {
    const before = memory().liveBytes;
    const { model } = setUp();
    const trainer = new Trainer({ model, optimizer: new Adam(model.parameters()), capture: true });
    await trainer.fit({ epochs: 2, train });
    const during = memory().liveBytes;
    trainer.dispose();
    expect(memory().liveBytes).toBeLessThan(during);
    expect(memory().liveBytes - before).toBeLessThan(64 * 1024); // parameters, their gradients and Adam's moments
  });
});
