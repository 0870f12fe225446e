import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CheckedOp, checkOp, type InputSpec } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { checkpoint } from "../../autograd/checkpoint.ts";
import { withDevice } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { full, ones, tensor, zeros } from "../creation/creation.ts";
import { groupNorm } from "../group-norm/group-norm.ts";
import { rand, randn } from "../random/random.ts";
import { type BatchNormOptions, batchNorm } from "./batch-norm.ts";

// With a small eps, the gradient of nearly equal values is a difference of numbers that are far larger.
const soft = { training: true, eps: 0.01 };
const training: CheckedOp = (x, weight, bias) => batchNorm(x!, null, null, weight, bias, soft);

const withRunning =
  (options: BatchNormOptions): CheckedOp =>
  (x) => {
    const [runningMean, runningVar] = [full([x!.shape[1]!], 0.5), full([x!.shape[1]!], 2)];
    const y = batchNorm(x!, runningMean, runningVar, null, null, { training: true, ...options });
    return [y, runningMean, runningVar];
  };

// Lines read in single elements, in fours, and in fours at whose borders they do not begin; shorter and longer than a
// workgroup of both families, in which walks go round once and several times a step.
const shapes = [
  [2, 3, 4],
  [3, 2, 1, 5],
  [4, 1, 8],
  [2, 5, 3, 3],
  [3, 4, 63],
  [2, 3, 64],
  [2, 1, 65],
  [2, 2, 11], // a lane without an element comes before one of a single element
  [2, 2, 5, 26],
  [1, 3, 260],
  [9, 2, 2],
  [40, 1, 4],
  [7, 3, 12],
  [4, 3, 9],
  [2, 6, 25],
  [3, 4, 39],
];
for (const shape of shapes) {
  const [, channels] = shape as [number, number];
  test(`batchNorm [${shape}]`, () => checkOp(training, [shape, [channels], [channels]], { second: true }));
}

// Rows: a channel alone, channels one by one and in fours, and more rows than one part has.
for (const shape of [
  [2, 1],
  [3, 5],
  [6, 8],
  [40, 3],
  [33, 260],
  [1100, 2],
  [700, 4],
]) {
  const [, channels] = shape as [number, number];
  test(`batchNorm of rows [${shape}]`, () => checkOp(training, [shape, [channels], [channels]], { second: true }));
}

// Sums in several parts.
for (const shape of [
  [5, 1, 1700],
  [3, 2, 2049],
  [70, 1, 100],
]) {
  const [, channels] = shape as [number, number];
  test(`batchNorm of many elements per channel [${shape}]`, () => checkOp(training, [shape, [channels], [channels]]));
}

// Sums with few terms are a thread's each, where there are many.
for (const shape of [
  [2, 513, 2],
  [3, 516, 9],
  [1, 640, 4],
]) {
  const channels = shape[1]!;
  test(`batchNorm of many channels [${shape}]`, () => checkOp(training, [shape, [channels], [channels]]));
}

// What group norm needs of the kernels: several samples, and several channels in a set.
test("sets of several channels", () =>
  checkOp((x, weight, bias) => groupNorm(x!, 3, weight, bias, { eps: 0.01 }), [[2, 6, 5], [6], [6]]));

describe("batchNorm without weight, without bias, without both", () => {
  const parts: [string, (shape: number[]) => [CheckedOp, number[][]]][] = [
    ["neither", (shape) => [(x) => batchNorm(x!, null, null, null, null, soft), [shape]]],
    ["no bias", (shape) => [(x, w) => batchNorm(x!, null, null, w, null, soft), [shape, [3]]]],
    ["no weight", (shape) => [(x, b) => batchNorm(x!, null, null, null, b, soft), [shape, [3]]]],
  ];
  for (const [name, make] of parts) {
    test(name, async () => {
      for (const shape of [
        [4, 3],
        [2, 3, 6],
      ]) {
        const [op, inputs] = make(shape);
        await checkOp(op, inputs, { second: true });
      }
    });
  }
});

describe("batchNorm by running statistics", () => {
  const evaluation: CheckedOp = (x, weight, bias) => {
    const runningMean = tensor([0.5, -1, 2, 0], { device: x!.device });
    const runningVar = tensor([1, 4, 0.25, 2], { device: x!.device });
    return batchNorm(x!, runningMean, runningVar, weight, bias, { eps: 0.01 });
  };
  for (const shape of [
    [3, 4],
    [1, 4],
    [2, 4, 1, 1],
    [2, 4, 5],
    [3, 4, 2, 32],
    [0, 4, 2],
  ]) {
    test(`[${shape}]`, () => checkOp(evaluation, [shape, [4], [4]], { second: true }));
  }

  test("weight alone, bias alone, neither", async () => {
    const [mean, variance] = [
      [0.5, -1],
      [1, 4],
    ] as const;
    const running = ({ device }: Tensor) => [tensor([...mean], { device }), tensor([...variance], { device })] as const;
    await checkOp((x, w) => batchNorm(x!, ...running(x!), w), [[3, 2, 4], [2]], { second: true });
    await checkOp((x, b) => batchNorm(x!, ...running(x!), null, b), [[3, 2, 4], [2]], { second: true });
    await checkOp((x) => batchNorm(x!, ...running(x!)), [[3, 2, 4]], { second: true });
  });

  test("they stay as they are", async () => {
    const [runningMean, runningVar] = [tensor([1, 2]), tensor([3, 4])];
    batchNorm(rand([3, 2]), runningMean, runningVar);
    expect([await runningMean.data(), await runningVar.data()]).toEqual([Float32Array.of(1, 2), Float32Array.of(3, 4)]);
    expect([runningMean.storage.version, runningVar.storage.version]).toEqual([1, 1]);
  });

  test("a later step of training does not spoil the gradient", async () => {
    const [runningMean, runningVar] = [tensor([1, 2]), tensor([3, 4])];
    const x = tensor([[1, 2]], { requiresGrad: true });
    const y = batchNorm(x, runningMean, runningVar, null, null, { eps: 0 });
    batchNorm(rand([3, 2]), runningMean, runningVar, null, null, { training: true });
    y.sum().backward();
    expect(await x.grad!.data()).toEqual(Float32Array.of(1 / Math.sqrt(3), 0.5));
  });
});

// float32 has steps of 1e-3 there, so the mean must not be rounded to it.
describe("batchNorm with mean 1e4 and standard deviation 1e-2", () => {
  const own: CheckedOp = (x, weight, bias) => batchNorm(x!, null, null, weight, bias, { training: true });
  for (const shape of [
    [8, 3],
    [5, 3, 7],
    [2, 3, 300],
  ]) {
    const x: InputSpec = { shape, range: [-0.02, 0.02] };
    test(`[${shape}]`, () => checkOp(own, [x, [3], [3]], { offset: [1e4, 0, 0] }));
  }
  test("whose first element is far from the others", () =>
    checkOp(own, [{ shape: [3, 1, 4], values: [1e4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }, [1], [1]]));
  test("of equal values gives the bias and finite gradients", () =>
    checkOp(own, [{ shape: [3, 2, 2], values: [3, 3, 0, 0, 3, 3, 0, 0, 3, 3, 0, 0] }, [2], [2]]));
});

test("batchNorm of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer(),
      async ([n, c, ...rest], momentum, seed) => {
        const shape = [n! + Number(rest.every((size) => size === 1)), c!, ...rest]; // never one value per channel
        await checkOp(training, [shape, [c!], [c!]], { seed });
        await checkOp(withRunning({ momentum }), [shape], { seed, gradient: false });
      },
    ),
    { numRuns: cases(8) },
  ));

describe("running statistics", () => {
  const batches = [
    [
      [1, 2],
      [3, 6],
    ],
    [
      [5, 0],
      [7, 4],
    ],
  ];

  for (const shape of [
    [70, 6],
    [9, 8],
    [3, 2, 2049],
  ]) {
    test(`of [${shape}]`, () => checkOp(withRunning({ momentum: 0.3 }), [shape], { gradient: false }));
  }

  test("move by momentum towards the mean and the unbiased variance", async () => {
    const [runningMean, runningVar] = [zeros([2]), ones([2])];
    for (const batch of batches)
      batchNorm(tensor(batch), runningMean, runningVar, null, null, { training: true, momentum: 0.25 });
    expect(await runningMean.data()).toEqual(Float32Array.of(0.75 * 0.5 + 0.25 * 6, 0.75 * 1 + 0.25 * 2));
    expect(await runningVar.data()).toEqual(Float32Array.of(0.75 * 1.25 + 0.25 * 2, 0.75 * 2.75 + 0.25 * 8));
  });

  test("are the average of all batches where momentum is null", async () => {
    const [runningMean, runningVar] = [zeros([2]), ones([2])];
    const numBatchesTracked = zeros([], { dtype: "i32" });
    const options = { training: true, momentum: null, numBatchesTracked };
    for (const batch of batches) batchNorm(tensor(batch), runningMean, runningVar, null, null, options);
    expect(await numBatchesTracked.item()).toBe(2);
    expect(await runningMean.data()).toEqual(Float32Array.of(4, 3));
    expect(await runningVar.data()).toEqual(Float32Array.of(2, 8));
  });

  test("batches are counted with a momentum too, and only in training", async () => {
    const numBatchesTracked = tensor([7], { dtype: "i32" }).reshape([]);
    const running = [zeros([2]), ones([2]), null, null] as const;
    batchNorm(rand([3, 2, 4]), ...running, { training: true, numBatchesTracked });
    batchNorm(rand([3, 2]), ...running, { numBatchesTracked });
    expect(await numBatchesTracked.item()).toBe(8);
  });

  test("changes are seen by who saved them", () => {
    const [runningMean, runningVar] = [zeros([2]), ones([2])];
    const w = rand([2], { requiresGrad: true });
    const loss = w.mul(runningMean).add(w.mul(runningVar)).sum();
    batchNorm(rand([3, 2]), runningMean, runningVar, null, null, { training: true });
    expect(() => loss.backward()).toThrow("was changed in place after the forward pass");
  });

  test("a batch without elements changes nothing", async () => {
    const [runningMean, runningVar] = [zeros([2]), ones([2])];
    const numBatchesTracked = zeros([], { dtype: "i32" });
    const options = { training: true, momentum: null, numBatchesTracked };
    const weight = rand([2], { requiresGrad: true });
    const y = batchNorm(zeros([0, 2, 3]), runningMean, runningVar, weight, null, options);
    y.sum().backward();
    expect(y.shape).toEqual([0, 2, 3]);
    expect(await weight.grad!.data()).toEqual(Float32Array.of(0, 0));
    expect(await runningMean.data()).toEqual(Float32Array.of(0, 0));
    expect(await numBatchesTracked.item()).toBe(0);
  });

  test("move once in a checkpointed region", async () => {
    const [runningMean, runningVar] = [zeros([2]), ones([2])];
    const numBatchesTracked = zeros([], { dtype: "i32" });
    const options = { training: true, momentum: null, numBatchesTracked };
    const x = tensor(batches[0]!, { requiresGrad: true });
    checkpoint((t) => batchNorm(t, runningMean, runningVar, null, null, options).exp(), x)
      .sum()
      .backward();
    expect(await numBatchesTracked.item()).toBe(1);
    expect(await runningMean.data()).toEqual(Float32Array.of(2, 4));
    expect(x.grad).not.toBeNull();
  });
});

for (const shape of [
  [0, 3],
  [0, 3, 4],
  [2, 3, 0],
  [2, 0, 4],
  [3, 0],
]) {
  const channels = shape[1]!;
  test(`batchNorm of nothing [${shape}]`, () => checkOp(training, [shape, [channels], [channels]], { second: true }));
}

test("batchNorm keeps a NaN or an infinity in its channel", async () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  for (const family of ["rows", "columns"]) {
    const values = [
      [1, nan, 1],
      [2, 2, infinity],
      [3, 3, 3],
    ];
    const x = tensor(values);
    const y = batchNorm(family === "rows" ? x.transpose(0, 1).reshape([1, 3, 3]) : x, null, null, null, null, {
      training: true,
    });
    const rows = (await (family === "rows" ? y.reshape([3, 3]) : y.transpose(0, 1)).toArray()) as number[][];
    expect(rows[0]![1]).toBeCloseTo(0, 6);
    expect(rows.slice(1)).toEqual([
      [nan, nan, nan],
      [nan, nan, nan],
    ]);
  }
});

test("batchNorm lets no NaN or infinity into the channel that begins in the same four elements", async () => {
  for (const channels of [4, 516]) {
    const values = new Float32Array(channels * 9).map((_, i) => i % 5);
    values[17] = Number.NaN; // the last of channel 1
    values[27] = Number.POSITIVE_INFINITY; // the first of channel 3
    const x = tensor(values, { shape: [1, channels, 9], requiresGrad: true });
    const y = batchNorm(x, null, null, null, null, { training: true });
    y.backward({ gradient: rand(x.shape) });
    for (const found of [await y.data(), await x.grad!.data()]) {
      const odd = new Set(
        Array.from(found.keys())
          .filter((i) => !Number.isFinite(found[i]))
          .map((i) => Math.floor(i / 9)),
      );
      expect([...odd]).toEqual([1, 3]);
    }
  }
});

test("batchNorm gives gradients only where they are wanted", () => {
  const x = rand([2, 3, 2]);
  const [weight, bias] = [rand([3], { requiresGrad: true }), rand([3])];
  batchNorm(x, null, null, weight, bias, { training: true }).sum().backward();
  expect([x.grad, weight.grad?.shape, bias.grad]).toEqual([null, [3], null]);
});

test("errors", () => {
  const x = rand([2, 3, 4]);
  const c = () => rand([3]);
  expect(() => batchNorm(rand([3]), c(), c())).toThrow("batchNorm: x has shape [3], expected [n, channels, ...]");
  expect(() => batchNorm(x, c(), c(), rand([4]))).toThrow("batchNorm: weight has shape [4], expected [3]");
  expect(() => batchNorm(x, c(), c(), null, rand([3, 1]))).toThrow("batchNorm: bias has shape [3, 1], expected [3]");
  expect(() => batchNorm(x, rand([2]), c())).toThrow("batchNorm: runningMean has shape [2], expected [3]");
  expect(() => batchNorm(x, c(), rand([2]))).toThrow("batchNorm: runningVar has shape [2], expected [3]");
  expect(() => batchNorm(x.cast("i32"), c(), c())).toThrow("batchNorm: x has dtype i32, expected f32");
  expect(() => batchNorm(x, c(), c().cast("i32"))).toThrow("batchNorm: runningVar has dtype i32, expected f32");
  expect(() => batchNorm(x)).toThrow("batchNorm: runningMean is null, expected a tensor where training is false");
  expect(() => batchNorm(x, c())).toThrow("batchNorm: runningVar is null, expected a tensor beside runningMean");
  expect(() => batchNorm(x, null, c())).toThrow("batchNorm: runningMean is null, expected a tensor beside runningVar");
  expect(() => batchNorm(x, c(), randn([3], { requiresGrad: true }))).toThrow(
    "batchNorm: runningVar requires a gradient, expected a tensor that is changed in place",
  );
  for (const shape of [
    [1, 3],
    [1, 3, 1, 1],
  ]) {
    expect(() => batchNorm(rand(shape), null, null, null, null, { training: true })).toThrow(
      `batchNorm: x has shape [${shape.join(", ")}], expected more than one value per channel in training`,
    );
  }
  expect(() => batchNorm(x, c(), c(), null, null, { training: true, momentum: null })).toThrow(
    "batchNorm: numBatchesTracked is null, expected a tensor where momentum is null",
  );
  expect(() => batchNorm(x, c(), c(), null, null, { numBatchesTracked: zeros([1], { dtype: "i32" }) })).toThrow(
    "batchNorm: numBatchesTracked has shape [1], expected []",
  );
  expect(() => batchNorm(x, c(), c(), null, null, { numBatchesTracked: zeros([]) })).toThrow(
    "batchNorm: numBatchesTracked has dtype f32, expected i32",
  );
  expect(() => batchNorm(x, withDevice("cpu", c), c())).toThrow("batchNorm: tensors on webgpu and on cpu");
  expect(() => batchNorm(x, c(), c(), null, null, { trainig: true } as never)).toThrow(
    'batchNorm: unknown option "trainig"; did you mean "training"?',
  );
});
