import { describe, expect, test } from "vitest";
import { autocast } from "../autograd/autocast.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { crossEntropy, maxPool2d, relu } from "../kernels/ops.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { Conv2d, Flatten, Linear, Module, Sequential, Tanh } from "../nn/index.ts";
import { Parameter } from "../nn/module.ts";
import { clipGradNorm } from "../nn/utils.ts";
import { capture } from "../tensor/capture.ts";
import { type DeviceName, withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import * as optim from "./index.ts";
import { Adam, GradScaler, type GradScalerOptions, type ScaledOptimizer, SGD } from "./index.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const DEVICES: DeviceName[] = ["webgpu", "cpu", "cpu:f64"];

/** Parameters of two sizes, of which each gradient is what `gradientOf` is given, times the scale. */
function weights(device: DeviceName): Parameter[] {
  return withDevice(device, () => [new Parameter(tensor([1, -2, 3, 4])), new Parameter(tensor([0.5, 0.25, -1]))]);
}

function backward([p, q]: readonly Parameter[], gradients: readonly number[], scaler: GradScaler): void {
  scope(() => {
    const { device } = p!;
    const given = (values: readonly number[]) => tensor([...values], { device });
    scaler
      .scale(
        p!
          .mul(given(gradients.slice(0, 4)))
          .sum()
          .add(q!.mul(given(gradients.slice(4))).sum()),
      )
      .backward();
  });
}

function makeScaler(device: DeviceName, options: Partial<GradScalerOptions> = {}): GradScaler {
  return withDevice(device, () => new GradScaler(options));
}

const GOOD = [0.5, -1, 2, 0.125, 1, 3, -0.25];
const BAD = { inf: GOOD.with(1, inf), minus: GOOD.with(6, -inf), nan: GOOD.with(4, nan) };

async function valuesOf(tensors: Iterable<Tensor>): Promise<number[][]> {
  return Promise.all(Array.from(tensors, async (x) => Array.from(await x.data())));
}

describe.each(DEVICES)("on %s", (device) => {
  test("the scale goes the way of PyTorch's rule", async () => {
    const ps = weights(device);
    const sgd = new SGD(ps);
    const scaler = makeScaler(device, { initScale: 8, growthInterval: 3, backoffFactor: 0.25, growthFactor: 4 });
    const seen: number[][] = [];
    for (const gradients of [GOOD, GOOD, GOOD, BAD.inf, GOOD, BAD.minus, BAD.nan, GOOD, GOOD, GOOD, GOOD]) {
      sgd.zeroGrad();
      backward(ps, gradients, scaler);
      scaler.step(sgd);
      scaler.update();
      seen.push([await scaler.getScale(), await scaler.stateDict().get("growth_tracker")!.item()]);
    }
    // By hand, of _amp_update_scale_: three good steps in a row let it grow, a bad one shrink it and starts the count again.
    expect(seen).toEqual([
      ...[
        [8, 1],
        [8, 2],
        [32, 0],
      ],
      ...[
        [8, 0],
        [8, 1],
        [2, 0],
        [0.5, 0],
      ],
      ...[
        [0.5, 1],
        [0.5, 2],
        [2, 0],
        [2, 1],
      ],
    ]);
  });

  test("gradients come out as without a scale, to the bit", async () => {
    const ps = weights(device);
    const adam = new Adam(ps);
    const scaler = makeScaler(device);
    backward(ps, GOOD, scaler);
    expect((await valuesOf(ps.map(({ grad }) => grad!))).flat()).toEqual(GOOD.map((g) => 65_536 * g));
    scaler.unscale(adam);
    expect((await valuesOf(ps.map(({ grad }) => grad!))).flat()).toEqual(GOOD);
  });

  // Each optimizer with every state it can have.
  test.each([
    ["SGD", (ps) => new optim.SGD(ps, { momentum: 0.9, weightDecay: 0.1 })],
    ["SGD without momentum", (ps) => new optim.SGD(ps)],
    ["Adam", (ps) => new optim.Adam(ps, { amsgrad: true })],
    ["AdamW", (ps) => new optim.AdamW(ps)],
    ["NAdam", (ps) => new optim.NAdam(ps)],
    ["RAdam", (ps) => new optim.RAdam(ps)],
    ["Adamax", (ps) => new optim.Adamax(ps)],
    ["RMSprop", (ps) => new optim.RMSprop(ps, { momentum: 0.5, centered: true })],
    ["Adagrad", (ps) => new optim.Adagrad(ps, { lrDecay: 0.1 })],
    ["Adadelta", (ps) => new optim.Adadelta(ps)],
    ["Lion", (ps) => new optim.Lion(ps)],
  ] as [string, (ps: Parameter[]) => ScaledOptimizer & Pick<Adam, "stateDict" | "zeroGrad">][])(
    "a step that is left out changes nothing of %s",
    async (_, make) => {
      const run = async (steps: readonly (readonly number[])[]) => {
        const ps = weights(device);
        const optimizer = make(ps);
        const scaler = makeScaler(device, { backoffFactor: 0.5 });
        for (const gradients of steps) {
          optimizer.zeroGrad();
          backward(ps, gradients, scaler);
          scaler.step(optimizer);
          scaler.update();
        }
        return valuesOf([...ps, ...optimizer.stateDict().tensors.values()]);
      };
      const twice = GOOD.map((g) => 2 * g);
      expect(await run([BAD.nan, GOOD, BAD.inf, BAD.minus, twice])).toEqual(await run([GOOD, twice]));
    },
  );

  test("clipping between unscale and step, gradients of two batches", async () => {
    const [plain, scaled] = [weights(device), weights(device)];
    const scaler = makeScaler(device);
    const none = makeScaler(device, { enabled: false });
    for (const [ps, by] of [
      [plain, none],
      [scaled, scaler],
    ] as const) {
      const adam = new Adam(ps, { lr: 0.1 });
      for (let step = 0; step < 3; step++) {
        adam.zeroGrad();
        backward(ps, GOOD, by);
        backward(ps, GOOD, by);
        by.unscale(adam);
        const norm = clipGradNorm(ps, 1);
        expect(await norm.item()).toBeCloseTo(2 * Math.hypot(...GOOD), 5);
        by.step(adam);
        by.update();
      }
    }
    expect(await valuesOf(scaled)).toEqual(await valuesOf(plain));
  });

  test("of two optimizers, the one whose gradients are finite takes its step", async () => {
    const [p, q] = weights(device) as [Parameter, Parameter];
    const [first, second] = [new SGD([p], { lr: 1 }), new SGD([q], { lr: 1 })];
    const scaler = makeScaler(device, { initScale: 4 });
    for (const [gradients, scale, changed] of [
      [BAD.inf, 2, [false, true]],
      [BAD.nan, 1, [true, false]],
      [GOOD, 1, [true, true]],
    ] as const) {
      const before = await valuesOf([p, q]);
      for (const optimizer of [first, second]) optimizer.zeroGrad();
      backward([p, q], gradients, scaler);
      for (const optimizer of [first, second]) scaler.step(optimizer);
      scaler.update();
      const isChanged = (await valuesOf([p, q])).map((values, i) => String(values) !== String(before[i]));
      expect(isChanged).toEqual(changed);
      expect(await scaler.getScale()).toBe(scale);
    }
  });

  test("the state goes into a dict and back", async () => {
    const ps = weights(device);
    const sgd = new SGD(ps);
    const [from, to] = [makeScaler(device, { growthInterval: 2 }), makeScaler(device, { growthInterval: 2 })];
    const step = async (scaler: GradScaler, gradients: readonly number[]) => {
      sgd.zeroGrad();
      backward(ps, gradients, scaler);
      scaler.step(sgd);
      scaler.update();
      return scaler.getScale();
    };
    await step(from, BAD.inf);
    await step(from, GOOD);
    const state = from.stateDict();
    expect([...state.keys()]).toEqual(["scale", "growth_tracker"]);
    to.loadStateDict(state);
    expect(await to.getScale()).toBe(32_768);
    expect(await step(to, GOOD)).toBe(65_536); // the second good one
    const host = new Map([...state].map(([name, { shape }]) => [name, { shape, data: Float32Array.of(3) }]));
    to.loadStateDict(host);
    expect(await to.getScale()).toBe(3);
  });

  test("it does not grow beyond what is finite", async () => {
    const ps = weights(device);
    const sgd = new SGD(ps);
    const scaler = makeScaler(device, { initScale: 2 ** 126, growthInterval: 1 });
    const scales: number[] = [];
    for (let step = 0; step < 3; step++) {
      sgd.zeroGrad();
      backward(
        ps,
        GOOD.map((g) => g * 2 ** -20),
        scaler,
      );
      scaler.step(sgd);
      scaler.update();
      scales.push(await scaler.getScale());
    }
    expect(scales).toEqual([2 ** 127, 2 ** 127, 2 ** 127]);
  });
});

test("many parameters of many sizes: each is unscaled, and each is looked at", async () => {
  const sizes = [1, 64, 65, 3, 0, 7, 130, 1000, 2, 5];
  const ps = sizes.map((size) => new Parameter(randn([size])));
  const sgd = new SGD(ps, { lr: 1 });
  for (const bad of [...sizes.keys()].filter((i) => sizes[i]! > 0)) {
    const scaler = new GradScaler({ initScale: 3 });
    for (const p of ps)
      p.grad = tensor(
        Array.from({ length: p.size }, () => 3),
        { shape: p.shape },
      );
    scaler.unscale(sgd);
    for (const p of ps) for (const g of await p.grad!.data()) expect(g).toBeCloseTo(1, 6);
    scaler.step(sgd);
    scaler.update();
    expect(await scaler.getScale()).toBe(3);
    const before = await valuesOf(ps);
    const size = sizes[bad]!;
    ps[bad]!.grad = tensor(
      Array.from({ length: size }, (_, i) => (i === size - 1 ? nan : 3)),
      { shape: [size] },
    );
    scaler.step(sgd);
    scaler.update();
    expect(await scaler.getScale()).toBe(1.5);
    expect(await valuesOf(ps)).toEqual(before);
  }
});

class Mlp extends Module {
  layers = new Sequential(new Linear(8, 32), new Tanh(), new Linear(32, 4));
  override forward(x: Tensor): Tensor {
    return this.layers.forward(x);
  }
}

class Cnn extends Module {
  first = new Conv2d(3, 8, 3, { padding: 1 });
  second = new Conv2d(8, 16, 3, { padding: 1, stride: 2 });
  head = new Sequential(new Flatten(), new Linear(16 * 3 * 3, 4));
  override forward(x: Tensor): Tensor {
    return this.head.forward(relu(this.second.forward(maxPool2d(relu(this.first.forward(x)), 2))));
  }
}

/** Trains on one batch and returns the losses; steps that are left out are taken again. */
async function train(kind: "mlp" | "cnn", isMixed: boolean, isCaptured = false): Promise<number[]> {
  manualSeed(5);
  const model = kind === "mlp" ? new Mlp() : new Cnn();
  const x = kind === "mlp" ? randn([32, 8]) : rand([32, 3, 12, 12], { low: -1 });
  const labels = tensor(
    Array.from({ length: x.shape[0]! }, (_, i) => (7 * i) % 4),
    { dtype: "i32" },
  );
  const adam = new Adam(model.parameters(), { lr: 3e-3 });
  const scaler = new GradScaler({ enabled: isMixed, growthInterval: 10 });
  const step = (x: Tensor) => {
    adam.zeroGrad();
    const loss = autocast(() => crossEntropy(model.forward(x), labels), { enabled: isMixed });
    scaler.scale(loss).backward();
    scaler.unscale(adam);
    clipGradNorm(model.parameters(), 1);
    scaler.step(adam);
    scaler.update();
    return loss;
  };
  const run = isCaptured ? capture(step) : (x: Tensor) => scope(() => step(x));
  const losses: number[] = [];
  for (let i = 0; i < 40; i++) losses.push(await run(x).item());
  return losses;
}

test.each(["mlp", "cnn"] as const)(
  "a small %s trains in mixed precision as in float32, and captured to the bit",
  async (kind) => {
    const plain = await train(kind, false);
    const mixed = await train(kind, true);
    expect(mixed).not.toEqual(plain);
    expect(await train(kind, true, true)).toEqual(mixed);
    const skipped = mixed.filter((loss, i) => loss === mixed[i - 1]).length;
    const [end, start] = [plain.at(-1)!, plain[0]!];
    expect(end).toBeLessThan(0.7 * start);
    // Each operand is off by 2^-11 at most, so the first loss by about 2^-11; what forty steps make of that is some times more. A step
    // that was left out is made up for by looking that much earlier at the plain losses.
    expect(Math.abs(mixed[0]! - start)).toBeLessThan(2 ** -11 * start);
    expect(Math.abs(mixed.at(-1)! - plain.at(-1 - skipped)!)).toBeLessThan(0.02 * start);
  },
);

test("a captured step replays what was found, without the host", async () => {
  const run = async (isCaptured: boolean) => {
    const ps = weights("webgpu");
    const adam = new Adam(ps);
    const scaler = new GradScaler({ growthInterval: 2 });
    const step = (g: Tensor, h: Tensor) => {
      adam.zeroGrad();
      scaler.scale(ps[0]!.mul(g).sum().add(ps[1]!.mul(h).sum())).backward();
      scaler.step(adam);
      scaler.update();
      return ps[0]!.grad!;
    };
    const taken = isCaptured ? capture(step) : step;
    for (const gradients of [GOOD, GOOD, GOOD, BAD.inf, GOOD, BAD.nan, GOOD, GOOD, GOOD]) {
      taken(tensor(gradients.slice(0, 4)), tensor(gradients.slice(4)));
    }
    return [await valuesOf([...ps, ...adam.stateDict().tensors.values()]), await scaler.getScale()];
  };
  expect(await run(true)).toEqual(await run(false));
});

test("where it is not enabled, everything is as without it", async () => {
  const [p, q] = weights("webgpu") as [Parameter, Parameter];
  const scaler = new GradScaler({ enabled: false });
  const sgd = new SGD([p, q], { lr: 1 });
  const loss = p.sum();
  expect(scaler.scale(loss)).toBe(loss);
  loss.backward();
  scaler.unscale(sgd);
  scaler.step(sgd);
  scaler.step(sgd);
  scaler.update();
  expect(await p.toArray()).toEqual([-1, -4, 1, 2]);
  expect([scaler.isEnabled(), await scaler.getScale(), scaler.stateDict().size]).toEqual([false, 1, 0]);
  scaler.loadStateDict(new Map());
});

test("errors", () => {
  const any = (value: unknown) => value as never;
  expect(() => new GradScaler({ initScale: 0 })).toThrow("GradScaler: initScale is 0, expected a number above 0");
  expect(() => new GradScaler({ growthFactor: 1 })).toThrow("GradScaler: growthFactor is 1, expected more than 1");
  expect(() => new GradScaler({ backoffFactor: 1 })).toThrow(
    "GradScaler: backoffFactor is 1, expected a number between 0 and 1",
  );
  expect(() => new GradScaler({ growthInterval: 0.5 })).toThrow("GradScaler: growthInterval is 0.5, expected a whole");
  expect(() => new GradScaler(any({ initscale: 1 }))).toThrow(
    'GradScaler: unknown option "initscale"; did you mean "initScale"?',
  );

  const ps = weights("webgpu");
  const sgd = new SGD(ps);
  const scaler = new GradScaler();
  expect(() => scaler.update()).toThrow("GradScaler.update: no optimizer took a step since the last update");
  expect(() => scaler.step(sgd)).toThrow("GradScaler.unscale: no parameter of the optimizer has a gradient");
  backward(ps, GOOD, scaler);
  scaler.unscale(sgd);
  expect(() => scaler.unscale(sgd)).toThrow("GradScaler.unscale: the gradients of this optimizer are unscaled already");
  scaler.step(sgd);
  expect(() => scaler.step(sgd)).toThrow("GradScaler.step: the optimizer has taken its step; call update() first");
  expect(() => scaler.unscale(sgd)).toThrow("GradScaler.unscale: the optimizer has taken its step");
  scaler.update();
  expect(() => scaler.loadStateDict(new Map())).toThrow("scale is missing; growth_tracker is missing");
  const onCpu = withDevice("cpu", () => tensor([1]));
  expect(() => scaler.scale(onCpu)).toThrow("GradScaler.scale: the loss is on cpu, expected webgpu");
});
