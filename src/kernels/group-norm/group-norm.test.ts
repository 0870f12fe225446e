import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CheckedOp, checkOp, type InputSpec } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { checkpoint } from "../../autograd/checkpoint.ts";
import { full, ones, tensor, zeros } from "../creation/creation.ts";
import { rand } from "../random/random.ts";
import { groupNorm } from "./group-norm.ts";
import { type InstanceNormOptions, instanceNorm } from "./instance-norm.ts";

// With a small eps, the gradient of nearly equal values is a difference of numbers that are far larger.
const eps = 0.01;
const inGroups =
  (groups: number): CheckedOp =>
  (x, weight, bias) =>
    groupNorm(x!, groups, weight, bias, { eps });
const ofInstances: CheckedOp = (x, weight, bias) => instanceNorm(x!, null, null, weight, bias, { eps });

// Channels alone and in groups; lines of one and four elements at a time, shorter and longer than a workgroup; no lines.
for (const [shape, groups] of [
  [[2, 6], 3],
  [[3, 4], 1],
  [[2, 4], 4],
  [[2, 6, 4], 2],
  [[2, 6, 3, 3], 3],
  [[1, 4, 65], 2],
  [[2, 2, 3, 20], 1],
  [[3, 8, 64], 4],
  [[2, 4, 9], 2],
  [[4, 160, 3], 40],
  [[0, 4, 3], 2],
  [[2, 0, 3], 1],
  [[2, 4, 0], 2],
] as const) {
  const channels = shape[1];
  test(`groupNorm [${shape}] in ${groups}`, () =>
    checkOp(inGroups(groups), [shape, [channels], [channels]], { second: true }));
}

for (const shape of [
  [2, 3, 2],
  [3, 2, 3, 5],
  [2, 5, 64],
  [1, 3, 65],
  [2, 3, 2, 2, 2],
  [4, 129, 9],
  [0, 3, 4],
  [2, 3, 0],
]) {
  const channels = shape[1]!;
  test(`instanceNorm [${shape}]`, () => checkOp(ofInstances, [shape, [channels], [channels]], { second: true }));
}

// Sums in several parts.
test("groupNorm and instanceNorm of many elements", async () => {
  await checkOp(inGroups(2), [[1, 4, 1300], [4], [4]]);
  await checkOp(inGroups(1), [[2, 2, 1025], [2], [2]]);
  await checkOp(ofInstances, [[2, 1, 5000], [1], [1]]);
});

test("without weight, without bias, without both", async () => {
  const shape = [2, 4, 3];
  await checkOp((x) => groupNorm(x!, 2, null, null, { eps }), [shape], { second: true });
  await checkOp((x, weight) => groupNorm(x!, 2, weight, null, { eps }), [shape, [4]], { second: true });
  await checkOp((x, bias) => instanceNorm(x!, null, null, null, bias, { eps }), [shape, [4]], { second: true });
});

test("groupNorm of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
      fc.integer(),
      (n, groups, perGroup, rest, seed) => {
        // One value alone has the gradient 0, of which rounding leaves a little.
        const channels = groups * (perGroup + Number(rest.every((size) => size === 1)));
        return checkOp(inGroups(groups), [[n, channels, ...rest], [channels], [channels]], { seed });
      },
    ),
    { numRuns: cases(10) },
  ));

// float32 has steps of 1e-3 there, so the mean must not be rounded to it.
test("mean 1e4 and standard deviation 1e-2", async () => {
  const x: InputSpec = { shape: [2, 4, 33], range: [-0.02, 0.02] };
  const options = { offset: [1e4, 0, 0] };
  await checkOp((x, weight, bias) => groupNorm(x!, 2, weight, bias), [x, [4], [4]], options);
  await checkOp((x, weight, bias) => instanceNorm(x!, null, null, weight, bias), [x, [4], [4]], options);
});

test("a NaN or an infinity stays in its group", async () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const x = tensor([1, nan, 2, infinity, 4, 0, 1, 2]).reshape([1, 4, 2]);
  const y = await groupNorm(x, 2).data();
  expect(Array.from(y, Number.isNaN)).toEqual([true, true, true, true, false, false, false, false]);
  const z = await instanceNorm(x).data();
  expect(Array.from(z, Number.isNaN)).toEqual([true, true, true, true, false, false, false, false]);
});

describe("instanceNorm and running statistics", () => {
  test("move towards the samples' average", async () => {
    const x = tensor([1, 3, 2, 4, 5, 7, 0, 8]).reshape([2, 2, 2]); // means 2, 3, 6, 4; unbiased variances 2, 2, 2, 32
    const [runningMean, runningVar] = [zeros([2]), ones([2])];
    instanceNorm(x, runningMean, runningVar, null, null, { momentum: 0.5 });
    expect(await runningMean.data()).toEqual(Float32Array.of(2, 1.75));
    expect(await runningVar.data()).toEqual(Float32Array.of(1.5, 9));
  });

  const withRunning =
    (options: InstanceNormOptions): CheckedOp =>
    (x) => {
      const [runningMean, runningVar] = [full([x!.shape[1]!], 0.5), full([x!.shape[1]!], 2)];
      return [instanceNorm(x!, runningMean, runningVar, null, null, options), runningMean, runningVar];
    };
  for (const shape of [
    [3, 2, 5],
    [1, 70, 4],
    [2, 1, 3000],
  ]) {
    test(`[${shape}]`, () => checkOp(withRunning({ momentum: 0.3 }), [shape], { gradient: false }));
  }

  test("are used where the input's are not", async () => {
    await checkOp(withRunning({ useInputStats: false }), [[3, 2, 5]]);
    const byRunning: CheckedOp = (x, weight, bias) =>
      instanceNorm(x!, full([2], 0.5), full([2], 2), weight, bias, { useInputStats: false });
    await checkOp(byRunning, [[3, 2, 4], [2], [2]], { second: true });
    await checkOp(byRunning, [[3, 2, 1], [2], [2]], { second: true });
  });

  test("stay where there are no samples, and move once in a checkpointed region", async () => {
    const [runningMean, runningVar] = [zeros([1]), ones([1])];
    instanceNorm(zeros([0, 1, 3]), runningMean, runningVar);
    const x = tensor([2, 4], { requiresGrad: true });
    checkpoint(
      (t) => instanceNorm(t.reshape([1, 1, 2]), runningMean, runningVar, null, null, { momentum: 0.5 }).exp(),
      x,
    )
      .sum()
      .backward();
    expect(await runningMean.item()).toBe(1.5);
    expect(await runningVar.item()).toBe(1.5);
  });
});

test("gradients only where they are wanted", () => {
  const x = rand([2, 4, 2]);
  const [weight, bias] = [rand([4]), rand([4], { requiresGrad: true })];
  groupNorm(x, 2, weight, bias).sum().backward();
  expect([x.grad, weight.grad, bias.grad?.shape]).toEqual([null, null, [4]]);
});

test("errors", () => {
  const x = rand([2, 4, 3]);
  const c = () => rand([4]);
  expect(() => groupNorm(rand([4]), 2)).toThrow("groupNorm: x has shape [4], expected [n, channels, ...]");
  expect(() => groupNorm(x, 3)).toThrow("groupNorm: x has shape [2, 4, 3], expected channels that 3 groups divide");
  for (const groups of [0, -2, 1.5]) {
    expect(() => groupNorm(x, groups)).toThrow(`groupNorm: groups is ${groups}, expected a whole number above 0`);
  }
  expect(() => groupNorm(rand([1, 4, 1]), 4)).toThrow(
    "groupNorm: x has shape [1, 4, 1], expected more than one value per group",
  );
  expect(() => groupNorm(x, 2, rand([3]))).toThrow("groupNorm: weight has shape [3], expected [4]");
  expect(() => groupNorm(x, 2, null, c().cast("i32"))).toThrow("groupNorm: bias has dtype i32, expected f32");
  expect(() => groupNorm(x, 2, null, null, { epsilon: 1 } as never)).toThrow('groupNorm: unknown option "epsilon"');
  expect(() => instanceNorm(rand([2, 4]))).toThrow(
    "instanceNorm: x has shape [2, 4], expected more than one value per channel",
  );
  expect(() => instanceNorm(x, c())).toThrow("instanceNorm: runningVar is null, expected a tensor beside runningMean");
  expect(() => instanceNorm(x, null, null, null, null, { useInputStats: false })).toThrow(
    "instanceNorm: runningMean is null, expected a tensor where useInputStats is false",
  );
  expect(() => instanceNorm(x, rand([4], { requiresGrad: true }), c())).toThrow(
    "instanceNorm: runningMean requires a gradient, expected a tensor that is changed in place",
  );
  expect(() => instanceNorm(x, null, null, null, null, { training: true } as never)).toThrow(
    'instanceNorm: unknown option "training"',
  );
});
