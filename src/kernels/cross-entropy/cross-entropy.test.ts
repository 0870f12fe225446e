import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp, type InputSpec, randomNumbers } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import type { DeviceName } from "../../tensor/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor } from "../creation/creation.ts";
import { rand, randint } from "../random/random.ts";
import { type CrossEntropyOptions, crossEntropy, nllLoss } from "./cross-entropy.ts";

const REDUCTIONS = ["mean", "sum", "none"] as const;

const classNumbers = (shape: Shape, classes: number): InputSpec => ({ shape, dtype: "i32", range: [0, classes] });
const probabilities = (shape: Shape): InputSpec => ({ shape, range: [0, 1] });

const withOptions = (options: CrossEntropyOptions) => (logits?: Tensor, labels?: Tensor) =>
  crossEntropy(logits!, labels!, options);

/** Weights that differ from class to class, where `x` is. */
const weightFor = (x: Tensor, classes: number) =>
  tensor(
    Float32Array.from({ length: classes }, (_, c) => 0.25 + ((7 * c) % 5) / 4),
    { device: x.device },
  );

// One class; rows that a lane takes, up to 64 classes, and rows that a workgroup takes; more rows than a workgroup has lanes.
for (const [n, classes] of [
  [1, 1],
  [5, 3],
  [64, 10],
  [65, 4],
  [3, 64],
  [3, 65],
  [2, 129],
  [2, 130],
  [9, 66],
] as const) {
  test(`crossEntropy [${n}, ${classes}]`, async () => {
    for (const reduction of REDUCTIONS)
      await checkOp(withOptions({ reduction }), [[n, classes], classNumbers([n], classes)], { second: true });
  });
}

for (const shape of [[3], [2, 3, 4], [2, 70, 5], [3, 2, 2, 3], [2, 3, 1]]) {
  const rows = shape.toSpliced(shape.length === 1 ? 0 : 1, 1);
  const classes = shape.length === 1 ? shape[0]! : shape[1]!;
  test(`crossEntropy [${shape}]`, async () => {
    for (const reduction of REDUCTIONS) {
      await checkOp(withOptions({ reduction }), [shape, classNumbers(rows, classes)], { second: true });
      await checkOp(withOptions({ reduction }), [shape, probabilities(shape)], { second: true });
    }
  });
}

test("more rows than all parts have lanes", async () => {
  await checkOp(withOptions({}), [[66_000, 2], classNumbers([66_000], 2)]);
  await checkOp(withOptions({}), [[1100, 65], classNumbers([1100], 65)]);
});

// With everything that a class can count, per lane, per workgroup, and with axes behind the classes.
for (const shape of [
  [4, 3],
  [4, 65],
  [2, 3, 2],
]) {
  for (const reduction of REDUCTIONS) {
    const classes = shape[1]!;
    const hard = { shape: shape.toSpliced(1, 1), dtype: "i32", values: [2, 0, 1, 2] } as const;
    const soft = probabilities(shape);
    const check = (labels: InputSpec, weighted: boolean, options: CrossEntropyOptions, op = crossEntropy) =>
      checkOp(
        (x, y) => op(x!, y!, { ...options, reduction, weight: weighted ? weightFor(x!, classes) : null }),
        [shape, labels],
        { second: true },
      );
    test(`weights, smoothing, ignored rows [${shape}] ${reduction}`, async () => {
      await check(hard, true, { ignoreIndex: 1 });
      await check(hard, true, { ignoreIndex: 1 }, nllLoss);
      await check(hard, true, { ignoreIndex: 1, labelSmoothing: 0.3 });
      await check(hard, false, { labelSmoothing: 1 });
      await check(soft, true, { labelSmoothing: 0.3 });
    });
  }
}

interface Drawn {
  readonly logits: readonly (readonly number[])[];
  /** A class number or probabilities, per row. */
  readonly targets: readonly (number | readonly number[])[];
  readonly weight: readonly number[] | null;
  readonly smoothing: number;
  readonly ignored: number;
}

/** What PyTorch's documentation says of the losses of rows, and of their mean. */
function documented({ logits, targets, weight, smoothing, ignored }: Drawn): { losses: number[]; mean: number } {
  const w = (c: number) => weight?.[c] ?? 1;
  let total = 0;
  let divisor = 0;
  const losses = logits.map((x, n) => {
    const classes = x.length;
    const logSoftmax = x.map((value) => value - Math.log(x.reduce((sum, other) => sum + Math.exp(other), 0)));
    const target = targets[n]!;
    let loss = 0;
    if (typeof target === "number") {
      if (target === ignored) return 0;
      loss = -(1 - smoothing) * w(target) * logSoftmax[target]!;
      for (let c = 0; c < classes; c++) loss -= (smoothing / classes) * w(c) * logSoftmax[c]!;
      divisor += w(target);
    } else {
      for (let c = 0; c < classes; c++)
        loss -= w(c) * ((1 - smoothing) * target[c]! + smoothing / classes) * logSoftmax[c]!;
      divisor += 1;
    }
    total += loss;
    return loss;
  });
  return { losses, mean: total / divisor };
}

test("PyTorch's formulas", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 70 }),
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(0, 0.1, 1),
      fc.integer({ min: 1, max: 2 ** 31 }),
      async (n, classes, soft, weighted, smoothing, seed) => {
        const random = randomNumbers(seed);
        const numbers = (length: number) => Array.from({ length }, () => random());
        const drawn: Drawn = {
          logits: Array.from({ length: n }, () => numbers(classes).map((value) => 6 * value - 3)),
          targets: Array.from({ length: n }, () => (soft ? numbers(classes) : Math.floor(classes * random()))),
          weight: weighted ? numbers(classes).map((value) => value + 0.1) : null,
          smoothing,
          ignored: soft ? -1 : Math.floor(classes * random()),
        };
        const { losses, mean } = documented(drawn);
        const device = "cpu:f64";
        const logits = tensor(drawn.logits as number[][], { device });
        const labels = tensor(drawn.targets as number[], { device, dtype: soft ? "f32" : "i32" });
        const weight = drawn.weight && tensor(drawn.weight as number[], { device });
        const options = { weight, labelSmoothing: smoothing, ignoreIndex: drawn.ignored };
        const each = await crossEntropy(logits, labels, { ...options, reduction: "none" }).data();
        each.forEach((loss, i) => expect(loss).toBeCloseTo(losses[i]!, 9));
        const sum = await crossEntropy(logits, labels, { ...options, reduction: "sum" }).item();
        expect(sum).toBeCloseTo(
          losses.reduce((total, loss) => total + loss, 0),
          9,
        );
        const actual = await crossEntropy(logits, labels, options).item();
        if (Number.isNaN(mean)) expect(actual).toBeNaN();
        else expect(actual).toBeCloseTo(mean, 9);
      },
    ),
    { numRuns: cases(30) },
  ));

const nan = Number.NaN;
const inf = Number.POSITIVE_INFINITY;
const DEVICES: readonly DeviceName[] = ["webgpu", "cpu"];

/** Losses and gradient of rows, without reduction. */
async function each(logits: number[][], labels: Tensor, options: CrossEntropyOptions = {}, op = crossEntropy) {
  const x = tensor(logits, { device: labels.device, requiresGrad: true });
  const losses = op(x, labels, { ...options, reduction: "none" });
  losses.sum().backward();
  return { losses: [...(await losses.data())], dlogits: (await x.grad!.toArray()) as number[][] };
}

const i32 = (values: number[], device: DeviceName) => tensor(values, { dtype: "i32", device });

// Rows of 2 classes are taken by lanes; padded to 66 with logits of no weight, by workgroups.
for (const device of DEVICES) {
  for (const classes of [2, 66]) {
    const pad = (row: number[], value: number) => [...row, ...new Array<number>(classes - row.length).fill(value)];
    const logits = (rows: number[][]) => rows.map((row) => pad(row, -inf));

    test(`logits far apart, ${classes} classes, ${device}`, async () => {
      const rows = logits([
        [1e4, 0],
        [0, 1e4],
        [-1e4, 1e4],
        [1e4, 1e4 + 1],
      ]);
      const { losses, dlogits } = await each(rows, i32([1, 1, 0, 0], device));
      expect(losses.slice(0, 3)).toEqual([1e4, 0, 2e4]);
      expect(losses[3]).toBeCloseTo(Math.log(1 + Math.E), 6);
      expect(dlogits[0]).toEqual(pad([1, -1], 0));
      expect(dlogits[1]).toEqual(pad([0, 0], 0));
      expect(dlogits[2]).toEqual(pad([-1, 1], 0));
      expect(dlogits[3]![1]).toBeCloseTo(Math.E / (1 + Math.E), 6);
    });

    test(`infinite and missing logits, ${classes} classes, ${device}`, async () => {
      const rows = logits([
        [1, -inf],
        [1, -inf],
        [nan, 0],
        [nan, 0],
        [inf, 0],
        [2, 2],
      ]);
      const { losses, dlogits } = await each(rows, i32([0, 1, 1, -100, 0, 0], device));
      expect(losses.slice(0, 5)).toEqual([0, inf, nan, 0, nan]);
      expect(losses[5]).toBeCloseTo(Math.log(2), 6);
      expect(dlogits[0]).toEqual(pad([0, 0], 0));
      expect(dlogits[2]!.slice(0, 2)).toEqual([nan, nan]);
      expect(dlogits[3]).toEqual(pad([0, 0], 0));
      expect(dlogits[5]![0]).toBeCloseTo(-0.5, 6);
    });

    test(`probabilities of 0 where the logit is -Infinity, ${classes} classes, ${device}`, async () => {
      const target = tensor([pad([0.25, 0.75], 0)], { device });
      const { losses, dlogits } = await each(logits([[0, 0]]), target);
      expect(losses[0]).toBeCloseTo(Math.log(2), 6);
      dlogits[0]!.forEach((d, c) => expect(d).toBeCloseTo([0.25, -0.25][c] ?? 0, 6));
    });

    test(`a label that is no class, ${classes} classes, ${device}`, async () => {
      const x = tensor(
        logits([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
        { device },
      );
      for (const label of [classes, -1, -99, 2 ** 31 - 1]) {
        const y = crossEntropy(x, i32([0, -100, label], device), { reduction: "none" });
        await expect(y.data()).rejects.toThrow(
          `crossEntropy: labels has ${label} at position 2, expected an index from 0 to ${classes - 1}`,
        );
        expect((await y.data()).slice(1)).toEqual(Float32Array.of(0, 0));
      }
      await expect(nllLoss(x, i32([0, classes, 0], device)).item()).rejects.toThrow(
        `nllLoss: labels has ${classes} at position 1`,
      );
      await crossEntropy(x, i32([0, 1, 1], device)).data(); // the error was thrown once
    });
  }

  test(`rows that are all ignored, ${device}`, async () => {
    const x = tensor([[1, 2]], { device, requiresGrad: true });
    const labels = i32([-100], device);
    const mean = crossEntropy(x, labels);
    expect(await mean.item()).toBeNaN();
    mean.backward();
    expect(await x.grad!.toArray()).toEqual([[0, 0]]);
    expect(await crossEntropy(x, labels, { reduction: "sum" }).item()).toBe(0);
    expect(await crossEntropy(x, labels, { reduction: "none" }).toArray()).toEqual([0]);
    expect(await crossEntropy(x, i32([0], device), { weight: tensor([0, 1], { device }) }).item()).toBeNaN();
  });

  test(`no rows, ${device}`, async () => {
    const x = tensor([], { shape: [0, 3], device, requiresGrad: true });
    const labels = i32([], device);
    expect(await crossEntropy(x, labels).item()).toBeNaN();
    expect(await crossEntropy(x, labels, { reduction: "sum" }).item()).toBe(0);
    expect(await crossEntropy(x, labels, { reduction: "none" }).toArray()).toEqual([]);
    crossEntropy(x, labels).backward();
    expect(x.grad!.shape).toEqual([0, 3]);
  });

  test(`nllLoss reads the label's entry alone, ${device}`, async () => {
    const labels = i32([1, 0], device);
    const rows = [
      [-inf, -0.5, nan],
      [-inf, 0, 0],
    ];
    const { losses, dlogits } = await each(rows, labels, {}, nllLoss);
    expect(losses).toEqual([0.5, inf]);
    expect(dlogits.map((row) => row.map((d) => d + 0))).toEqual([
      [0, -1, 0],
      [-1, 0, 0],
    ]);
  });
}

test("u32 labels, and two walks over one graph", async () => {
  const x = rand([3, 4], { requiresGrad: true });
  const loss = crossEntropy(x, tensor([3, 0, 1], { dtype: "u32" }));
  expect(await loss.item()).toBe(await crossEntropy(x, i32([3, 0, 1], "webgpu")).item());
  loss.backward({ retainGraph: true });
  const once = await x.grad!.data();
  loss.backward();
  expect(await x.grad!.data()).toEqual(once.map((d) => 2 * d));
});

test("errors", () => {
  const x = rand([4, 3]);
  const labels = randint(0, 3, [4]);
  expect(() => crossEntropy(x, rand([4]))).toThrow("crossEntropy: labels has shape [4], expected [4, 3]");
  expect(() => crossEntropy(x, randint(0, 3, [4, 1]))).toThrow("crossEntropy: labels has shape [4, 1], expected [4]");
  expect(() => crossEntropy(rand([4, 3, 2]), labels)).toThrow("crossEntropy: labels has shape [4], expected [4, 2]");
  expect(() => crossEntropy(x, labels.cast("bool"))).toThrow("crossEntropy: labels has dtype bool");
  expect(() => crossEntropy(x.cast("i32"), labels)).toThrow("crossEntropy: logits has dtype i32, expected f32");
  expect(() => crossEntropy(rand([4, 0]), labels)).toThrow(
    "crossEntropy: logits has shape [4, 0], expected [n, classes, ...] or [classes]",
  );
  expect(() => nllLoss(tensor(1), labels)).toThrow(
    "nllLoss: logProbs has shape [], expected [n, classes, ...] or [classes]",
  );
  expect(() => nllLoss(x, x)).toThrow("nllLoss: labels has dtype f32, expected i32 or u32");
  expect(() => crossEntropy(x, labels, { weight: rand([4]) })).toThrow(
    "crossEntropy: weight has shape [4], expected [3]",
  );
  expect(() => crossEntropy(x, labels, { weight: rand([3], { requiresGrad: true }) })).toThrow(
    "crossEntropy: weight requires a gradient, and the loss gives it none; pass weight.detach()",
  );
  expect(() => crossEntropy(x, labels, { ignoreIndex: 0.5 })).toThrow("crossEntropy: ignoreIndex is 0.5");
  expect(() => crossEntropy(x, x, { ignoreIndex: 1 })).toThrow(
    "crossEntropy: ignoreIndex is 1, but the labels are probabilities",
  );
  expect(() => crossEntropy(x, labels, { labelSmoothing: 2 })).toThrow(
    "crossEntropy: labelSmoothing is 2, expected a number from 0 to 1",
  );
  expect(() => crossEntropy(x, labels, { reduction: "avg" as never })).toThrow(
    'crossEntropy: reduction is "avg", expected mean, sum or none',
  );
  expect(() => nllLoss(x, labels, { labelSmoothing: 0.1 } as never)).toThrow(
    'nllLoss: unknown option "labelSmoothing"',
  );
});
