import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkOp, type InputSpec, randomNumbers } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { logSoftmax } from "../softmax/softmax.ts";
import { type CtcLossOptions, ctcLoss } from "./ctc-loss.ts";

const REDUCTIONS = ["mean", "sum", "none"] as const;
const LARGEST = 3.4028234663852886e38;
const { NaN: nan, POSITIVE_INFINITY: inf, NEGATIVE_INFINITY: minusInf } = Number;

const i32 = (shape: readonly number[], values: readonly number[]): InputSpec => ({ shape, dtype: "i32", values });

/** Labels from 1 on, many of them equal to a neighbour. */
function labelsFor(batch: number, s: number, classes: number): InputSpec {
  const random = randomNumbers(batch * 100 + s);
  const label = () => 1 + Math.floor(random() * Math.min(classes - 1, 3));
  return i32([batch, s], Array.from({ length: batch * s }, label));
}

const withOptions =
  (options: CtcLossOptions) => (logProbs: Tensor, targets: Tensor, inputLengths: Tensor, targetLengths: Tensor) =>
    ctcLoss(logProbs, targets, inputLengths, targetLengths, options);

// States up to, at and above a workgroup's lanes; more samples than the harness allows workgroups.
for (const [t, b, classes, s] of [
  [1, 1, 2, 0],
  [1, 1, 2, 1],
  [4, 2, 3, 2],
  [7, 1, 4, 3],
  [6, 5, 4, 2],
  [12, 2, 5, 5],
  [70, 1, 5, 31],
  [75, 2, 4, 33],
  [300, 1, 3, 20], // whose probability is far below the smallest float
] as const) {
  const inputLengths = Array.from({ length: b }, (_, i) => Math.max(t - i, 1));
  const targetLengths = Array.from({ length: b }, (_, i) => Math.max(s - 2 * i, 0));
  const inputs = [labelsFor(b, s, classes), i32([b], inputLengths), i32([b], targetLengths)];
  for (const reduction of REDUCTIONS) {
    test(`[${t}, ${b}, ${classes}], ${s} labels: ${reduction}`, async () => {
      const options = { reduction, zeroInfinity: true };
      await checkOp(withOptions(options), [[t, b, classes], ...inputs]);
      if (t > 10) return;
      const op = withOptions({ ...options, blank: classes - 1 });
      await checkOp(
        (x, ...rest) => op(logSoftmax(x!, 2), ...(rest as [Tensor, Tensor, Tensor])),
        [[t, b, classes], { ...inputs[0]!, values: inputs[0]!.values!.map((label) => label - 1) }, ...inputs.slice(1)],
      );
    });
  }
}

test("no samples", async () => {
  const inputs = [i32([0, 2], []), i32([0], []), i32([0], [])];
  for (const reduction of ["sum", "none"] as const) await checkOp(withOptions({ reduction }), [[3, 0, 2], ...inputs]);
});

/** The probability that the steps spell the target, by going through every path. */
function byAllPaths(probs: readonly (readonly number[])[], target: readonly number[], blank: number): number {
  const paths = (t: number): number[][] =>
    t === 0 ? [[]] : paths(t - 1).flatMap((path) => probs[t - 1]!.map((_, c) => [...path, c]));
  const spells = (path: readonly number[]) =>
    path.filter((c, t) => c !== blank && c !== path[t - 1]).join() === target.join();
  return paths(probs.length)
    .filter(spells)
    .reduce((sum, path) => sum + path.reduce((p, c, t) => p * probs[t]![c]!, 1), 0);
}

test("the sum over every path", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 2, max: 4 }),
      fc.nat(3),
      fc.array(fc.nat(), { maxLength: 3 }),
      fc.integer(),
      async (t, classes, drawnBlank, drawn, seed) => {
        const blank = drawnBlank % classes;
        const target = drawn.map((n) => (blank + 1 + (n % (classes - 1))) % classes);
        const random = randomNumbers(seed);
        const probs = Array.from({ length: t }, () => Array.from({ length: classes }, random));
        const expected = -Math.log(byAllPaths(probs, target, blank));
        const logs = probs.flat().map(Math.log);
        for (const device of ["cpu:f64", "webgpu"] as const) {
          const x = tensor(logs, { shape: [t, classes], device });
          const y = tensor(Int32Array.from(target), { device });
          const loss = await ctcLoss(x, y, t, target.length, { blank, reduction: "sum" }).item();
          if (expected === inf) expect(loss).toBe(inf);
          else expect(loss).toBeCloseTo(expected, device === "webgpu" ? 4 : 9);
        }
      },
    ),
    { numRuns: cases(25) },
  ));

// Three classes; the third sample's target has no alignment, the fourth has nothing at all.
const rows = [
  [1, 2, 1],
  [1, 1, 0],
  [1, 1, 2],
  [0, 0, 0],
];
const targetLengths = [3, 2, 3, 0];
const inputLengths = [4, 3, 3, 0];

for (const device of ["webgpu", "cpu"] as const) {
  describe(device, () => {
    const logProbs = () =>
      tensor(
        Array.from({ length: 48 }, (_, i) => -0.1 * ((7 * i) % 11)),
        { shape: [4, 4, 3], device, requiresGrad: true },
      );
    const targets = () => tensor(rows, { dtype: "i32", device });

    test("padded targets, targets in a row, and numbers or tensors for lengths, are one", async () => {
      const none = { reduction: "none" } as const;
      const expected = await ctcLoss(logProbs(), targets(), inputLengths, targetLengths, none).data();
      const flat = tensor(
        rows.flatMap((row, i) => row.slice(0, targetLengths[i])),
        { dtype: "u32", device },
      );
      expect(await ctcLoss(logProbs(), flat, inputLengths, targetLengths, none).data()).toEqual(expected);
      const lengths = [inputLengths, targetLengths].map((length) => tensor(length, { dtype: "i32", device }));
      expect(await ctcLoss(logProbs(), targets(), lengths[0]!, lengths[1]!, none).data()).toEqual(expected);
      expect(Array.from(expected)).toEqual([expect.any(Number), expect.any(Number), inf, expect.closeTo(0)]);
      const one = ctcLoss(
        logProbs().narrow(1, 0, 1).squeeze(1),
        tensor([1, 2, 1], { dtype: "i32", device }),
        4,
        3,
        none,
      );
      expect([one.shape, await one.item()]).toEqual([[], expected[0]]);
    });

    test("a target without an alignment costs infinity, or nothing", async () => {
      const x = logProbs();
      const losses = ctcLoss(x, targets(), inputLengths, targetLengths, { reduction: "none", zeroInfinity: true });
      expect((await losses.data())[2]).toBe(0);
      losses.sum().backward();
      const dx = (await x.grad!.toArray()) as number[][][];
      // A step's shares of the classes add up to 1, up to the sample's length.
      const shares = (sample: number) => dx.map((step) => step[sample]!.reduce((a, b) => a + b, 0));
      const ones = (count: number) => Array.from({ length: 4 }, (_, t) => expect.closeTo(t < count ? -1 : 0, 5));
      expect([0, 1, 2, 3].map(shares)).toEqual([ones(4), ones(3), ones(0), ones(0)]);

      const y = logProbs();
      const mean = ctcLoss(y, targets(), inputLengths, targetLengths);
      expect(await mean.item()).toBe(inf);
      mean.backward();
      expect(((await y.grad!.toArray()) as number[][][])[0]![2]![1]).toBeNaN();
    });

    test("the mean divides by the number of labels", async () => {
      const none = Array.from(
        await ctcLoss(logProbs(), targets(), inputLengths, targetLengths, {
          reduction: "none",
          zeroInfinity: true,
        }).data(),
      );
      const mean = ctcLoss(logProbs(), targets(), inputLengths, targetLengths, { zeroInfinity: true });
      expect(await mean.item()).toBeCloseTo((none[0]! / 3 + none[1]! / 2) / 4, 5);
    });

    test("a label that is the blank is a blank", async () => {
      const x = logProbs();
      ctcLoss(x, tensor([[0, 1]], { dtype: "i32", device }).repeat([4, 1]), [4, 4, 4, 4], [2, 2, 2, 2]).backward();
      const dx = (await x.grad!.toArray()) as number[][][];
      for (const step of dx) for (const sample of step) expect(sample.reduce((a, b) => a + b)).toBeCloseTo(-1 / 8, 5);
    });

    test("probabilities of 0, and NaN", async () => {
      const x = tensor([0, minusInf, minusInf, 0, nan, 0], { shape: [2, 1, 3], device, requiresGrad: true });
      const y = (label: number) => tensor([[label]], { dtype: "i32", device });
      const never = ctcLoss(x, y(1), [1], [1], { reduction: "sum" });
      expect(await never.item()).toBe(inf);
      const sure = ctcLoss(x.narrow(0, 0, 1), y(1), [1], [0], { reduction: "sum" });
      sure.backward();
      expect([await sure.item(), await x.grad!.toArray()]).toEqual([expect.closeTo(0), [[[-1, 0, 0]], [[0, 0, 0]]]]);
      expect(await ctcLoss(x, y(1), [2], [1], { reduction: "sum", zeroInfinity: true }).item()).toBeNaN();
    });

    test("the only alignment goes through states that are next to impossible", async () => {
      const labels = [1, 2, 3, 1, 2, 3, 1, 2];
      const x = tensor(
        labels.flatMap(() => [0, -50, -50, -50]),
        { shape: [8, 4], device, requiresGrad: true },
      );
      const loss = ctcLoss(x, tensor(labels, { dtype: "i32", device }), 8, 8, { reduction: "sum" });
      loss.backward();
      expect(await loss.item()).toBe(400);
      const expected = labels.map((label) => [0, 1, 2, 3].map((c) => expect.closeTo(c === label ? -1 : 0, 6)));
      expect(await x.grad!.toArray()).toEqual(expected);
    });

    test("the lowest of floats is a number like others", async () => {
      const options = { reduction: "sum", zeroInfinity: true } as const;
      const loss = (x: Tensor, steps: number) =>
        ctcLoss(x, tensor([[1]], { dtype: "i32", device }), [steps], [1], options);
      const x = tensor([[[0, -LARGEST]]], { device, requiresGrad: true });
      const y = loss(x, 1);
      y.backward();
      expect([await y.item(), await x.grad!.toArray()]).toEqual([LARGEST, [[[expect.closeTo(0), -1]]]]);
      // The only path goes from the label to the blank.
      expect(await loss(tensor([[[0, -LARGEST]], [[0, minusInf]]], { device }), 2).item()).toBe(LARGEST);
    });

    test("labels and lengths that are out of range", async () => {
      const lengths = (values: number[]) => tensor(values, { dtype: "i32", device });
      const wrong = tensor(rows.with(1, [1, 3, 9]), { dtype: "i32", device });
      const x = logProbs();
      const losses = ctcLoss(x, wrong, inputLengths, targetLengths, { reduction: "none" });
      await expect(losses.data()).rejects.toThrow(
        "ctcLoss: targets has 3 at position 4, expected an index from 0 to 2",
      );
      expect((await losses.data())[1]).toBe(0);
      losses.narrow(0, 0, 2).sum().backward();
      expect(((await x.grad!.toArray()) as number[][][]).flatMap((step) => step[1]!)).toEqual(new Array(12).fill(0));
      await expect(
        ctcLoss(
          logProbs(),
          tensor(rows.with(0, [-1, 1, 1]), { dtype: "i32", device }),
          inputLengths,
          targetLengths,
        ).item(),
      ).rejects.toThrow("ctcLoss: targets has -1 at position 0");
      const late = ctcLoss(logProbs(), targets(), lengths([4, 5, 1, 1]), lengths([1, 1, 1, 1]), { reduction: "none" });
      await expect(late.data()).rejects.toThrow(
        "ctcLoss: inputLengths has 5 at position 1, expected an index from 0 to 4",
      );
      expect((await late.data())[1]).toBe(0);
      await expect(
        ctcLoss(logProbs(), targets(), lengths([4, 4, 1, 1]), lengths([1, 1, -1, 1])).item(),
      ).rejects.toThrow("ctcLoss: targetLengths has -1 at position 2, expected an index from 0 to 3");
      await expect(ctcLoss(logProbs(), targets(), lengths([4, 4, 1, 1]), lengths([4, 1, 1, 1])).item()).rejects.toThrow(
        "ctcLoss: targetLengths has 4 at position 0",
      );
    });
  });
}

test("errors", () => {
  const x = zeros([3, 2, 4]);
  const y = zeros([2, 2], { dtype: "i32" });
  expect(() => ctcLoss(zeros([3]), y, [3, 3], [2, 2])).toThrow(
    "ctcLoss: logProbs has shape [3], expected [t, b, classes]",
  );
  expect(() => ctcLoss(x, zeros([2, 2]), [3, 3], [2, 2])).toThrow(
    "ctcLoss: targets has dtype f32, expected i32 or u32",
  );
  expect(() => ctcLoss(x, zeros([3, 2], { dtype: "i32" }), [3, 3], [2, 2])).toThrow("targets has shape [3, 2]");
  expect(() => ctcLoss(x, zeros([2], { dtype: "i32" }), [3, 3], zeros([2], { dtype: "i32" }))).toThrow(
    "ctcLoss: targets has shape [2], expected [b, s], or targetLengths as an array of numbers",
  );
  expect(() => ctcLoss(x, zeros([3], { dtype: "i32" }), [3, 3], [2, 2])).toThrow(
    "targets has 3 labels, expected the sum",
  );
  expect(() => ctcLoss(x, y, [3], [2, 2])).toThrow("inputLengths has 1 numbers, expected 2, one per sample");
  expect(() => ctcLoss(x, y, [3, 4], [2, 2])).toThrow("inputLengths has 4, expected whole numbers from 0 to 3");
  expect(() => ctcLoss(x, y, [3, 3], [2, 0.5])).toThrow("targetLengths has 0.5, expected whole numbers from 0 to 2");
  expect(() => ctcLoss(x, y, zeros([2]), [2, 2])).toThrow("inputLengths has dtype f32, expected i32 or u32");
  expect(() => ctcLoss(x, y, zeros([3], { dtype: "i32" }), [2, 2])).toThrow("inputLengths has shape [3], expected [2]");
  expect(() => ctcLoss(x, y, [3, 3], [2, 2], { blank: 4 })).toThrow("blank is 4, expected a class from 0 to 3");
  expect(() => ctcLoss(x, y, [3, 3], [2, 2], { zero: true } as never)).toThrow('ctcLoss: unknown option "zero"');
});
