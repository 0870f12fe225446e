/** Losses and normalisations against values and gradients that PyTorch computed in float64: fixtures/losses/losses.py. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fromValues, tensor } from "../src/kernels/creation/creation.ts";
import {
  bceLoss,
  bceWithLogitsLoss,
  crossEntropy,
  huberLoss,
  klDivLoss,
  l1Loss,
  layerNorm,
  mseLoss,
  nllLoss,
  smoothL1Loss,
} from "../src/kernels/ops.ts";
import type { DeviceName } from "../src/tensor/device.ts";
import type { DType } from "../src/tensor/dtype.ts";
import type { Shape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

type Options = Readonly<Record<string, unknown>>;

const losses: Record<string, (x: Tensor, target: Tensor, options: Options) => Tensor> = {
  bceLoss,
  bceWithLogitsLoss,
  crossEntropy,
  huberLoss,
  klDivLoss,
  l1Loss,
  mseLoss,
  nllLoss,
  smoothL1Loss,
};

/** Numbers row by row; null is NaN. */
type Numbers = readonly (number | null)[];

interface Case {
  readonly op: string;
  readonly options: Options;
  readonly inputs: readonly { readonly shape: Shape; readonly dtype: DType; readonly values: Numbers }[];
  readonly shape: Shape;
  readonly values: Numbers;
  readonly gradients: readonly (Numbers | null)[];
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(new URL("./fixtures/losses/losses.json", import.meta.url), "utf8"),
);
const plain = (values: Numbers) => values.map((value) => value ?? Number.NaN);

function apply(op: string, [x, y, z]: readonly Tensor[], { normalizedShape, ...options }: Options): Tensor {
  return op === "layerNorm"
    ? layerNorm(x!, normalizedShape as Shape, y ?? null, z ?? null, options)
    : losses[op]!(x!, y!, options);
}

async function check({ op, options, inputs, shape, values, gradients }: Case, device: DeviceName, digits: number) {
  const xs = inputs.map((x, i) =>
    fromValues(op, plain(x.values), x.shape, x.dtype, { device, requiresGrad: gradients[i] !== null }),
  );
  const given = Object.entries(options).map(([name, value]) => [
    name,
    name.toLowerCase().endsWith("weight") && value ? tensor(value as number[], { device }) : value,
  ]);
  const y = apply(op, xs, Object.fromEntries(given));
  expect(y.shape).toEqual(shape);
  const ordinals = values.map((_, i) => i + 1);
  y.backward({ gradient: tensor(ordinals, { device, shape }) });
  const compare = (actual: ArrayLike<number>, expected: Numbers) => {
    for (const [i, value] of plain(expected).entries()) {
      if (Number.isNaN(value)) expect(actual[i]).toBeNaN();
      else expect(actual[i]).toBeCloseTo(value, digits);
    }
  };
  compare(await y.data(), values);
  for (const [i, expected] of gradients.entries()) if (expected) compare(await xs[i]!.grad!.data(), expected);
}

for (const op of new Set(cases.map(({ op }) => op))) {
  test(`${op} is PyTorch's`, async () => {
    for (const one of cases.filter((one) => one.op === op)) {
      try {
        await check(one, "cpu:f64", 10);
        await check(one, "webgpu", 4);
      } catch (cause) {
        throw new Error(`${op} ${JSON.stringify(one.options)}: ${(cause as Error).message}`, { cause });
      }
    }
  });
}
