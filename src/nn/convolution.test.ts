import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { randn } from "../kernels/random/random.ts";
import { withDevice } from "../tensor/device.ts";
import { Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d } from "./convolution.ts";
import type { TensorModule } from "./module.ts";

test("random options pass gradcheck", async () => {
  const pair = (min: number, max: number) =>
    fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })) as fc.Arbitrary<[number, number]>;
  const drawn = fc.record({
    channels: pair(1, 2),
    groups: fc.integer({ min: 1, max: 2 }),
    kernel: pair(1, 3),
    stride: pair(1, 2),
    dilation: pair(1, 2),
    padding: fc.oneof(pair(0, 2), fc.constantFrom("same" as const, "valid" as const)),
    outputPadding: pair(0, 1),
    paddingMode: fc.constantFrom("zeros" as const, "reflect" as const, "replicate" as const, "circular" as const),
    bias: fc.boolean(),
    n: fc.nat(2), // 0 for no axis of a batch
    size: pair(5, 6),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(drawn, async ({ channels, groups, kernel, stride, dilation, padding, bias, n, size, ...rest }) => {
      manualSeed(rest.seed);
      const [cin, cout] = [channels[0] * groups, channels[1] * groups];
      const leading = n > 0 ? [n, cin] : [cin];
      const step = padding === "same" ? ([1, 1] as const) : stride;
      const around = { paddingMode: rest.paddingMode, groups, bias };
      const first = typeof padding === "string" ? padding : padding[0];
      const removed = typeof padding === "string" ? ([0, 0] as const) : ([0, Math.min(padding[1], 1)] as const);
      const most = ([0, 1] as const).map((axis) =>
        Math.min(rest.outputPadding[axis], Math.max(stride[axis], dilation[axis]) - 1),
      ) as [number, number];
      const { line, image, ofLines, ofImages } = withDevice("cpu:f64", () => ({
        line: randn([...leading, size[0]]),
        image: randn([...leading, ...size]),
        ofLines: [
          new Conv1d(cin, cout, kernel[0], { ...around, stride: step[0], dilation: dilation[0], padding: first }),
          new ConvTranspose1d(cin, cout, kernel[0], {
            stride: stride[0],
            dilation: dilation[0],
            outputPadding: most[0],
            groups,
            bias,
          }),
        ] as TensorModule[],
        ofImages: [
          new Conv2d(cin, cout, kernel, { ...around, stride: step, dilation, padding }),
          new ConvTranspose2d(cin, cout, kernel, {
            stride,
            dilation,
            padding: removed,
            outputPadding: most,
            groups,
            bias,
          }),
        ] as TensorModule[],
      }));
      for (const layer of ofLines) await gradcheckModule(layer, [line]);
      for (const layer of ofImages) await gradcheckModule(layer, [image]);
    }),
    { numRuns: cases(8) },
  );
});

test("parameters have PyTorch's names, shapes and distribution", async () => {
  const shapes = (layer: TensorModule) => [...layer.stateDict()].map(([name, { shape }]) => [name, ...shape]);
  expect(shapes(new Conv1d(4, 6, 3, { groups: 2 }))).toEqual([
    ["weight", 6, 2, 3],
    ["bias", 6],
  ]);
  expect(shapes(new Conv2d(4, 6, [3, 2], { bias: false }))).toEqual([["weight", 6, 4, 3, 2]]);
  expect(shapes(new ConvTranspose1d(4, 6, 3, { groups: 2 }))).toEqual([
    ["weight", 4, 3, 3],
    ["bias", 6],
  ]);
  expect(shapes(new ConvTranspose2d(4, 6, 3))).toEqual([
    ["weight", 4, 6, 3, 3],
    ["bias", 6],
  ]);
  for (const [layer, fanIn] of [
    [new Conv2d(16, 128, 3), 16 * 9],
    [new ConvTranspose2d(128, 16, [2, 4]), 16 * 8],
  ] as const) {
    for (const parameter of [layer.weight, layer.bias!]) {
      const largest = Math.max(...(await parameter.data()).map(Math.abs));
      expect(largest).toBeLessThanOrEqual(Math.fround(1 / Math.sqrt(fanIn)));
      expect(largest).toBeGreaterThan(0.8 / Math.sqrt(fanIn)); // of 16 numbers, all are below once in 36 seeds
    }
  }
});

test("errors", () => {
  const any = (value: unknown) => value as never;
  expect(() => new Conv2d(0, 2, 3)).toThrow("Conv2d: inChannels is 0, expected a whole number above 0");
  expect(() => new Conv1d(2, 2.5, 3)).toThrow("Conv1d: outChannels is 2.5, expected a whole number above 0");
  expect(() => new Conv2d(2, 2, [3, 0])).toThrow(
    "Conv2d: kernelSize is [3, 0], expected a whole number above 0, or two of them",
  );
  expect(() => new Conv1d(2, 2, any([3, 3]))).toThrow("Conv1d: kernelSize is [3, 3], expected a whole number above 0");
  expect(() => new Conv2d(3, 4, 3, { groups: 2 })).toThrow(
    "Conv2d: inChannels has 3 channels, expected a multiple of groups, 2",
  );
  expect(() => new ConvTranspose2d(4, 3, 3, { groups: 2 })).toThrow(
    "ConvTranspose2d: outChannels has 3 channels, expected a multiple of groups, 2",
  );
  expect(() => new Conv2d(2, 2, 3, { stride: 0 })).toThrow("Conv2d: stride is 0");
  expect(() => new Conv2d(2, 2, 3, { dilation: [1, 0] })).toThrow("Conv2d: dilation is [1, 0]");
  expect(() => new Conv2d(2, 2, 3, { padding: -1 })).toThrow("Conv2d: padding is -1");
  expect(() => new Conv2d(2, 2, 3, { padding: any("full") })).toThrow(
    'Conv2d: padding is "full", expected numbers, "same" or "valid"',
  );
  expect(() => new Conv2d(2, 2, 3, { padding: "same", stride: [1, 2] })).toThrow(
    'Conv2d: padding is "same" with a stride of 1, 2, expected a stride of 1',
  );
  expect(() => new Conv1d(2, 2, 3, { paddingMode: any("mirror") })).toThrow(
    'Conv1d: paddingMode is "mirror", expected zeros, reflect, replicate, circular',
  );
  expect(() => new Conv2d(2, 2, 3, any({ paddingmode: "zeros" }))).toThrow(
    'Conv2d: unknown option "paddingmode"; did you mean "paddingMode"?',
  );
  expect(() => new ConvTranspose2d(2, 2, 3, { outputPadding: [-1, 0] })).toThrow(
    "ConvTranspose2d: outputPadding is [-1, 0]",
  );
  expect(() => new ConvTranspose1d(2, 2, 3, { padding: 0.5 })).toThrow("ConvTranspose1d: padding is 0.5");
  expect(() => new ConvTranspose1d(2, 2, 3, any({ paddingMode: "zeros" }))).toThrow(
    'ConvTranspose1d: unknown option "paddingMode"',
  );
});
