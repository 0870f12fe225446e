import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { randn } from "../kernels/random/random.ts";
import { withDevice } from "../tensor/device.ts";
import type { TensorModule } from "./module.ts";
import {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveMaxPool2d,
  AvgPool1d,
  AvgPool2d,
  GlobalAvgPool1d,
  GlobalAvgPool2d,
  MaxPool1d,
  MaxPool2d,
  Upsample,
} from "./pooling.ts";

test("random options pass gradcheck", async () => {
  const pair = (min: number, max: number) =>
    fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })) as fc.Arbitrary<[number, number]>;
  const drawn = fc.record({
    kernel: pair(2, 3),
    stride: fc.integer({ min: 1, max: 3 }),
    padding: fc.nat(1),
    dilation: fc.integer({ min: 1, max: 2 }),
    ceilMode: fc.boolean(),
    countIncludePad: fc.boolean(),
    divisorOverride: fc.constantFrom(null, 3),
    out: pair(1, 6),
    scaleFactor: fc.constantFrom(1.5, 2),
    alignCorners: fc.boolean(),
    n: fc.nat(2), // 0 for no axis of a batch
    size: pair(5, 6),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(drawn, async ({ kernel, out, scaleFactor, alignCorners, n, size, seed, ...options }) => {
      manualSeed(seed);
      const { stride, padding, dilation, ceilMode, countIncludePad, divisorOverride } = options;
      const max = { stride, padding, dilation, ceilMode };
      const avg = { stride, padding, ceilMode, countIncludePad };
      const leading = n > 0 ? [n, 2] : [2];
      const { line, image } = withDevice("cpu:f64", () => ({
        line: randn([...leading, size[0]]),
        image: randn([...leading, ...size]),
      }));
      const ofLines: TensorModule[] = [
        new MaxPool1d(kernel[0], max),
        new AvgPool1d(kernel[0], avg),
        new AdaptiveAvgPool1d(out[0]),
        new GlobalAvgPool1d(),
        ...(n > 0 ? [new Upsample({ size: out[0] }), new Upsample({ scaleFactor, mode: "linear", alignCorners })] : []),
      ];
      const ofImages: TensorModule[] = [
        new MaxPool2d(kernel, max),
        new AvgPool2d(kernel, { ...avg, divisorOverride }),
        new AdaptiveAvgPool2d(out),
        new AdaptiveMaxPool2d([out[0], null]),
        new GlobalAvgPool2d(),
        ...(n > 0 ? [new Upsample({ scaleFactor }), new Upsample({ size: out, mode: "bilinear", alignCorners })] : []),
      ];
      for (const layer of ofLines) await gradcheckModule(layer, [line]);
      for (const layer of ofImages) await gradcheckModule(layer, [image]);
    }),
    { numRuns: cases(5) },
  );
});

test("errors", () => {
  for (const [construct, message] of [
    [() => new MaxPool1d(0), "MaxPool1d: kernelSize is 0, expected a whole number above 0"],
    [() => new MaxPool2d([2, 0.5]), "MaxPool2d: kernelSize is 0.5, expected a whole number above 0"],
    [() => new AvgPool1d(-1), "AvgPool1d: kernelSize is -1, expected a whole number above 0"],
    [() => new AvgPool2d([2, 0]), "AvgPool2d: kernelSize is 0, expected a whole number above 0"],
    [() => new AdaptiveAvgPool1d(0), "AdaptiveAvgPool1d: outputSize is 0, expected a whole number above 0"],
    [() => new AdaptiveAvgPool2d([null, 0]), "AdaptiveAvgPool2d: outputSize is 0, expected a whole number above 0"],
    [() => new AdaptiveMaxPool2d(1.5), "AdaptiveMaxPool2d: outputSize is 1.5, expected a whole number above 0"],
    [
      () => new MaxPool1d(2, { dilatation: 1 } as never),
      'MaxPool1d: unknown option "dilatation"; did you mean "dilation"?',
    ],
    [() => new MaxPool2d(2, { pad: 1 } as never), 'MaxPool2d: unknown option "pad"'],
    [() => new AvgPool1d(2, { dilation: 1 } as never), 'AvgPool1d: unknown option "dilation"'],
    [() => new AvgPool2d(2, { divisor: 1 } as never), 'AvgPool2d: unknown option "divisor"'],
    [() => new Upsample({ factor: 2 } as never), 'Upsample: unknown option "factor"'],
  ] as const) {
    expect(construct).toThrow(message);
  }
});
