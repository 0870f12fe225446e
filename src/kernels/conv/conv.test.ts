import fc from "fast-check";
import { expect, test } from "vitest";
import { type CheckOptions, checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { deviceNamed } from "../../tensor/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import { full, tensor, zeros } from "../creation/creation.ts";
import { rand } from "../random/random.ts";
import { type ConvOptions, conv1d, conv2d } from "./conv.ts";
import { type ConvTransposeOptions, convTranspose1d, convTranspose2d } from "./conv-transpose.ts";

function check(x: Shape, weight: Shape, options: ConvOptions = {}, checks: CheckOptions = {}): Promise<void> {
  return checkOp((x, weight, bias) => conv2d(x!, weight!, bias!, options), [x, weight, [weight[0]!]], checks);
}

function checkTransposed(
  x: Shape,
  weight: Shape,
  options: ConvTransposeOptions = {},
  checks: CheckOptions = {},
): Promise<void> {
  const bias = [weight[1]! * (options.groups ?? 1)];
  return checkOp((x, weight, bias) => convTranspose2d(x!, weight!, bias!, options), [x, weight, bias], checks);
}

const second = { second: true };

// --- element by element, since there is little to compute

test("conv2d of small images", async () => {
  await check([2, 3, 3, 4], [2, 3, 2, 3], {}, second);
  await check([1, 1, 1, 1], [1, 1, 1, 1], {}, second);
  await check([1, 2, 4, 3], [2, 2, 3, 2], { padding: [2, 1], stride: [1, 2] }, second);
  await check([1, 2, 5, 4], [2, 1, 2, 2], { dilation: [3, 2], padding: 1, groups: 2 }, second);
  await check([1, 1, 2, 2], [1, 1, 4, 4], { padding: 1 });
  await checkOp(
    (x, weight) => conv2d(x!, weight!),
    [
      [3, 3, 4],
      [2, 3, 2, 3],
    ],
    second,
  );
});

test("convTranspose2d of small images", async () => {
  await checkTransposed([2, 3, 2, 3], [3, 2, 2, 3], {}, second);
  await checkTransposed([1, 2, 3, 2], [2, 2, 3, 2], { padding: [2, 1], stride: [2, 3], outputPadding: [1, 2] }, second);
  await checkTransposed([1, 2, 2, 3], [2, 1, 2, 2], { dilation: [3, 2], groups: 2 }, second);
  await checkTransposed([1, 1, 2, 2], [1, 2, 1, 2], { stride: 3 }); // gaps that no tap reaches
  await checkOp(
    (x, weight) => convTranspose2d(x!, weight!),
    [
      [3, 3, 4],
      [3, 2, 2, 3],
    ],
    second,
  );
});

test("conv1d and convTranspose1d", async () => {
  const options = { stride: 2, dilation: 2, groups: 2 };
  await checkOp((x, w, b) => conv1d(x!, w!, b!, { ...options, padding: 2 }), [[2, 4, 5], [2, 2, 3], [2]], second);
  await checkOp(
    (x, w, b) => convTranspose1d(x!, w!, b!, { ...options, outputPadding: 1 }),
    [[2, 4, 3], [4, 1, 2], [2]],
    second,
  );
  await checkOp(
    (x, weight) => conv1d(x!, weight!),
    [
      [2, 5],
      [3, 2, 2],
    ],
    second,
  );
  await checkOp(
    (x, weight) => convTranspose1d(x!, weight!),
    [
      [2, 5],
      [2, 3, 2],
    ],
    second,
  );
  await checkOp((x, w, b) => conv1d(x!, w!, b!, { padding: "same" }), [[2, 9, 24], [20, 9, 4], [20]]);
});

test('padding "same" keeps the size, with what is odd at the end', async () => {
  for (const [kernel, dilation] of [
    [4, 1],
    [3, 3],
    [2, 3],
  ] as const) {
    const y = conv1d(tensor([[1, 2, 3, 4, 5, 6]]), full([1, 1, kernel], 1), null, { padding: "same", dilation });
    const wide = dilation * (kernel - 1);
    const left = Math.floor(wide / 2);
    const at = (i: number) => (i >= 0 && i < 6 ? i + 1 : 0);
    const expected = Array.from({ length: 6 }, (_, i) =>
      Array.from({ length: kernel }, (_, k) => at(i - left + k * dilation)).reduce((a, b) => a + b),
    );
    expect(await y.toArray()).toEqual([expected]);
  }
  await check([1, 2, 4, 5], [2, 2, 2, 4], { padding: "same", dilation: [1, 2] }, second);
  expect(conv2d(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), null, { padding: "valid" }).shape).toEqual([1, 1, 2, 2]);
});

// --- as matrix products. Each layout is a pipeline, which takes a second to compile on a software adapter and longer in the other family.

// Edges of the tiles: one position, channel or column more and less than they have; planes that are a multiple of four, or not.
test.each([
  [[2, 9, 8, 9], [10, 9, 3, 3], { padding: 1 }],
  [[3, 8, 5, 7], [33, 8, 3, 2], { padding: [1, 0] }],
  [[1, 33, 6, 6], [31, 33, 1, 1], {}],
  [[2, 8, 8, 8], [64, 8, 2, 2], {}],
  [[5, 4, 4, 4], [32, 4, 2, 4], { padding: 2, dilation: [2, 1] }],
  [[2, 7, 11, 9], [12, 7, 3, 4], { stride: [2, 3], padding: [2, 3], dilation: [1, 2] }],
  [[2, 8, 9, 9], [16, 8, 2, 2], { stride: 3 }], // gaps, and what is left over at the end
  [[2, 24, 6, 5], [30, 8, 3, 3], { groups: 3, padding: 1 }],
] as [Shape, Shape, ConvOptions][])("conv2d [%s] [%s] %j", (x, weight, options) => check(x, weight, options));

test.each([
  [[2, 9, 5, 6], [9, 10, 3, 3], { stride: 2, padding: 1, outputPadding: 1 }],
  [[2, 20, 4, 5], [20, 8, 2, 2], { stride: 2 }],
  [[2, 12, 5, 5], [12, 9, 3, 3], { stride: 2, dilation: 2, groups: 2 }],
  [[2, 8, 6, 6], [8, 12, 3, 3], { padding: 2 }],
] as [Shape, Shape, ConvTransposeOptions][])("convTranspose2d [%s] [%s] %j", (x, weight, options) =>
  checkTransposed(x, weight, options),
);

// Few channels: the taps of a row become channels.
test.each([
  [[2, 1, 12, 12], [32, 1, 3, 3], { padding: 1 }],
  [[2, 3, 9, 11], [20, 3, 3, 5], { stride: 2, padding: [1, 2] }],
  [[2, 2, 8, 12], [24, 2, 2, 3], { dilation: [2, 3], padding: 3 }],
] as [Shape, Shape, ConvOptions][])("conv2d of few channels, [%s] [%s] %j", (x, weight, options) =>
  check(x, weight, options),
);

test("conv2d channel by channel", async () => {
  await check([2, 40, 9, 7], [40, 1, 3, 3], { groups: 40, padding: 1 });
  await check([1, 20, 9, 8], [40, 1, 3, 3], { groups: 20, stride: 2, padding: 1 });
});

// The weight's gradient is a sum of four parts, which begin and end within images.
test("conv2d of many positions", async () => {
  await check([3, 16, 13, 60], [32, 8, 1, 2], { groups: 2 });
  await check([3, 2, 13, 60], [4, 1, 1, 2], { groups: 2 }); // element by element
});

test("conv2d of empty tensors", async () => {
  await check([0, 2, 4, 4], [3, 2, 2, 2]);
  await check([0, 16, 8, 8], [32, 16, 3, 3]);
  await check([2, 0, 4, 4], [3, 0, 2, 2]); // the bias
  await check([2, 2, 4, 4], [0, 2, 2, 2]);
  await check([1, 2, 0, 4], [3, 2, 2, 2], { padding: 1 });
  await check([2, 16, 0, 8], [32, 16, 1, 3], { padding: 1 });
  await checkTransposed([0, 2, 4, 4], [2, 3, 2, 2]);
  await checkTransposed([2, 0, 4, 4], [0, 3, 2, 2], { stride: 2 });
});

test("conv2d of drawn shapes and options", () => {
  const side = fc.record({
    size: fc.integer({ min: 1, max: 9 }),
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    padding: fc.integer({ min: 0, max: 3 }),
    outputPadding: fc.nat(2),
  });
  const drawn = fc.record({
    n: fc.integer({ min: 1, max: 3 }),
    groups: fc.integer({ min: 1, max: 3 }),
    ci: fc.integer({ min: 1, max: 12 }),
    co: fc.integer({ min: 1, max: 12 }),
    vertical: side,
    horizontal: side,
    seed: fc.integer(),
  });
  return fc.assert(
    fc.asyncProperty(drawn, async ({ n, groups, ci, co, vertical, horizontal, seed }) => {
      const both = <K extends keyof typeof vertical>(name: K) => [vertical[name], horizontal[name]] as const;
      const [stride, dilation, padding, kernel, size] = [
        both("stride"),
        both("dilation"),
        both("padding"),
        both("kernel"),
        both("size"),
      ];
      const options = { stride, dilation, padding, groups };
      const wide = [0, 1].map((axis) => dilation[axis]! * (kernel[axis]! - 1) + 1);
      if ([0, 1].every((axis) => size[axis]! + 2 * padding[axis]! >= wide[axis]!)) {
        await check([n, groups * ci, ...size], [groups * co, ci, ...kernel], options, { seed });
      }
      const outputPadding = ([0, 1] as const).map((axis) =>
        Math.min(both("outputPadding")[axis], Math.max(stride[axis], dilation[axis]) - 1),
      ) as unknown as readonly [number, number];
      if ([0, 1].every((axis) => (size[axis]! - 1) * stride[axis]! - 2 * padding[axis]! + wide[axis]! > 0)) {
        await checkTransposed(
          [n, groups * ci, ...size],
          [groups * ci, co, ...kernel],
          { ...options, outputPadding },
          { seed },
        );
      }
    }),
    { numRuns: cases(12) },
  );
});

test("a NaN and an infinity stay in the windows that see them", async () => {
  const nan = Number.NaN;
  const inf = Number.POSITIVE_INFINITY;
  for (const channels of [1, 12]) {
    // Above 8192 products with 12 channels.
    const values = new Float32Array(channels * 64).fill(1);
    values[(channels - 1) * 64 + 9] = nan; // row 1, column 1
    values[(channels - 1) * 64 + 63] = inf;
    const x = tensor(values, { shape: [1, channels, 8, 8] });
    const y = (await conv2d(x, full([12, channels, 3, 3], 1)).data()).subarray(0, 36);
    const expected = Array.from({ length: 36 }, (_, p) => {
      const [row, col] = [Math.floor(p / 6), p % 6];
      return row <= 1 && col <= 1 ? nan : row === 5 && col === 5 ? inf : 9 * channels;
    });
    expect([...y]).toEqual(expected);
  }
});

// Every axis of what is packed has elements that nobody may use: channels and columns up to a multiple of four, positions behind a plane.
test("what lies beside the elements of an operand is not used", async () => {
  const nan = Number.NaN;
  const x = rand([2, 5, 7, 9], { requiresGrad: true });
  const weight = rand([9, 5, 3, 3], { requiresGrad: true });
  const y = conv2d(x, weight, null, { padding: 1 });
  y.backward({ gradient: rand(y.shape) });
  for (const values of [y, x.grad!, weight.grad!]) expect((await values.data()).some(Number.isNaN)).toBe(false);

  // The last image's last position alone.
  const dy = new Float32Array(2 * 9 * 63);
  dy[dy.length - 1] = nan;
  const w = rand([9, 5, 3, 3], { requiresGrad: true });
  const z = conv2d(x, w, null, { padding: 1 });
  z.backward({ gradient: tensor(dy, { shape: z.shape }) });
  const wrong = (await w.grad!.data()).subarray(0, 8 * 45);
  expect(wrong.some(Number.isNaN)).toBe(false);
});

test("a NaN stays in its group, in the gradient of the weight, too", async () => {
  const [n, channels, plane] = [2, 16, 6 * 8];
  const isFirstGroup = (i: number) => Math.floor(i / plane) % channels < channels / 2;
  const x = tensor(Float32Array.from({ length: n * channels * plane }, (_, i) => (isFirstGroup(i) ? 1 : Number.NaN)));
  const weight = rand([60, 8, 2, 2], { requiresGrad: true });
  conv2d(x.reshape([n, channels, 6, 8]), weight, null, { groups: 2 })
    .sum()
    .backward();
  const gradient = await weight.grad!.data();
  // 5 x 7 positions of 2 samples.
  expect(gradient.map(Number.isNaN as never)).toEqual(gradient.map((_, i) => Number(i >= gradient.length / 2)));
});

test("gradients are computed only where they are wanted", () => {
  const { counters } = deviceNamed("webgpu") as WebGpuDevice;
  const x = rand([1, 2, 4, 4]);
  const weight = rand([2, 2, 3, 3], { requiresGrad: true });
  const y = conv2d(x, weight);
  const before = counters.dispatches;
  y.backward({ gradient: y.detach() });
  expect(counters.dispatches - before).toBe(1);
  expect(x.grad).toBe(null);
});

test("nothing is left of the scratch", () => {
  const device = deviceNamed("webgpu");
  const [x, weight] = [rand([2, 16, 7, 7], { requiresGrad: true }), rand([33, 16, 3, 3], { requiresGrad: true })];
  const before = device.memory.storages;
  const y = conv2d(x, weight);
  expect(device.memory.storages - before).toBe(1);
  y.backward({ gradient: y.detach() });
  expect(device.memory.storages - before).toBe(3);
});

test("errors", () => {
  const any = (value: unknown) => value as never;
  const x = zeros([2, 4, 5, 6]);
  const weight = zeros([6, 4, 3, 3]);
  const throws = (run: () => unknown, message: string) => expect(run).toThrow(message);
  throws(() => conv2d(zeros([4, 5]), weight), "conv2d: x has shape [4, 5], expected [n, c, h, w] or [c, h, w]");
  throws(() => conv1d(x, weight), "conv1d: x has shape [2, 4, 5, 6], expected [n, c, l] or [c, l]");
  throws(() => conv2d(x, zeros([6, 4, 3])), "conv2d: weight has shape [6, 4, 3], expected [co, c / groups, kh, kw]");
  throws(
    () => convTranspose1d(zeros([2, 3]), weight),
    "convTranspose1d: weight has shape [6, 4, 3, 3], expected [c, co / groups, k]",
  );
  throws(() => conv2d(x, zeros([6, 4, 3, 0])), "conv2d: weight has shape [6, 4, 3, 0], expected kernel sizes above 0");
  throws(
    () => conv2d(x, zeros([6, 3, 3, 3])),
    "conv2d: weight has shape [6, 3, 3, 3], expected [6, 4, 3, 3] for x of shape [2, 4, 5, 6] and groups 1",
  );
  throws(
    () => conv2d(x, weight, null, { groups: 2 }),
    "conv2d: weight has shape [6, 4, 3, 3], expected [6, 2, 3, 3] for x of shape [2, 4, 5, 6] and groups 2",
  );
  throws(
    () => convTranspose2d(x, weight),
    "convTranspose2d: weight has shape [6, 4, 3, 3], expected [4, 4, 3, 3] for x of shape [2, 4, 5, 6]",
  );
  throws(() => conv2d(x, weight, null, { groups: 3 }), "conv2d: x has 4 channels, expected a multiple of groups, 3");
  throws(
    () => conv2d(x, zeros([5, 2, 3, 3]), null, { groups: 2 }),
    "conv2d: weight has 5 channels, expected a multiple of groups, 2",
  );
  throws(() => conv2d(x, weight, null, { groups: 0 }), "conv2d: groups is 0, expected a whole number above 0");
  throws(() => conv2d(x, weight, zeros([4])), "conv2d: bias has shape [4], expected [6]");
  throws(
    () => convTranspose2d(x, zeros([4, 3, 2, 2]), zeros([4]), { groups: 2 }),
    "convTranspose2d: bias has shape [4], expected [6]",
  );
  throws(
    () => conv2d(x, zeros([6, 4, 6, 3])),
    "conv2d: weight has shape [6, 4, 6, 3], which with its dilation spans [6, 3], expected at most the padded x, [5, 6]",
  );
  throws(
    () => conv1d(zeros([4, 5]), zeros([6, 4, 3]), null, { dilation: 4, padding: 1 }),
    "conv1d: weight has shape [6, 4, 3], which with its dilation spans [9], expected at most the padded x, [7]",
  );
  throws(
    () => conv2d(x, weight, null, { padding: any("some") }),
    'conv2d: padding is "some", expected numbers, "same" or "valid"',
  );
  throws(
    () => conv2d(x, weight, null, { padding: "same", stride: [1, 2] }),
    'conv2d: padding is "same" with a stride of 1, 2, expected a stride of 1',
  );
  throws(
    () => conv1d(zeros([4, 5]), zeros([6, 4, 3]), null, { padding: "same", stride: 2 }),
    'conv1d: padding is "same" with a stride of 2, expected a stride of 1',
  );
  throws(
    () => conv2d(x, weight, null, { stride: 0 }),
    "conv2d: stride is 0, expected a whole number above 0, or two of them",
  );
  throws(
    () => conv2d(x, weight, null, { dilation: any([1, 2, 3]) }),
    "conv2d: dilation is [1, 2, 3], expected a whole number above 0, or two of them",
  );
  throws(
    () => conv2d(x, weight, null, { padding: [0, -1] }),
    "conv2d: padding is [0, -1], expected a whole number from 0 up, or two of them",
  );
  throws(
    () => conv1d(zeros([4, 5]), zeros([6, 4, 3]), null, { stride: any([1, 1]) }),
    "conv1d: stride is [1, 1], expected a whole number above 0",
  );
  throws(
    () => convTranspose2d(x, zeros([4, 3, 2, 2]), null, { stride: 2, outputPadding: 2 }),
    "convTranspose2d: outputPadding is 2, expected less than the stride or the dilation, 2",
  );
  throws(
    () => convTranspose2d(x, zeros([4, 3, 1, 2]), null, { padding: [3, 3] }),
    "convTranspose2d: x has shape [2, 4, 5, 6], of which [-1, 1] would be left",
  );
  throws(() => conv2d(x, weight, null, any({ pading: 1 })), 'conv2d: unknown option "pading"; did you mean "padding"?');
  throws(
    () => convTranspose2d(x, zeros([4, 3, 2, 2]), null, any({ strides: 1 })),
    'convTranspose2d: unknown option "strides"; did you mean "stride"?',
  );
  throws(() => conv2d(x.cast("i32"), weight), "conv2d: x has dtype i32, expected f32");
  throws(() => conv2d(x, weight, zeros([6], { dtype: "i32" })), "conv2d: bias has dtype i32, expected f32");
  throws(() => conv2d(x, zeros([6, 4, 3, 3], { device: "cpu" })), "conv2d: tensors on webgpu and on cpu");
});
