import { describe, expect, test } from "vitest";
import { randomNumbers } from "../../test/check.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { mul } from "../kernels/elementwise/binary-ops.ts";
import { Parameter } from "../nn/module.ts";
import { type DeviceName, memory, withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import { Adam, type AdamOptions, AdamW } from "./adam.ts";

const SIZES = [1, 63, 64, 65, 200, 3, 130]; // more than one dispatch's four, and none a multiple of the alignment but one

type Options = Pick<AdamOptions, "lr" | "betas" | "eps" | "weightDecay">;

interface Problem {
  weights: number[][];
  gradients: (step: number) => (number[] | null)[];
}

function problem(): Problem {
  const random = randomNumbers(3);
  const weights = SIZES.map((size) => Array.from({ length: size }, () => 2 * random() - 1));
  const gradients = (step: number) => {
    const random = randomNumbers(100 + step);
    // Each gets its first gradient a step after the one before, so that their own step counts matter.
    return SIZES.map((size, i) => (step < i ? null : Array.from({ length: size }, () => random() - 0.5)));
  };
  return { weights, gradients };
}

// PyTorch's documented algorithm in double precision, one parameter at a time.
function expected(steps: number, { lr, betas, eps, weightDecay }: Options, decoupled: boolean): number[][] {
  const { weights, gradients } = problem();
  const state = weights.map((w) => ({ t: 0, m: w.map(() => 0), v: w.map(() => 0) }));
  for (let step = 0; step < steps; step++) {
    for (const [i, gradient] of gradients(step).entries()) {
      if (!gradient) continue;
      const [w, s] = [weights[i]!, state[i]!];
      s.t++;
      for (let k = 0; k < w.length; k++) {
        let g = gradient[k]!;
        if (decoupled) w[k]! -= lr * weightDecay * w[k]!;
        else g += weightDecay * w[k]!;
        s.m[k] = betas[0] * s.m[k]! + (1 - betas[0]) * g;
        s.v[k] = betas[1] * s.v[k]! + (1 - betas[1]) * g * g;
        const mHat = s.m[k]! / (1 - betas[0] ** s.t);
        const vHat = s.v[k]! / (1 - betas[1] ** s.t);
        w[k]! -= (lr * mHat) / (Math.sqrt(vHat) + eps);
      }
    }
  }
  return weights;
}

const defaults: Options = { lr: 1e-2, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 };

describe.each(["webgpu", "cpu", "cpu:f64"] as DeviceName[])("on %s", (device) => {
  test.each([
    ["Adam", Adam, defaults],
    ["Adam with decay", Adam, { ...defaults, weightDecay: 0.1, betas: [0.8, 0.95] as const, eps: 1e-3 }],
    ["AdamW", AdamW, { ...defaults, weightDecay: 0.05 }],
  ] as const)("%s follows its formula for 30 steps", async (_, Optimizer, options) => {
    const { weights, gradients } = problem();
    const parameters = withDevice(device, () => weights.map((w) => new Parameter(tensor(w))));
    const optimizer = new Optimizer(parameters, options);
    for (let step = 0; step < 30; step++) {
      optimizer.zeroGrad();
      withDevice(device, () => {
        for (const [i, g] of gradients(step).entries()) if (g) parameters[i]!.grad = tensor(g);
      });
      optimizer.step();
    }
    const wanted = expected(30, options, Optimizer === AdamW);
    // 30 steps of at most lr each, every one rounded to float32.
    const tolerance = device === "cpu:f64" ? 1e-12 : 2e-6;
    for (const [i, parameter] of parameters.entries()) {
      for (const [k, value] of [...(await parameter.data())].entries()) {
        expect(Math.abs(value - wanted[i]![k]!)).toBeLessThan(tolerance);
      }
    }
  });
});

test("the corrections of the moments are as exact as float32", async () => {
  // 1 - beta1 is about 0.22, where a series for it ends soonest.
  const betas = [0.7796, 0.7796] as const;
  const weight = new Parameter(tensor([0]));
  const adam = new Adam([weight], { lr: 1, betas, eps: 1 });
  weight.grad = tensor([0.5]);
  adam.step();
  expect(Math.abs((await weight.item()) * -3 - 1)).toBeLessThan(6e-7); // -g / (|g| + 1)
});

const parameter = (values: number[]) => new Parameter(tensor(values));

test("a changed learning rate counts from the next step, and groups have their own", async () => {
  const [a, b] = [parameter([1]), parameter([1])];
  const adam = new Adam([{ parameters: [a] }, { parameters: [b], lr: 0.5 }], { lr: 0.1 });
  const step = () => {
    for (const p of [a, b]) p.grad = tensor([1]);
    adam.step();
  };
  step(); // with a constant gradient every step is -lr
  expect([await a.item(), await b.item()].map((x) => x.toFixed(4))).toEqual(["0.9000", "0.5000"]);
  adam.lr = 0.01;
  step();
  expect([await a.item(), await b.item()].map((x) => x.toFixed(4))).toEqual(["0.8900", "0.4900"]);
});

test("a parameter without any gradient keeps its value, and a step without gradients does nothing", async () => {
  const a = parameter([1, 2]);
  const adam = new Adam([a, parameter([3])], { lr: 0.1 });
  adam.step();
  expect(await a.toArray()).toEqual([1, 2]);
});

test("modules compute with what the optimizer changes, through moves and other optimizers", async () => {
  const a = parameter([1]);
  const first = new Adam([a], { lr: 0.1 });
  const second = new Adam([a], { lr: 0.2 });
  for (const optimizer of [first, second, first]) {
    a.grad = tensor([1]);
    optimizer.step();
  }
  expect((await a.item()).toFixed(3)).toBe("0.600");
});

test("a step between a retained forward and its backward is noticed", () => {
  const [a, b] = [parameter([1]), parameter([1])];
  const adam = new Adam([a, b]);
  const loss = mul(a, a).sum();
  b.grad = tensor([1]);
  adam.step(); // changes only b
  loss.backward({ retainGraph: true });
  adam.step();
  expect(() => loss.backward()).toThrow("mul: the saved tensor a of shape [1] was changed in place");
});

test("steps use no more memory", () => {
  const a = parameter([1, 2, 3]);
  const adam = new Adam([a]);
  const step = () =>
    scope(() => {
      adam.zeroGrad();
      mul(a, a).sum().backward();
      adam.step();
    });
  step();
  const before = memory();
  for (let i = 0; i < 20; i++) step();
  expect(memory().liveBytes).toBe(before.liveBytes);
});

test("errors", () => {
  const a = parameter([1]);
  expect(() => new Adam([])).toThrow("Adam: there are no parameters");
  expect(() => new Adam([a, a])).toThrow("Adam: a parameter is listed twice");
  expect(() => new AdamW([{ parameters: [a] }, { parameters: [a] }])).toThrow("AdamW: a parameter is listed twice");
  expect(() => new Adam([a], { learningRate: 1 } as never)).toThrow('Adam: unknown option "learningRate"');
  expect(() => new Adam([a], { betas: [0.9, 1] })).toThrow(
    "Adam: betas is [0.9,1], expected two numbers from 0 up to 1",
  );
  expect(() => new Adam([a], { lr: -1 })).toThrow("Adam: lr is -1, expected 0 or more");
});
