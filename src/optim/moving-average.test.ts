import { describe, expect, test } from "vitest";
import { randomNumbers } from "../../test/check.ts";
import { checkedDevices } from "../../test/devices.ts";
import { noGrad } from "../autograd/record.ts";
import type { WebGpuDevice } from "../gpu/webgpu.ts";
import { parseState, serializeState } from "../io/index.ts";
import { copyFrom } from "../kernels/assign/assign.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { mul } from "../kernels/elementwise/binary-ops.ts";
import { Buffer, Module, Parameter } from "../nn/module.ts";
import { capture } from "../tensor/capture.ts";
import { type DeviceName, deviceNamed, memory, withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Adam } from "./adam.ts";
import { ExponentialMovingAverage, type MovingAverageOptions } from "./moving-average.ts";

const SIZES = [4, 1, 64, 65, 130, 3, 8, 0, 256, 12];

class Weights extends Module {
  readonly list: Parameter[];
  readonly mean = new Buffer(zeros([3]));
  readonly count = new Buffer(zeros([1], { dtype: "i32" }));

  constructor(weights: readonly number[][]) {
    super();
    this.list = weights.map((w) => new Parameter(tensor(w, { shape: [w.length], dtype: "f32" })));
  }

  override forward(x: Tensor): Tensor {
    return mul(x, this.list[0]!);
  }
}

function draw(seed: number): number[][] {
  const random = randomNumbers(seed);
  return SIZES.map((size) => Array.from({ length: size }, () => Math.fround(2 * random() - 1)));
}

function setWeights(module: Weights, values: readonly number[][]): void {
  noGrad(() => {
    for (const [i, p] of module.list.entries()) copyFrom(p, Float32Array.from(values[i]!));
  });
}

async function valuesOf(tensors: Iterable<Tensor>): Promise<number[][]> {
  const values: number[][] = [];
  for (const t of tensors) values.push([...(await t.data())]);
  return values;
}

function expected(steps: number, { decay, warmup }: Partial<MovingAverageOptions>): number[][] {
  const averages = draw(0);
  for (let t = 0; t < steps; t++) {
    const d = warmup ? Math.min(decay!, (1 + t) / (10 + t)) : decay!;
    for (const [i, w] of draw(1 + t).entries())
      w.forEach((x, k) => (averages[i]![k] = d * averages[i]![k]! + (1 - d) * x));
  }
  return averages;
}

describe.each(["webgpu", "cpu", "cpu:f64"] as DeviceName[])("on %s", (name) => {
  test.each([{ decay: 0.9 }, { decay: 0.5, warmup: true }, { decay: 0.99, warmup: true }, { decay: 1 }, { decay: 0 }])(
    "averages with %o",
    async (options) => {
      const main = deviceNamed(name);
      for (const device of name === "webgpu" ? await checkedDevices(main as WebGpuDevice) : [main]) {
        const module = withDevice(device, () => new Weights(draw(0)));
        const average = new ExponentialMovingAverage(module, options);
        for (let t = 0; t < 12; t++) {
          setWeights(module, draw(1 + t));
          average.update();
        }
        const weights = await valuesOf(module.list);
        const actual = await average.apply(() => valuesOf(module.list));
        expect(await valuesOf(module.list)).toEqual(weights);
        for (const [i, values] of expected(12, options).entries()) {
          values.forEach((value, k) =>
            expect(Math.abs(actual[i]![k]! - value)).toBeLessThan(name === "cpu:f64" ? 1e-14 : 5e-7),
          );
        }
        if (name === "webgpu") await (device as WebGpuDevice).checkGuards();
      }
    },
  );
});

test("averages what an optimizer changes, and stays apart from it", async () => {
  const train = async (withAverage: boolean) => {
    const module = new Weights(draw(0));
    const adam = new Adam(module.parameters(), { lr: 0.1 });
    const average = withAverage ? new ExponentialMovingAverage(module, { decay: 0.9 }) : null;
    for (let t = 0; t < 5; t++) {
      scope(() => {
        adam.zeroGrad();
        for (const p of module.list) mul(p, p).sum().backward();
        adam.step();
      });
      average?.update();
      if (t === 2) await average?.apply(() => valuesOf(module.list));
    }
    return { weights: await valuesOf(module.list), averages: await average?.apply(() => valuesOf(module.list)) };
  };
  const { weights, averages } = await train(true);
  expect(weights).toEqual((await train(false)).weights);
  expect(averages).not.toEqual(weights);
});

test("swap exchanges weights and averages in place, also where the module's output was made before", async () => {
  const module = new Weights([[1]]);
  const average = new ExponentialMovingAverage(module, { decay: 0.5 });
  setWeights(module, [[3]]);
  average.update();
  const before = module.forward(tensor([1]));
  average.swap();
  expect(await module.forward(tensor([10])).item()).toBe(20);
  expect(await before.item()).toBe(3);
  average.swap();
  expect(await module.forward(tensor([10])).item()).toBe(30);
});

test("apply gives the result of what it runs, and the weights back whatever happens", async () => {
  const module = new Weights([[1]]);
  const average = new ExponentialMovingAverage(module);
  setWeights(module, [[3]]);
  const weight = () => module.list[0]!.item();
  expect(average.apply(() => 5)).toBe(5);
  expect(await average.apply(weight)).toBe(1);
  expect(await weight()).toBe(3);
  const fails = () => {
    throw new Error("no");
  };
  expect(() => average.apply(fails)).toThrow("no");
  expect(await weight()).toBe(3);
  await expect(average.apply(async () => fails())).rejects.toThrow("no");
  expect(await weight()).toBe(3);
});

test("buffers are averaged if asked for, those of integers are left", async () => {
  for (const buffers of [false, true]) {
    const module = new Weights([[1]]);
    const average = new ExponentialMovingAverage(module, { decay: 0.75, buffers });
    noGrad(() => {
      copyFrom(module.mean, [4, 8, 0]);
      copyFrom(module.count, [7]);
    });
    average.update();
    const [mean, count] = await average.apply(() => valuesOf([module.mean, module.count]));
    expect(mean).toEqual(buffers ? [1, 2, 0] : [4, 8, 0]);
    expect(count).toEqual([7]);
    expect([...average.stateDict().keys()]).toEqual([
      "average.list.0",
      ...(buffers ? ["average.mean"] : []),
      "updates",
    ]);
  }
});

test("what it remembers passes through a file and goes on in the same bits", async () => {
  const module = new Weights(draw(0));
  const options = { decay: 0.9, warmup: true };
  const average = new ExponentialMovingAverage(module, options);
  const goOn = (average: ExponentialMovingAverage, from: number, to: number) => {
    for (let t = from; t < to; t++) {
      setWeights(module, draw(t));
      average.update();
    }
  };
  goOn(average, 0, 4);
  const bytes = await serializeState(average.stateDict());
  goOn(average, 4, 7);
  const other = new ExponentialMovingAverage(module, options);
  other.loadStateDict(parseState(bytes));
  goOn(other, 4, 7);
  const [ofAverage, ofOther] = [average.stateDict(), other.stateDict()];
  expect(await ofOther.get("updates")!.item()).toBe(7);
  expect(await valuesOf(ofOther.values())).toEqual(await valuesOf(ofAverage.values()));
});

test("a captured update goes on in the same bits, warm-up and all", async () => {
  const run = async (wrap: (step: (x: Tensor) => Tensor) => (x: Tensor) => Tensor) => {
    const module = new Weights([[1, 2, 3, 4], [5]]);
    const average = new ExponentialMovingAverage(module, { decay: 0.6, warmup: true });
    const step = wrap((x) => {
      noGrad(() => copyFrom(module.list[0]!, x));
      average.update();
      return x.clone();
    });
    for (let t = 0; t < 20; t++) {
      average.options.decay = t === 18 ? 0.9 : 0.6;
      step(tensor([t, -t, 2 * t, 1])).dispose();
    }
    return average.apply(() => valuesOf(module.list));
  };
  expect(await run(capture)).toEqual(await run((step) => step));
});

test("updates use no more memory", () => {
  const module = new Weights(draw(0));
  const average = new ExponentialMovingAverage(module);
  average.update();
  const before = memory().liveBytes;
  for (let t = 0; t < 5; t++) {
    average.options.decay = 0.9 + t / 100;
    average.update();
    average.swap();
    average.swap();
  }
  expect(memory().liveBytes).toBe(before);
});

test("errors", () => {
  const module = new Weights([[1]]);
  const refuses = (options: object, message: string) =>
    expect(() => new ExponentialMovingAverage(module, options)).toThrow(`ExponentialMovingAverage: ${message}`);
  refuses({ decay: 1.5 }, "decay is 1.5, expected a number from 0 to 1");
  refuses({ warmUp: true }, 'unknown option "warmUp"; did you mean "warmup"?');
  refuses({ buffers: 1 }, "buffers is 1, expected true or false");
  expect(() => new ExponentialMovingAverage(new Weights([]))).toThrow("the module has no parameters");
  const average = new ExponentialMovingAverage(module);
  expect(() => average.loadStateDict(new Map([["average.list.0", tensor([1, 2])]]))).toThrow(
    "ExponentialMovingAverage.loadStateDict: average.list.0 has shape [2], expected [1]; updates is missing",
  );
  average.swap();
  const swapped = "weights and averages are exchanged; swap() them back first";
  expect(() => average.update()).toThrow(`ExponentialMovingAverage.update: ${swapped}`);
  expect(() => average.apply(() => 0)).toThrow(`ExponentialMovingAverage.apply: ${swapped}`);
  expect(() => average.stateDict()).toThrow(`ExponentialMovingAverage.stateDict: ${swapped}`);
  expect(() => average.loadStateDict(new Map())).toThrow(`ExponentialMovingAverage.loadStateDict: ${swapped}`);
});
