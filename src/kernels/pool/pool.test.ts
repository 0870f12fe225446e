import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import { type DeviceName, withDevice } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { ones, tensor, zeros } from "../creation/creation.ts";
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  globalAvgPool1d,
  globalAvgPool2d,
} from "./avg-pool.ts";
import { adaptiveMaxPool2d, maxPool1d, maxPool2d, maxPool2dWithIndices } from "./max-pool.ts";

const { NaN: nan, NEGATIVE_INFINITY: lowest, POSITIVE_INFINITY: highest } = Number;

// Windows that fit, in one or two axes: of few elements, and of many.
const windows = fc
  .record({
    leading: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }),
    kernel: fc.constantFrom([2], [5], [2, 2], [3, 2], [2, 5], [4, 4]),
    stride: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 2 }),
    padding: fc.array(fc.nat(2), { minLength: 2, maxLength: 2 }),
    dilation: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
    more: fc.array(fc.nat(6), { minLength: 2, maxLength: 2 }),
    ceilMode: fc.boolean(),
  })
  .map(({ leading, kernel, stride, padding, dilation, more, ceilMode }) => {
    const axes = kernel.length;
    const pads = kernel.map((k, axis) => Math.min(padding[axis]!, Math.floor(k / 2)));
    // No window lies in the padding as a whole.
    const size = kernel.map((k, axis) => {
      const least = (k - 1) * dilation[axis]! + 1 - 2 * pads[axis]!;
      return Math.max(least, dilation[axis]!, 1) + more[axis]!;
    });
    const options = { stride: stride.slice(0, axes), padding: pads, ceilMode };
    return { shape: [...leading, ...size], kernel, options, dilation: dilation.slice(0, axes) };
  });

test("max pooling by any windows", async () => {
  await fc.assert(
    fc.asyncProperty(windows, async ({ shape, kernel, options, dilation }) => {
      const all = { ...options, dilation };
      const pool = (x: Tensor) => (kernel.length === 1 ? maxPool1d(x, kernel[0]!, all) : maxPool2d(x, kernel, all));
      await checkOp((x) => pool(x!), [shape], { second: true });
    }),
    { numRuns: cases(15) },
  );
});

test("average pooling by any windows", async () => {
  const samples = fc.record({
    windows,
    countIncludePad: fc.boolean(),
    divisorOverride: fc.constantFrom(undefined, null, 3, -0.5),
  });
  await fc.assert(
    fc.asyncProperty(samples, async ({ windows: { shape, kernel, options }, countIncludePad, divisorOverride }) => {
      const all = { ...options, countIncludePad };
      const pool = (x: Tensor) =>
        kernel.length === 1
          ? avgPool1d(x, kernel[0]!, all)
          : avgPool2d(x, kernel, { ...all, ...(divisorOverride === undefined ? {} : { divisorOverride }) });
      await checkOp((x) => pool(x!), [shape], { second: true });
    }),
    { numRuns: cases(15) },
  );
});

test("parts of any sizes", async () => {
  const size = fc.integer({ min: 1, max: 9 });
  const samples = fc.record({
    leading: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }),
    from: fc.tuple(size, size),
    to: fc.tuple(size, fc.oneof(size, fc.constant(null))),
  });
  await fc.assert(
    fc.asyncProperty(samples, async ({ leading, from, to }) => {
      const second = true;
      await checkOp((x) => adaptiveAvgPool1d(x!, to[0]), [[...leading, from[0]]], { second });
      await checkOp((x) => adaptiveAvgPool2d(x!, to), [[...leading, ...from]], { second });
      await checkOp((x) => adaptiveMaxPool2d(x!, to), [[...leading, ...from]], { second });
    }),
    { numRuns: cases(12) },
  );
});

// Planes of even sizes have a kernel of their own, in two widths; the others' gradients are gathered for few planes, and added
// up for many. Of larger tensors, a thread of a software adapter takes several elements.
test.each([
  [[3, 2, 2]],
  [[2, 3, 4, 4]],
  [[2, 3, 4, 6]],
  [[1, 2, 6, 130]],
  [[16, 64, 68]],
  [[16, 64, 70]],
  [[2, 3, 4, 5]],
  [[2, 3, 5, 4]],
])("windows of 2 x 2 over [%s]", (shape) => checkOp((x) => maxPool2d(x!, 2), [shape], { second: true }));

test.each([[[3, 60, 61]], [[2, 4, 33, 40]]])("overlapping windows over [%s]", async (shape) => {
  await checkOp((x) => maxPool2d(x!, 3, { stride: 2, padding: 1 }), [shape], { second: true });
  await checkOp((x) => maxPool2d(x!, 4, { stride: 1 }), [shape], { second: true });
  await checkOp((x) => avgPool2d(x!, 3, { stride: 1, padding: 1 }), [shape], { second: true });
  await checkOp((x) => adaptiveAvgPool2d(x!, [50, 7]), [shape], { second: true });
});

test("windows of 2 x 2 that are not side by side, though they are half as many as the elements", async () => {
  for (const shape of [
    [3, 4, 8],
    [4, 4, 6],
  ]) {
    await checkOp((x) => maxPool2d(x!, 2, { dilation: 2, ceilMode: true }), [shape], { second: true });
    await checkOp((x) => maxPool2d(x!, 2, { padding: [1, 0], ceilMode: true }), [shape], { second: true });
    await checkOp((x) => maxPool2d(x!, [2, 3], { stride: 2, ceilMode: true }), [shape], { second: true });
  }
});

test("one window over everything is a mean, unless it has padding", async () => {
  await checkOp((x) => globalAvgPool1d(x!), [[2, 3, 7]], { second: true });
  await checkOp((x) => globalAvgPool2d(x!), [[2, 3, 4, 5]], { second: true });
  await checkOp((x) => avgPool2d(x!, 2, { stride: 3, padding: 1 }), [[2, 3, 2, 2]], { second: true });
  await checkOp((x) => avgPool2d(x!, [4, 5], { divisorOverride: 2 }), [[3, 4, 5]], { second: true });
  expect([globalAvgPool1d(zeros([3, 7])).shape, globalAvgPool2d(zeros([2, 3, 4, 5])).shape]).toEqual([
    [3, 1],
    [2, 3, 1, 1],
  ]);
});

test("no batch", async () => {
  await checkOp((x) => maxPool2d(x!, 2), [[0, 3, 4, 4]], { second: true });
  await checkOp((x) => maxPool2d(x!, 3), [[0, 3, 4, 4]], { second: true });
  await checkOp((x) => avgPool1d(x!, 2), [[2, 0, 4]], { second: true });
  await checkOp((x) => globalAvgPool2d(x!), [[0, 3, 4, 4]], { second: true });
});

const devices: DeviceName[] = ["webgpu", "cpu"];

/** Values, indices, and the gradient for dy = 1, 2, 3, ... */
async function pooled(device: DeviceName, rows: number[][], kernel: number, options = {}) {
  const { values, indices, dx } = withDevice(device, () => {
    const x = tensor([rows], { requiresGrad: true });
    const { values, indices } = maxPool2dWithIndices(x, kernel, options);
    const dy = tensor(Array.from({ length: values.size }, (_, i) => i + 1)).reshape(values.shape);
    return { values, indices, dx: grad([values], [x], { gradOutputs: [dy] })[0]! };
  });
  const plain = async (y: Tensor) => Array.from(await y.data());
  return { values: await plain(values), indices: await plain(indices), dx: await plain(dx) };
}

// The kernel for windows side by side, then the one for all others.
test.each(devices)("of equal elements the first is taken on %s", async (device) => {
  const rows = [
    [1, 1, 0, 2],
    [1, 1, 2, 2],
  ];
  expect(await pooled(device, rows, 2)).toEqual({ values: [1, 2], indices: [0, 3], dx: [1, 0, 0, 2, 0, 0, 0, 0] });
  expect(
    await pooled(
      device,
      rows.map((row) => row.slice(2)),
      2,
    ),
  ).toMatchObject({ values: [2], indices: [1] });
  expect(await pooled(device, rows, 2, { stride: 1 })).toEqual({
    values: [1, 2, 2],
    indices: [0, 6, 3],
    dx: [1, 0, 0, 3, 0, 0, 2, 0],
  });
});

test.each(devices)("NaN comes through, and infinities, on %s", async (device) => {
  const rows = [
    [nan, 3, lowest, lowest, 1, highest, highest, 0],
    [nan, 5, lowest, lowest, highest, nan, highest, highest],
  ];
  for (const columns of [8, 6]) {
    for (const options of [{}, { padding: 1, stride: 2, ceilMode: true }, { stride: 1 }]) {
      const on = (name: DeviceName) =>
        pooled(
          name,
          rows.map((row) => row.slice(8 - columns)),
          2,
          options,
        );
      expect(await on(device)).toEqual(await on("cpu:f64"));
    }
  }
  // Of several NaNs the last, as in PyTorch.
  expect(await pooled(device, rows, 2)).toEqual({
    values: [nan, lowest, nan, highest],
    indices: [8, 2, 13, 6],
    dx: [0, 0, 2, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0, 3, 0, 0],
  });
  expect(await pooled(device, [[nan, 1]], 1)).toMatchObject({ values: [nan, 1], indices: [0, 1] });
  const x = withDevice(device, () => tensor([[nan, 1, 2, highest]]));
  expect(Array.from(await avgPool1d(x, 2).data())).toEqual([nan, highest]);
});

test.each(devices)("a window may lie in the padding, where there is no largest element, on %s", async (device) => {
  const options = { padding: 1, dilation: 3 };
  expect(
    await pooled(
      device,
      [
        [5, 6],
        [7, 8],
      ],
      2,
      options,
    ),
  ).toEqual({
    values: [lowest],
    indices: [-1],
    dx: [0, 0, 0, 0],
  });
  const [dx, ddy] = withDevice(device, () => {
    const x = ones([4, 1, 2], { requiresGrad: true });
    const y = maxPool1d(x, 2, options);
    const dy = ones(y.shape, { requiresGrad: true });
    const dx = grad([y], [x], { gradOutputs: [dy], createGraph: true })[0]!;
    return [dx, grad([dx.mul(3).sum()], [dy])[0]!];
  });
  expect([...(await dx.data()), ...(await ddy.data())]).toEqual(new Array(12).fill(0));
});

test.each(devices)(
  "the second derivative of max pooling takes from where the largest elements are, on %s",
  async (device) => {
    const ddy = withDevice(device, () => {
      // Of the first plane the largest are the last of their windows, of the second one the first.
      const up = Array.from({ length: 36 }, (_, i) => i);
      const x = tensor([...up, ...up.map((value) => -value)], { requiresGrad: true });
      const y = maxPool2d(x.reshape([2, 4, 9]), [2, 3]);
      const dy = ones(y.shape, { requiresGrad: true });
      const dx = grad([y], [x], { gradOutputs: [dy], createGraph: true })[0]!;
      return grad([dx.mul(tensor(Array.from({ length: 72 }, (_, i) => i))).sum()], [dy])[0]!;
    });
    expect(Array.from(await ddy.data())).toEqual([11, 14, 17, 29, 32, 35, 36, 39, 42, 54, 57, 60]);
  },
);

test("errors", () => {
  const image = zeros([2, 3, 4, 5]);
  const line = zeros([3, 4]);
  for (const [call, message] of [
    [() => maxPool2d(line, 2), "maxPool2d: x has shape [3, 4], expected [n, c, h, w] or [c, h, w]"],
    [() => avgPool1d(image, 2), "avgPool1d: x has shape [2, 3, 4, 5], expected [n, c, l] or [c, l]"],
    [() => maxPool1d(zeros([3, 4], { dtype: "i32" }), 2), "maxPool1d: x has dtype i32, expected f32"],
    [() => avgPool2d(zeros([2, 0, 4]), 2), "avgPool2d: x has shape [2, 0, 4], expected elements along its last axes"],
    [() => maxPool2d(image, 0), "maxPool2d: kernelSize is 0, expected a whole number from 1 up, or 2 of them"],
    [
      () => maxPool2d(image, [2, 2, 2]),
      "maxPool2d: kernelSize is [2, 2, 2], expected a whole number from 1 up, or 2 of them",
    ],
    [() => maxPool1d(line, 1.5), "maxPool1d: kernelSize is 1.5, expected a whole number from 1 up"],
    [
      () => maxPool2d(image, 2, { stride: [1, 0] }),
      "maxPool2d: stride is [1, 0], expected a whole number from 1 up, or 2 of them",
    ],
    [() => avgPool1d(line, 2, { padding: -1 }), "avgPool1d: padding is -1, expected a whole number from 0 up"],
    [
      () => maxPool2d(image, [2, 3], { padding: [1, 2] }),
      "maxPool2d: padding is [1, 2], expected at most half of kernelSize [2, 3]",
    ],
    [() => maxPool1d(line, 2, { dilation: 0 }), "maxPool1d: dilation is 0, expected a whole number from 1 up"],
    [
      () => maxPool2d(image, [3, 5], { dilation: 2 }),
      "maxPool2d: x has shape [2, 3, 4, 5], expected at least [5, 9] along the last axes for one window",
    ],
    [
      () => avgPool2d(image, 2, { divisorOverride: 0 }),
      "avgPool2d: divisorOverride is 0, expected a number other than 0",
    ],
    [
      () => adaptiveAvgPool2d(image, [0, 2]),
      "adaptiveAvgPool2d: outputSize is [0, 2], expected a whole number from 1 up, or 2 of them",
    ],
    [
      () => adaptiveMaxPool2d(image, [2]),
      "adaptiveMaxPool2d: outputSize is [2], expected a whole number from 1 up, or 2 of them",
    ],
    [
      () => adaptiveAvgPool1d(zeros([1, 2 ** 17]), 2 ** 16),
      "adaptiveAvgPool1d: x has shape [1, 131072] and outputSize [65536], expected products of their sizes below 2^32",
    ],
    [() => maxPool2d(image, 2, { strides: 2 } as never), 'maxPool2d: unknown option "strides"; did you mean "stride"?'],
    [
      () => maxPool2dWithIndices(image, 2, { ceil: true } as never),
      'maxPool2dWithIndices: unknown option "ceil"; known: stride, padding, dilation, ceilMode',
    ],
    [
      () => avgPool1d(line, 2, { divisorOverride: 2 } as never),
      'avgPool1d: unknown option "divisorOverride"; known: stride, padding, ceilMode, countIncludePad',
    ],
  ] as const) {
    expect(call).toThrow(message);
  }
});
