import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { deviceNamed, memory, withDevice } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { HostValue } from "./accumulators.ts";
import {
  Accuracy,
  AUC,
  ConfusionMatrix,
  F1,
  MeanAbsoluteError,
  MeanSquaredError,
  type Metric,
  Perplexity,
  Precision,
  R2,
  Recall,
  TopKAccuracy,
} from "./index.ts";

const RUNS = { numRuns: 12 };
const i32 = (values: ArrayLike<number>, shape = [values.length]) =>
  tensor(Int32Array.from(values), { shape, dtype: "i32" }) as Tensor;
const f32 = (values: ArrayLike<number>, shape = [values.length]) =>
  tensor(Float32Array.from(values), { shape }) as Tensor;

/** Labels with scores of classes, in batches; some labels are the ignored one. */
interface Example {
  readonly label: number;
  readonly scores: readonly number[];
}

const IGNORED = -100;

const examples = (classes: number, ignored = true) =>
  fc.array(
    fc.record({
      label: fc.oneof(
        { weight: 6, arbitrary: fc.nat(classes - 1) },
        { weight: ignored ? 1 : 0, arbitrary: fc.constant(IGNORED) },
      ),
      // Few values, so that scores are equal now and then.
      scores: fc.array(fc.integer({ min: -4, max: 4 }), { minLength: classes, maxLength: classes }),
    }),
    { minLength: 1, maxLength: 30 },
  );

/** Gives a metric the examples in two batches, [n, classes] and, where there are positions, [n, classes, 1]. */
async function measure<R>(metric: Metric<R>, all: readonly Example[], shape: (n: number) => [number[], number[]]) {
  const half = Math.ceil(all.length / 2);
  for (const part of [all.slice(0, half), all.slice(half)].filter((part) => part.length > 0)) {
    const [outputs, labels] = shape(part.length);
    metric.update(
      f32(
        part.flatMap(({ scores }) => scores),
        outputs,
      ),
      i32(
        part.map(({ label }) => label),
        labels,
      ),
    );
  }
  const value = await metric.compute();
  metric.reset();
  return value;
}

const argmax = (scores: readonly number[]) => scores.indexOf(Math.max(...scores));
const counted = (all: readonly Example[]) => all.filter(({ label }) => label !== IGNORED);
const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

function expectNear(value: number, expected: number): void {
  if (Number.isNaN(expected)) expect(value).toBeNaN();
  else expect(value).toBeCloseTo(expected, 9);
}

function confusionOf(all: readonly Example[], classes: number): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const { label, scores } of counted(all)) matrix[label]![argmax(scores)]!++;
  return matrix;
}

const classAxisLast = (classes: number) => (n: number) => [[n, classes], [n]] as [number[], number[]];
const withPositions = (classes: number) => (n: number) =>
  [
    [n, classes, 1],
    [n, 1],
  ] as [number[], number[]];

describe("classification", () => {
  test("accuracy and its top k count what is right", async () => {
    await fc.assert(
      fc.asyncProperty(examples(4), async (all) => {
        const own = counted(all);
        for (const shape of [classAxisLast(4), withPositions(4)]) {
          const accuracy = await measure(new Accuracy({ ignoreIndex: IGNORED }), all, shape);
          expectNear(accuracy, mean(own.map(({ label, scores }) => (argmax(scores) === label ? 1 : 0))));
          for (const k of [1, 2, 4]) {
            const isAmong = ({ label, scores }: Example) =>
              scores.filter((score, c) => score > scores[label]! || (score === scores[label] && c < label)).length < k;
            const top = await measure(new TopKAccuracy({ k, ignoreIndex: IGNORED }), all, shape);
            expectNear(top, mean(own.map((example) => (isAmong(example) ? 1 : 0))));
          }
        }
      }),
      RUNS,
    );
  });

  test("the class axis is crossEntropy's", async () => {
    // [1, 3 classes, 2 positions]
    const outputs = f32([0, 9, 5, 0, 1, 1], [1, 3, 2]);
    const accuracy = new Accuracy();
    accuracy.update(outputs, i32([1, 2], [1, 2]));
    expect(await accuracy.compute()).toBe(0.5);
    const top = new TopKAccuracy({ k: 2 });
    top.update(outputs, i32([2, 2], [1, 2]));
    expect(await top.compute()).toBe(1);
  });

  test("a confusion matrix has labels in rows, and is divided as asked", async () => {
    await fc.assert(
      fc.asyncProperty(examples(3), async (all) => {
        const expected = confusionOf(all, 3);
        const options = { classes: 3, ignoreIndex: IGNORED };
        expect(await measure(new ConfusionMatrix(options), all, classAxisLast(3))).toEqual(expected);
        const rows = await measure(new ConfusionMatrix({ ...options, normalize: "true" }), all, classAxisLast(3));
        for (const [k, row] of rows.entries()) {
          const whole = expected[k]!.reduce((a, b) => a + b, 0);
          expect(row).toEqual(expected[k]!.map((count) => (whole > 0 ? count / whole : 0)));
        }
        const columns = await measure(new ConfusionMatrix({ ...options, normalize: "pred" }), all, classAxisLast(3));
        const sums = [0, 1, 2].map((k) => columns.reduce((sum, row) => sum + row[k]!, 0));
        for (const sum of sums) expect(sum === 0 || Math.abs(sum - 1) < 1e-9).toBe(true);
        const shares = await measure(new ConfusionMatrix({ ...options, normalize: "all" }), all, classAxisLast(3));
        const total = counted(all).length;
        expect(shares.flat().reduce((a, b) => a + b, 0)).toBeCloseTo(total > 0 ? 1 : 0, 9);
      }),
      RUNS,
    );
  });

  test("precision, recall and F1 are those of the definitions, in every average", async () => {
    await fc.assert(
      fc.asyncProperty(examples(4), fc.constantFrom(0, 1, Number.NaN), async (all, zeroDivision) => {
        const own = counted(all).map(({ label, scores }) => ({ label, predicted: argmax(scores) }));
        const ratio = (a: number, b: number) => (b === 0 ? zeroDivision : a / b);
        const scores = [0, 1, 2, 3].map((k) => {
          const right = own.filter((one) => one.label === k && one.predicted === k).length;
          const wrong = own.filter((one) => one.label !== k && one.predicted === k).length;
          const missed = own.filter((one) => one.label === k && one.predicted !== k).length;
          return {
            Precision: ratio(right, right + wrong),
            Recall: ratio(right, right + missed),
            F1: ratio(2 * right, 2 * right + wrong + missed),
            support: right + missed,
            isPresent: right + wrong + missed > 0,
          };
        });
        const accuracy = ratio(own.filter(({ label, predicted }) => label === predicted).length, own.length);
        for (const Score of [Precision, Recall, F1]) {
          const name = Score.name as "Precision" | "Recall" | "F1";
          const options = { classes: 4, zeroDivision, ignoreIndex: IGNORED };
          const get = (average: "none" | "macro" | "micro" | "weighted") =>
            measure(new Score({ ...options, average }), all, classAxisLast(4));
          expect(await get("none")).toEqual(scores.map((score) => score[name]));
          expect(await get("micro")).toEqual(accuracy);
          const defined = scores.filter((score) => score.isPresent && !Number.isNaN(score[name]));
          const macro = defined.length > 0 ? mean(defined.map((score) => score[name])) : zeroDivision;
          expectNear((await get("macro")) as number, macro);
          const weights = defined.reduce((sum, { support }) => sum + support, 0);
          const weighted = defined.reduce((sum, score) => sum + score[name] * score.support, 0) / weights;
          expectNear((await get("weighted")) as number, weights > 0 ? weighted : zeroDivision);
        }
      }),
      RUNS,
    );
  });

  // The example of scikit-learn's page on precision_recall_fscore_support: cat, dog, pig.
  test("are scikit-learn's on its own example", async () => {
    const truth = i32([0, 1, 2, 0, 1, 2]);
    const predicted = i32([0, 2, 1, 0, 0, 1]);
    const get = async (average: "macro" | "micro" | "weighted") => {
      const values: number[] = [];
      for (const Score of [Precision, Recall, F1]) {
        const metric = new Score({ classes: 3, average });
        metric.update(predicted, truth);
        values.push(Number((await metric.compute()).toFixed(2)));
      }
      return values;
    };
    expect(await get("macro")).toEqual([0.22, 0.33, 0.27]);
    expect(await get("micro")).toEqual([0.33, 0.33, 0.33]);
    expect(await get("weighted")).toEqual([0.22, 0.33, 0.27]);
  });

  test("one score per label has a threshold; labels may be floats, as for losses of logits", async () => {
    const logits = f32([-2, 0.2, 3, -0.1]);
    const labels = f32([0, 1, 1, 1]);
    const accuracy = new Accuracy({ threshold: 0 });
    accuracy.update(logits, labels);
    expect(await accuracy.compute()).toBe(0.75);
    const recall = new Recall({ classes: 2, average: "binary", threshold: 0 });
    recall.update(logits.reshape([4, 1]), labels);
    expect(await recall.compute()).toBeCloseTo(2 / 3, 9);
  });

  test("errors", async () => {
    expect(() => new Accuracy().update(f32([1, 2, 3]), i32([1, 2]))).toThrow(
      "Accuracy: outputs have shape [3] and labels [2], expected [n, classes, ...] and [n, ...], or one shape",
    );
    expect(() => new TopKAccuracy({ k: 0 })).toThrow("TopKAccuracy: k is 0, expected a whole number of 1 or more");
    expect(() => new TopKAccuracy().update(f32([1, 2, 3], [1, 3]), i32([1]))).toThrow("3 classes; expected 5 or more");
    expect(() => new F1({ classes: 1 })).toThrow("F1: classes is 1, expected a whole number of 2 or more");
    expect(() => new F1({ classes: 3, average: "binary" })).toThrow('"binary" and there are 3 classes, expected 2');
    expect(() => new F1({ classes: 3, average: "mikro" as "micro" })).toThrow('F1: average is "mikro", expected');
    expect(() => new Recall({ classes: 3, zeroDivision: 2 })).toThrow("zeroDivision is 2, expected 0, 1 or NaN");
    expect(() => new AUC().update(i32([1]), i32([1]))).toThrow("AUC: outputs have dtype i32, expected f32");
    expect(() => new AUC({ classes: 3 }).update(f32([1, 2], [1, 2]), i32([1]))).toThrow("[1, 2], expected 3 classes");
    expect(() => new R2().update(f32([1]), f32([1, 2]))).toThrow("R2: outputs have shape [1], expected [2] as labels");
    const confusion = new ConfusionMatrix({ classes: 2 });
    confusion.update(i32([0, 5]), i32([0, 1]));
    await expect(confusion.compute()).rejects.toThrow(/5/);
  });
});

describe("AUC", () => {
  const area = (scores: readonly number[], isOwn: readonly boolean[]) => {
    let [wins, pairs] = [0, 0];
    for (const [i, own] of scores.entries()) {
      for (const [j, other] of scores.entries()) {
        if (!isOwn[i] || isOwn[j]) continue;
        pairs++;
        wins += own > other ? 1 : own === other ? 0.5 : 0;
      }
    }
    return wins / pairs;
  };

  test("is the share of pairs in order, each class against the rest", async () => {
    await fc.assert(
      fc.asyncProperty(examples(3), async (all) => {
        const own = counted(all);
        const areas = [0, 1, 2].map((k) =>
          area(
            own.map(({ scores }) => scores[k]!),
            own.map(({ label }) => label === k),
          ),
        );
        const options = { classes: 3, ignoreIndex: IGNORED } as const;
        expect(await measure(new AUC({ ...options, average: "none" }), all, classAxisLast(3))).toEqual(areas);
        const defined = areas.filter((one) => !Number.isNaN(one));
        const macro = await measure(new AUC(options), all, withPositions(3));
        expectNear(macro, defined.length > 0 ? mean(defined) : Number.NaN);
        const support = [0, 1, 2].map((k) => own.filter(({ label }) => label === k).length);
        let [sum, weight] = [0, 0];
        for (const [k, one] of areas.entries()) {
          if (Number.isNaN(one)) continue;
          sum += one * support[k]!;
          weight += support[k]!;
        }
        const weighted = await measure(new AUC({ ...options, average: "weighted" }), all, classAxisLast(3));
        expectNear(weighted, sum / weight);
      }),
      RUNS,
    );
  });

  test("in bins is that of scores rounded down to them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ score: fc.double({ min: 0, max: 1, noNaN: true }), label: fc.nat(1) }), {
          minLength: 1,
          maxLength: 40,
        }),
        async (all) => {
          const scores = all.map(({ score }) => Math.fround(score));
          const own = all.map(({ label }) => label === 1);
          const metric = new AUC({ bins: 8 });
          metric.update(f32(scores), i32(all.map(({ label }) => label)));
          const bins = scores.map((score) => Math.min(7, Math.floor(Math.fround(score * 8))));
          expect(await metric.compute()).toEqual(area(bins, own));
          const exact = new AUC();
          exact.update(f32(scores), i32(all.map(({ label }) => label)));
          expect(await exact.compute()).toEqual(area(scores, own));
        },
      ),
      RUNS,
    );
  });

  test("of logits is that of their probabilities, in many bins nearly so", async () => {
    const all = Array.from({ length: 60 }, (_, i) => ({
      label: i % 3,
      scores: [0, 1, 2].map((k) => Math.sin(7 * i + k) + (i % 3 === k ? 0.7 : 0)),
    }));
    const probabilities = all.map(({ label, scores }) => {
      const sum = scores.reduce((total, x) => total + Math.exp(x), 0);
      return { label, scores: scores.map((x) => Math.exp(x) / sum) };
    });
    const exact = await measure(new AUC({ classes: 3, logits: true }), all, classAxisLast(3));
    expect(exact).toBeCloseTo(await measure(new AUC({ classes: 3 }), probabilities, classAxisLast(3)), 6);
    expect(exact).toBeGreaterThan(0.6);
    const binned = await measure(new AUC({ classes: 3, logits: true, bins: 1000 }), all, classAxisLast(3));
    expect(Math.abs(binned - exact)).toBeLessThan(2e-3);
  });
});

test("perplexity is the exponential of the mean cross-entropy", async () => {
  await fc.assert(
    fc.asyncProperty(examples(4), async (all) => {
      const losses = counted(all).map(({ label, scores }) => {
        return Math.log(scores.reduce((sum, x) => sum + Math.exp(x), 0)) - scores[label]!;
      });
      const expected = losses.length > 0 ? Math.exp(mean(losses)) : Number.NaN;
      const value = await measure(new Perplexity({ ignoreIndex: IGNORED }), all, withPositions(4));
      if (Number.isNaN(expected)) expect(value).toBeNaN();
      else expect(value / expected).toBeCloseTo(1, 5);
    }),
    RUNS,
  );
});

describe("regression", () => {
  // Multiples of 1/16: no error is so small that its square is 0.
  const sixteenth = fc.integer({ min: -160, max: 160 }).map((i) => i / 16);
  const numbers = fc.array(fc.array(sixteenth, { minLength: 4, maxLength: 4 }), {
    minLength: 2,
    maxLength: 20,
  });

  test("errors and R2 are those of the definitions, for one output and for two", async () => {
    await fc.assert(
      fc.asyncProperty(numbers, async (data) => {
        // a row is [output 1, output 2, label 1, label 2]
        const update = (metric: Metric<unknown>) => {
          for (const part of [data.slice(0, 1), data.slice(1)]) {
            const take = (from: number) => part.flatMap((row) => row.slice(from, from + 2));
            metric.update(f32(take(0), [part.length, 2]), f32(take(2), [part.length, 2]));
          }
          return metric.compute();
        };
        const errors = data.flatMap(([a, b, c, d]) => [a! - c!, b! - d!]);
        const squares = mean(errors.map((e) => e * e));
        expect(await update(new MeanAbsoluteError())).toBeCloseTo(mean(errors.map(Math.abs)), 4);
        expect(await update(new MeanSquaredError())).toBeCloseTo(squares, 3);
        expect(await update(new MeanSquaredError({ squared: false }))).toBeCloseTo(Math.sqrt(squares), 4);
        const parts = [0, 1].map((k) => {
          const labels = data.map((row) => row[k + 2]!);
          const residual = data.reduce((sum, row) => sum + (row[k + 2]! - row[k]!) ** 2, 0);
          const center = mean(labels);
          const variance = labels.reduce((sum, y) => sum + (y - center) ** 2, 0);
          return { variance, value: variance > 0 ? 1 - residual / variance : residual === 0 ? 1 : 0 };
        });
        fc.pre(parts.every(({ variance }) => variance > 1 || variance === 0));
        const near = (a: number, b: number) => expect(Math.abs(a - b) / (1 + Math.abs(b))).toBeLessThan(1e-3);
        const values = (await update(new R2({ average: "none" }))) as number[];
        for (const [k, value] of values.entries()) near(value, parts[k]!.value);
        near((await update(new R2())) as number, mean(parts.map(({ value }) => value)));
        const all = parts.reduce((sum, { variance }) => sum + variance, 0);
        fc.pre(all > 0);
        near(
          (await update(new R2({ average: "weighted" }))) as number,
          parts.reduce((sum, { variance, value }) => sum + (variance / all) * value, 0),
        );
      }),
      RUNS,
    );
  });

  test("R2 of labels that do not vary, or of one, is scikit-learn's", async () => {
    const get = async (outputs: number[], labels: number[]) => {
      const metric = new R2();
      metric.update(f32(outputs), f32(labels));
      return metric.compute();
    };
    expect(await get([0.1, 0.1, 0.1], [0.1, 0.1, 0.1])).toBe(1);
    expect(await get([0.1, 0.2, 0.1], [0.1, 0.1, 0.1])).toBe(0);
    expect(await get([0.1], [0.1])).toBeNaN();
    expect(await get([2.5, 0, 2, 8], [3, -0.5, 2, 7])).toBeCloseTo(0.9486, 4); // the page's example
    expect(await new R2().compute()).toBeNaN();
  });

  test("R2 is right for labels far from 0", async () => {
    const metric = new R2();
    const labels = Array.from({ length: 100 }, (_, i) => 10_000 + Math.sin(i));
    for (let at = 0; at < 100; at += 10) {
      const part = labels.slice(at, at + 10);
      metric.update(f32(part.map((y, i) => y + 0.5 * (i % 2))), f32(part));
    }
    const center = mean(labels);
    const expected = 1 - (50 * 0.25) / labels.reduce((sum, y) => sum + (y - center) ** 2, 0);
    expect(Math.abs((await metric.compute()) - expected)).toBeLessThan(2e-3); // labels have 1e-3 of their own
  });
});

describe("every metric", () => {
  const makers: [string, () => Metric<unknown>][] = [
    ["Accuracy", () => new Accuracy()],
    ["TopKAccuracy", () => new TopKAccuracy({ k: 2 })],
    ["ConfusionMatrix", () => new ConfusionMatrix({ classes: 3 })],
    ["F1", () => new F1({ classes: 3, average: "weighted" })],
    ["AUC", () => new AUC({ classes: 3 })],
    ["AUC in bins", () => new AUC({ classes: 3, bins: 10, logits: true })],
    ["Perplexity", () => new Perplexity()],
    ["MeanSquaredError", () => new MeanSquaredError()],
    ["R2", () => new R2({ average: "none" })],
  ];
  const isRegression = (name: string) => name.startsWith("Mean") || name === "R2";
  const give = (metric: Metric<unknown>, name: string, i: number) => {
    const scores = Array.from({ length: 12 }, (_, j) => Math.sin(i * 17 + j * j));
    const outputs = f32(scores, [4, 3]);
    const labels = isRegression(name)
      ? f32(
          scores.map((x) => x + Math.cos(x * 50)),
          [4, 3],
        )
      : i32([0, 1, 2, i % 3]);
    metric.update(outputs, labels);
    outputs.dispose();
    labels.dispose();
  };

  test.each(makers)(
    "%s goes on from its state in the same bits, forgets at a reset, and leaves nothing",
    async (name, make) => {
      const before = memory().liveBytes;
      const whole = make();
      const first = make();
      for (let i = 0; i < 70; i++) give(whole, name, i); // 64 are carried over at once
      for (let i = 0; i < 62; i++) give(first, name, i);
      const state = new Map<string, HostValue>();
      for (const [key, value] of first.stateDict()) {
        state.set(key, { shape: value.shape, data: await value.storage.device.read(value.storage) });
        value.dispose();
      }
      const second = make();
      give(second, name, 5); // is forgotten
      second.loadStateDict(state, deviceNamed("webgpu"));
      for (let i = 62; i < 70; i++) give(second, name, i);
      expect(await second.compute()).toEqual(await whole.compute());

      whole.reset();
      first.reset();
      const fresh = make();
      for (const metric of [whole, fresh]) give(metric, name, 3);
      expect(await whole.compute()).toEqual(await fresh.compute());
      expect(whole.stateDict().size).toBeGreaterThan(0);
      for (const metric of [whole, fresh, second]) metric.reset();
      expect(whole.stateDict().size).toBe(0);
      expect(memory().liveBytes).toBeLessThanOrEqual(before + 4096); // the copies of `stateDict` above are the collector's
    },
  );

  test.each(makers)("%s is what it is on the cpu device", async (name, make) => {
    const [gpu, cpu] = [make(), make()];
    give(gpu, name, 1);
    withDevice("cpu", () => give(cpu, name, 1));
    const [a, b] = [[await gpu.compute()].flat(2), [await cpu.compute()].flat(2)] as [number[], number[]];
    for (const [i, value] of a.entries()) expect(value).toBeCloseTo(b[i]!, 5);
  });

  test("keeps long sums exact", async () => {
    const metric = new MeanAbsoluteError();
    const outputs = f32([0.1]);
    const labels = f32([0]);
    for (let i = 0; i < 4000; i++) metric.update(outputs, labels);
    expect(Math.abs((await metric.compute()) / Math.fround(0.1) - 1)).toBeLessThan(2e-6);
  });

  test("keeps what it has at the time of compute", async () => {
    const metric = new Accuracy();
    metric.update(i32([1]), i32([1]));
    const early = metric.compute();
    metric.update(i32([0]), i32([1]));
    expect([await early, await metric.compute()]).toEqual([1, 0.5]);
  });
});
