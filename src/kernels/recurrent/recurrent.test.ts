import fc from "fast-check";
import { expect, test } from "vitest";
import { type CheckOptions, checkOp, type InputSpec } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { noGrad } from "../../autograd/record.ts";
import { type Choice, UNTUNED } from "../../gpu/tuning.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { type DeviceName, deviceNamed, memory, resetPeakMemory, sync, withDevice } from "../../tensor/device.ts";
import { scope } from "../../tensor/scope.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor, zeros } from "../creation/creation.ts";
import { manualSeed } from "../random/generator.ts";
import { rand, randn } from "../random/random.ts";
import { planRecurrent, type RecurrentShape, recurrentBucket, recurrentCandidates } from "./plan.ts";
import { gru, lstm, type RecurrentOptions, rnn } from "./recurrent.ts";

const NAMES = ["rnn", "lstm", "gru"] as const;
type Name = (typeof NAMES)[number];
const GATES: Record<Name, number> = { rnn: 1, lstm: 4, gru: 3 };

interface Sizes {
  readonly b: number;
  readonly t: number;
  readonly d: number;
  readonly hidden: number;
  readonly lengths?: readonly number[];
}

interface Options {
  readonly reverse?: boolean;
  readonly nonlinearity?: "tanh" | "relu";
  /** Which results to look at; all by default. */
  readonly results?: readonly ("output" | "hidden" | "cell")[];
}

function run(name: Name, x: Tensor, weights: Parameters<typeof rnn>[1], options: RecurrentOptions & { cell?: Tensor }) {
  if (name === "lstm") return lstm(x, weights, options);
  const { cell, ...rest } = options;
  return name === "gru" ? gru(x, weights, rest) : rnn(x, weights, rest);
}

// Checks the results as functions of x, W_ih, W_hh, b_ih, b_hh, h, c and lengths.
function check(name: Name, sizes: Sizes, options: Options = {}, checks: CheckOptions = {}): Promise<void> {
  const { b, t, d, hidden, lengths } = sizes;
  const { results: wanted, ...rest } = options;
  const gates = GATES[name] * hidden;
  const range = [-1.5 / Math.sqrt(hidden), 1.5 / Math.sqrt(hidden)] as const;
  const inputs: (Shape | InputSpec)[] = [
    [b, t, d],
    ...[[gates, d], [gates, hidden], [gates], [gates]].map((shape) => ({ shape, range })),
    ...[[b, hidden], ...(name === "lstm" ? [[b, hidden]] : [])],
    ...(lengths ? [{ shape: [b], dtype: "i32", values: lengths } as const] : []),
  ];
  const op = (...xs: Tensor[]) => {
    const [x, weightIh, weightHh, biasIh, biasHh, h] = xs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    const call = {
      hidden: h,
      ...(name === "lstm" && { cell: xs[6]! }),
      ...(lengths && { lengths: xs.at(-1)! }),
      ...rest,
    };
    const results = run(name, x, { weightIh, weightHh, biasIh, biasHh }, call);
    return Object.entries(results).flatMap(([key, y]) => (!wanted || wanted.includes(key as "output") ? [y] : []));
  };
  return checkOp(op, inputs, checks);
}

for (const name of NAMES) {
  test(`${name}: sequences of one length, forwards and back`, async () => {
    await check(name, { b: 2, t: 3, d: 2, hidden: 4 });
    await check(name, { b: 9, t: 4, d: 5, hidden: 36 }, { reverse: true });
  });

  test(`${name}: sequences of different lengths`, async () => {
    await check(name, { b: 4, t: 4, d: 3, hidden: 8, lengths: [4, 2, 0, 1] });
    await check(name, { b: 4, t: 4, d: 3, hidden: 8, lengths: [1, 0, 4, 3] }, { reverse: true });
    await check(name, { b: 2, t: 3, d: 1, hidden: 4, lengths: [0, 0] });
    await check(name, { b: 2, t: 3, d: 1, hidden: 4, lengths: [1, 2] }); // none as long as the batch
  });

  test(`${name}: states that are no multiple of four`, async () => {
    for (const hidden of [1, 3, 6]) await check(name, { b: 2, t: 2, d: 3, hidden, lengths: [2, 1] });
  });

  test(`${name}: second derivatives`, async () => {
    await check(name, { b: 1, t: 2, d: 1, hidden: 2 }, {}, { second: true });
    await check(name, { b: 2, t: 2, d: 1, hidden: 1, lengths: [2, 1] }, { reverse: true }, { second: true });
  });

  test(`${name}: gradients of some of the results only`, async () => {
    const sizes = { b: 2, t: 3, d: 2, hidden: 4, lengths: [3, 2] };
    await check(name, sizes, { results: ["output"] });
    await check(name, sizes, { results: ["hidden"] });
    if (name === "lstm") await check(name, sizes, { results: ["cell"] });
  });
}

test("rnn with relu", async () => {
  await check("rnn", { b: 2, t: 3, d: 2, hidden: 4, lengths: [3, 2] }, { nonlinearity: "relu" });
  await check("rnn", { b: 1, t: 2, d: 2, hidden: 2 }, { nonlinearity: "relu", reverse: true }, { second: true });
});

// On software adapters, more rows share a workgroup; the cells have no part in this.
test("batches of several workgroups", async () => {
  const lengths = (b: number) => Array.from({ length: b }, (_, i) => (i * 7) % 4);
  for (const b of [17, 33, 130]) await check("rnn", { b, t: 3, d: 2, hidden: 8, lengths: lengths(b) });
});

// A dispatch per step, in which workgroups share the rows' states; and, on GPUs, states longer than a chunk and a workgroup.
test("large states", async () => {
  await check("rnn", { b: 2, t: 2, d: 2, hidden: 300 });
  await check("rnn", { b: 3, t: 3, d: 2, hidden: 132, lengths: [3, 1, 2] }, { reverse: true });
  await check("rnn", { b: 5, t: 2, d: 2, hidden: 364 });
});

test("random sizes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...NAMES),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      fc.option(fc.infiniteStream(fc.nat())),
      fc.integer(),
      (name, b, t, d, hidden, reverse, lengths, seed) => {
        const drawn = lengths && { lengths: [...lengths.take(b)].map((n) => n % (t + 1)) };
        return check(name, { b, t, d, hidden, ...drawn }, { reverse }, { seed });
      },
    ),
    { numRuns: cases(6) },
  ));

const host = async (y: Tensor) => Array.from(await y.data());

function weightsFor(name: Name, d: number, hidden: number) {
  const gates = GATES[name] * hidden;
  const draw = (shape: Shape) => {
    const bound = 1 / Math.sqrt(shape.at(-1)!);
    return rand(shape, { low: -bound, high: bound, requiresGrad: true });
  };
  return { weightIh: draw([gates, d]), weightHh: draw([gates, hidden]), biasIh: draw([gates]), biasHh: draw([gates]) };
}

test.each(NAMES)(
  "%s: a sequence's results are the same to the bit, however padded and beside whomever",
  async (name) => {
    manualSeed(5);
    const [d, hidden] = [1100, 36]; // so long that the product with d is cut into parts, if few rows allow it
    const weights = weightsFor(name, d, hidden);
    const sequence = Float32Array.from(await randn([3, d]).data());
    // More rows are other kernels, which take long to compile and are the same for all cells.
    const batches: readonly (readonly [b: number, t: number, filling: number])[] = [
      [1, 7, Number.NaN],
      [15, 5, Number.POSITIVE_INFINITY],
      ...(name === "rnn"
        ? ([
            [20, 3, 1],
            [40, 4, 7],
          ] as const)
        : []),
    ];
    for (const reverse of [false, true]) {
      const alone = run(name, tensor(sequence, { shape: [1, 3, d] }), weights, { reverse });
      const [output, ...states] = await Promise.all(Object.values(alone).map(host));
      for (const [b, t, filling] of batches) {
        const row = b - 1;
        const values = Float32Array.from(await rand([b * t * d]).data());
        values.fill(filling, row * t * d);
        values.set(sequence, row * t * d);
        const lengths = tensor(new Int32Array(b).fill(t).fill(3, row), { dtype: "i32" });
        const results = run(name, tensor(values, { shape: [b, t, d] }), weights, { lengths, reverse });
        const [ours, ...last] = await Promise.all(Object.values(results).map((y) => host((y as Tensor).at(row))));
        expect(ours).toEqual([...output!, ...new Array((t - 3) * hidden).fill(0)]);
        expect(last).toEqual(states);
      }
    }
  },
);

test.each(NAMES)("%s: padding has no part in gradients, even where it is NaN", async (name) => {
  const weights = weightsFor(name, 2, 4);
  const lengths = tensor([2, 3], { dtype: "i32" });
  const gradients = async (filling: number) => {
    const x = tensor([[[1, 2], [3, 4], [filling, filling]], [[1, 0], [0, 1], [2, 2]]], { requiresGrad: true }); // biome-ignore format: rows
    const { output, hidden } = run(name, x, weights, { lengths });
    output.sum().add(hidden.square().sum()).backward();
    const leaves = [x, ...Object.values(weights)];
    const found = await Promise.all(leaves.map((leaf) => host(leaf.grad!)));
    for (const leaf of leaves) leaf.grad = null;
    return found;
  };
  const expected = await gradients(0);
  expect(expected[0]!.slice(4, 6)).toEqual([0, 0]);
  expect(await gradients(Number.NaN)).toEqual(expected);
});

test.each(NAMES)("%s: NaN in a sequence stays in it, and goes on", async (name) => {
  const x = tensor([[[1], [Number.NaN], [1]], [[1], [1], [1]]]); // biome-ignore format: rows
  const { output } = run(name, x, weightsFor(name, 1, 4), {});
  const isNan = (await host(output)).map(Number.isNaN);
  expect(isNan).toEqual([false, true, false].flatMap((expected, i) => new Array([4, 8, 12][i]!).fill(expected)));
});

test("rnn with relu gives NaN for NaN, and its gradient ends at 0", async () => {
  const x = tensor([[[Number.NaN], [-1]]], { requiresGrad: true });
  const one = tensor([[1]]);
  const { output } = rnn(x, { weightIh: one, weightHh: tensor([[0]]) }, { nonlinearity: "relu" });
  expect(await host(output)).toEqual([Number.NaN, Number.NaN]);
  const y = rnn(tensor([[[-1]]]), { weightIh: one, weightHh: one }, { nonlinearity: "relu" }).output;
  expect(await host(y)).toEqual([0]);
});

test.each(NAMES)("%s: gradients fade to 0, on software adapters without turning subnormal", async (name) => {
  const [t, d] = [300, 4];
  const weights = Object.values(weightsFor(name, d, 8));
  const gradientOn = async (device: DeviceName) => {
    const x = tensor(values, { shape: [1, t, d], device, requiresGrad: true });
    const [weightIh, weightHh, biasIh, biasHh] = await Promise.all(weights.map((w) => w.detach().toDevice(device)));
    run(name, x, { weightIh: weightIh!, weightHh: weightHh!, biasIh: biasIh!, biasHh: biasHh! }, {})
      .hidden.sum()
      .backward();
    return (await host(x.grad!)).map(Math.abs);
  };
  const values = Float32Array.from(await randn([t * d]).data());
  const [ours, expected] = [await gradientOn("webgpu"), await gradientOn("cpu:f64")];
  expect(ours.slice(0, d)).toEqual([0, 0, 0, 0]);
  if (deviceNamed("webgpu").family === "software") expect(ours.filter((g) => g > 0 && g < 2 ** -126)).toEqual([]);
  for (const [i, g] of expected.entries()) if (g > 2 ** -100) expect(ours[i]! / g).toBeCloseTo(1, 3);
});

test("going on from a state gives the bits of one long walk", async () => {
  const weights = weightsFor("lstm", 3, 8);
  const x = randn([2, 6, 3]);
  const whole = lstm(x, weights);
  const start = lstm(x.narrow(1, 0, 2), weights);
  const end = lstm(x.narrow(1, 2, 4), weights, { hidden: start.hidden, cell: start.cell });
  expect(await host(end.cell)).toEqual(await host(whole.cell));
  expect(await host(end.output)).toEqual(await host(whole.output.narrow(1, 2, 4)));
});

test.each(["webgpu", "cpu"] as const)("empty batches and sequences, on %s", async (device) => {
  const { none, still, nothing, hidden } = withDevice(device, () => {
    const weights = weightsFor("lstm", 3, 4);
    const hidden = rand([2, 4], { requiresGrad: true });
    return {
      none: lstm(zeros([0, 5, 3]), weights),
      still: lstm(zeros([2, 0, 3]), weights, { hidden }),
      nothing: lstm(zeros([2, 5, 3]), { weightIh: zeros([0, 3]), weightHh: zeros([0, 0]) }),
      hidden,
    };
  });
  expect(Object.values(none).map((y) => y.shape)).toEqual([
    [0, 5, 4],
    [0, 4],
    [0, 4],
  ]);
  expect(still.output.shape).toEqual([2, 0, 4]);
  expect(nothing.output.shape).toEqual([2, 5, 0]);
  expect(await host(still.hidden)).toEqual(await host(hidden));
  still.hidden.sum().backward();
  expect(await host(hidden.grad!)).toEqual(new Array(8).fill(1));
});

test("a dispatch makes many steps", () => {
  const { counters } = deviceNamed("webgpu") as WebGpuDevice;
  const weights = weightsFor("lstm", 4, 8);
  const before = counters.dispatches;
  scope(() =>
    lstm(rand([4, 100, 4]), weights)
      .hidden.sum()
      .backward(),
  );
  expect(counters.dispatches - before).toBeLessThan(35);
});

test("without a graph, nothing is kept of the steps", async () => {
  const weights = weightsFor("lstm", 4, 32);
  const x = rand([4, 50, 4]);
  const peak = async (walk: () => unknown) => {
    resetPeakMemory();
    const before = memory().liveBytes;
    scope(() => {
      walk();
    });
    await sync();
    return memory().peakBytes - before;
  };
  const state = 4 * 4 * 50 * 32; // bytes of h of all steps
  expect(await peak(() => noGrad(() => lstm(x, weights)))).toBeLessThan(6 * state); // gates, y and what is small
  expect(await peak(() => lstm(x, weights))).toBeGreaterThan(6 * state); // and c
});

test("errors", async () => {
  const weights = weightsFor("lstm", 3, 4);
  const x = zeros([2, 5, 3]);
  expect(() => lstm(zeros([5, 3]), weights)).toThrow("lstm: x has shape [5, 3], expected rank 3");
  expect(() => lstm(zeros([2, 5, 2]), weights)).toThrow("lstm: weightIh has shape [16, 3], expected [16, 2]");
  expect(() => gru(x, weights)).toThrow("gru: weightHh has shape [16, 4], expected [3 * hidden, hidden]");
  expect(() => rnn(x, weights)).toThrow("rnn: weightHh has shape [16, 4], expected [hidden, hidden]");
  expect(() => lstm(x, { ...weights, biasHh: zeros([4]) })).toThrow("lstm: biasHh has shape [4], expected [16]");
  expect(() => lstm(x, weights, { hidden: zeros([2, 3]) })).toThrow("lstm: hidden has shape [2, 3], expected [2, 4]");
  expect(() => lstm(x, weights, { cell: zeros([1, 4]) })).toThrow("lstm: cell has shape [1, 4], expected [2, 4]");
  expect(() => lstm(x, weights, { lengths: tensor([1, 2]) })).toThrow(
    "lstm: lengths has dtype f32, expected i32 or u32",
  );
  expect(() => lstm(x, weights, { lengths: tensor([1], { dtype: "i32" }) })).toThrow(
    "lstm: lengths has shape [1], expected [2]",
  );
  expect(() => lstm(x.to("i32"), weights)).toThrow("lstm: x has dtype i32, expected f32");
  expect(() => lstm(x, weights, { length: 3 } as never)).toThrow(
    'lstm: unknown option "length"; did you mean "lengths"?',
  );
  expect(() => rnn(x, weights, { nonlinearity: "gelu" as never })).toThrow(
    'rnn: nonlinearity is "gelu", expected tanh or relu',
  );
  const elsewhere = withDevice("cpu", () => zeros([2, 4]));
  expect(() => lstm(x, weights, { hidden: elsewhere })).toThrow("lstm: tensors on webgpu and on cpu");
});

test.each(["webgpu", "cpu"] as const)("a length out of range is thrown at the next await, on %s", async (device) => {
  for (const wrong of [6, -1]) {
    const { output } = withDevice(device, () =>
      lstm(zeros([2, 5, 3]), weightsFor("lstm", 3, 4), { lengths: tensor([5, wrong], { dtype: "i32" }) }),
    );
    await expect(output.data()).rejects.toThrow(
      `lstm: lengths has ${wrong} at position 1, expected an index from 0 to 5`,
    );
    // The row counts as empty.
    expect((await output.data()).map((value, i) => Number(i < 20 ? value !== 0 : value === 0))).toEqual(
      new Float32Array(40).fill(1),
    );
  }
});

test("the choice of kernels", () => {
  const software = { family: "software", subgroupSize: 8, tuning: UNTUNED } as const;
  const gpu = { family: "gpu", subgroupSize: 32, tuning: UNTUNED } as const;
  const shape = (b: number, hidden: number) => ({ cell: "lstm", b, t: 64, hidden, gates: 4 });
  const plan = (...[device, of]: [Parameters<typeof planRecurrent>[0], RecurrentShape]) =>
    planRecurrent(device, of, "forward");
  const rows = (b: number) => plan(software, shape(b, 128)).rows;
  expect([1, 16, 17, 32, 33, 500].map(rows)).toEqual([8, 8, 16, 16, 32, 32]);
  expect(plan(software, shape(32, 128))).toMatchObject({ parts: 1, blocks: 4, stepsPerDispatch: 65 });
  expect(plan(software, shape(8, 128))).toMatchObject({ parts: 4, blocks: 1, stepsPerDispatch: 1 });
  expect(plan(software, shape(8, 64))).toMatchObject({ parts: 1, blocks: 2 });
  expect(plan({ ...software, subgroupSize: 4 }, shape(8, 64)).family).toBe("gpu");
  expect(plan(gpu, shape(32, 128))).toMatchObject({ parts: 1, blocks: 1, constants: { THREADS: 128 } });
  expect(plan(gpu, shape(32, 512))).toMatchObject({ parts: 8, blocks: 1, stepsPerDispatch: 1 });
  expect(plan(gpu, { ...shape(32, 300), gates: 1 })).toMatchObject({ blocks: 2, constants: { THREADS: 256 } });
  expect(plan(gpu, { ...shape(32, 64), t: 5000 }).stepsPerDispatch).toBe(1024);
});

test("the choices that can be measured, and when one is used", () => {
  const software = { family: "software", subgroupSize: 8, tuning: UNTUNED } as const;
  const gpu = { family: "gpu", subgroupSize: 32, tuning: UNTUNED } as const;
  const shape = { cell: "lstm", b: 20, t: 60, hidden: 128, gates: 4 };
  expect(recurrentBucket(shape, "backward")).toBe("lstm backward 32x64x128");
  for (const device of [software, gpu]) {
    for (const of of [shape, { ...shape, hidden: 20 }, { ...shape, hidden: 300 }, { ...shape, b: 1 }]) {
      const plans = recurrentCandidates(device, of).map((choice) =>
        planRecurrent({ ...device, tuning: new Map([[recurrentBucket(of, "forward"), choice]]) }, of, "forward"),
      );
      expect(plans[0]).toEqual(planRecurrent(device, of, "forward"));
      expect(plans.length).toBeGreaterThan(2);
      expect(new Set(plans.map((plan) => JSON.stringify(plan))).size).toBe(plans.length);
    }
  }
  const choice = { kernel: "software", rows: 32, isShared: true };
  const tuned = (choice: Choice) => ({ ...software, tuning: new Map([[recurrentBucket(shape, "forward"), choice]]) });
  expect(planRecurrent(tuned(choice), shape, "forward")).toMatchObject({ rows: 32, parts: 4, stepsPerDispatch: 1 });
  expect(planRecurrent(tuned(choice), shape, "backward")).toMatchObject({ rows: 16, parts: 1 });
  for (const wrong of [
    { ...choice, rows: 4 },
    { ...choice, kernel: "gpu", threads: 64 },
    { ...choice, isShared: 1 },
  ]) {
    expect(planRecurrent(tuned(wrong), shape, "forward")).toEqual(planRecurrent(software, shape, "forward"));
  }
  // Large steps are always shared on GPUs, and what is one block is not.
  const kernels = (hidden: number) => recurrentCandidates(gpu, { ...shape, hidden }).map(({ isShared }) => isShared);
  expect(new Set(kernels(1024))).toEqual(new Set([true]));
  expect(new Set(kernels(32))).toEqual(new Set([false]));
});
