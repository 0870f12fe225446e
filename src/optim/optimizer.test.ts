import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomNumbers } from "../../test/check.ts";
import { cases, checkedDevices } from "../../test/devices.ts";
import type { Device } from "../gpu/device.ts";
import type { WebGpuDevice } from "../gpu/webgpu.ts";
import { parseState, serializeState } from "../io/index.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { mul } from "../kernels/elementwise/binary-ops.ts";
import { Parameter } from "../nn/module.ts";
import { capture } from "../tensor/capture.ts";
import { type DeviceName, deviceNamed, memory, withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Adadelta } from "./adadelta.ts";
import { Adagrad } from "./adagrad.ts";
import { Adam, AdamW } from "./adam.ts";
import { Adamax } from "./adamax.ts";
import { Lion } from "./lion.ts";
import { NAdam } from "./nadam.ts";
import type { Optimizer } from "./optimizer.ts";
import { RAdam } from "./radam.ts";
import { RMSprop } from "./rmsprop.ts";
import { SGD } from "./sgd.ts";

type Options = Record<string, unknown>;
type AnyOptimizer = Optimizer & { groups: readonly { options: Options }[] };
type Class = new (parameters: Parameter[] | object[], options?: Options) => AnyOptimizer;

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const zeroOr = (min: number, max: number) => fc.oneof(fc.constant(0), between(min, max));
const shared = { lr: between(0.02, 0.1), weightDecay: zeroOr(0.05, 0.5), maximize: fc.boolean() };
// A second moment that forgets at once may be far below the first, so that a change may be of any size.
const someBetas = fc.tuple(zeroOr(0.3, 0.95), between(0.5, 0.999));
// Far above rounding: below it a weight depends on the last bit of a difference.
const eps = between(1e-3, 0.1);
const adam = { ...shared, betas: someBetas, eps };
const momentum = zeroOr(0.3, 0.95);

/** Every optimizer, with options that it may have. */
const optimizers: readonly (readonly [Class, fc.Arbitrary<Options>])[] = [
  [SGD, fc.record({ ...shared, momentum, dampening: zeroOr(0.1, 0.5) })],
  [SGD, fc.record({ ...shared, momentum: between(0.3, 0.95), nesterov: fc.boolean() })],
  [Adam, fc.record({ ...adam, amsgrad: fc.boolean(), decoupledWeightDecay: fc.boolean() })],
  [AdamW, fc.record({ ...adam, amsgrad: fc.boolean() })],
  [NAdam, fc.record({ ...adam, momentumDecay: zeroOr(0.1, 1), decoupledWeightDecay: fc.boolean() })],
  [RAdam, fc.record({ ...adam, decoupledWeightDecay: fc.boolean() })],
  // The less of the mean is kept, the less of the variance is left after rounding.
  [RMSprop, fc.record({ ...shared, alpha: between(0.5, 0.99), eps, momentum, centered: fc.boolean() })],
  [Adagrad, fc.record({ ...shared, lrDecay: zeroOr(0.1, 1), initialAccumulatorValue: zeroOr(0.1, 1), eps })],
  [Adadelta, fc.record({ ...shared, lr: between(0.5, 2), rho: between(0.3, 0.95), eps })],
  [Adamax, fc.record(adam)],
  [Lion, fc.record({ ...shared, betas: someBetas })],
] as unknown as readonly (readonly [Class, fc.Arbitrary<Options>])[];

const classes = [...new Set(optimizers.map(([Optimizer]) => Optimizer))];

// More than one dispatch's four of either kind, sizes around a workgroup, and one that takes several.
const SIZES = [1, 63, 64, 0, 65, 200, 3, 130, 4, 1028, 256, 2];

interface Problem {
  readonly weights: readonly number[][];
  readonly gradients: readonly (number[] | null)[][];
}

/** Gradients of several magnitudes, of which some are missing. */
function problemOf(sizes: readonly number[], steps: number, seed: number): Problem {
  const random = randomNumbers(seed);
  const draw = (size: number, scale: number) =>
    Array.from({ length: size }, () => Math.fround(scale * (2 * random() - 1)));
  const weights = sizes.map((size) => draw(size, 1));
  const gradients = Array.from({ length: steps }, (_, t) =>
    sizes.map((size, i) => (t < i % 3 || random() < 0.2 ? null : draw(size, [1, 0.1, 3][t % 3]!))),
  );
  return { weights, gradients };
}

function parametersOf({ weights }: Problem, device: Device): Parameter[] {
  return withDevice(device, () => weights.map((w) => new Parameter(tensor(w, { shape: [w.length], dtype: "f32" }))));
}

function setGradients(parameters: readonly Parameter[], gradients: readonly (number[] | null)[], device: Device): void {
  withDevice(device, () => {
    for (const [i, g] of gradients.entries()) {
      parameters[i]!.grad = g && tensor(g, { shape: [g.length], dtype: "f32" });
    }
  });
}

async function valuesOf(parameters: readonly Tensor[]): Promise<number[]> {
  const values: number[] = [];
  for (const parameter of parameters) values.push(...(await parameter.data()));
  return values;
}

async function train(Optimizer: Class, options: Options, problem: Problem, device: Device): Promise<number[]> {
  const parameters = parametersOf(problem, device);
  const optimizer = new Optimizer(parameters, options);
  for (const gradients of problem.gradients) {
    setGradients(parameters, gradients, device);
    optimizer.step();
  }
  return valuesOf(parameters);
}

const webgpu = () => deviceNamed("webgpu") as WebGpuDevice;

describe("any options, of parameters of any sizes", () => {
  for (const [k, [Optimizer, options]] of optimizers.entries()) {
    test(`${Optimizer.name} (${k})`, async () => {
      const sizes = fc.oneof(fc.constant(SIZES), fc.array(fc.nat({ max: 200 }), { minLength: 1, maxLength: 9 }));
      await fc.assert(
        fc.asyncProperty(options, sizes, fc.nat(), async (options, sizes, seed) => {
          const problem = problemOf(sizes, 8, seed);
          const expected = await train(Optimizer, options, problem, deviceNamed("cpu:f64"));
          const compare = (actual: number[], where: string) => {
            const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
            for (const [i, value] of expected.entries()) {
              if (Math.abs(actual[i]! - value) <= 2e-6 * largest) continue;
              throw new Error(`weight ${i} is ${actual[i]} on ${where}, expected ${value}`);
            }
          };
          compare(await train(Optimizer, options, problem, deviceNamed("cpu")), "cpu");
          for (const device of await checkedDevices(webgpu())) {
            const where = `webgpu, ${device.family} kernels`;
            const first = await train(Optimizer, options, problem, device);
            compare(first, where);
            const { maxGroups } = device;
            device.maxGroups = 2;
            expect(await train(Optimizer, options, problem, device), "in two workgroups").toEqual(first);
            device.maxGroups = maxGroups;
            await device.checkGuards();
          }
        }),
        { numRuns: cases(4), seed: 1, endOnFailure: true },
      );
    });
  }
});

describe.each(["webgpu", "cpu", "cpu:f64"] as DeviceName[])("on %s", (name) => {
  test.each(classes.map((Optimizer) => [Optimizer.name, Optimizer] as const))("%s", async (_, Optimizer) => {
    const device = deviceNamed(name);
    const problem = problemOf([3, 8], 4, 1);

    // At rate 0 nothing moves.
    expect(await train(Optimizer, { lr: 0, weightDecay: 0.1 }, problem, device)).toEqual(problem.weights.flat());

    // What is not a number stays where it is.
    const parameters = parametersOf(problem, device);
    const optimizer = new Optimizer(parameters);
    for (let step = 0; step < 3; step++) {
      setGradients(parameters, [[1, step === 1 ? Number.NaN : 1, 1], new Array(8).fill(1)], device);
      optimizer.step();
    }
    const values = await valuesOf(parameters);
    expect(values.map(Number.isNaN)).toEqual(values.map((_, i) => i === 1));
    // SGD counts the steps with momentum.
    const steps = await optimizer.stateDict().tensors.get("0.1.step")!.item();
    expect(steps).toBe(Optimizer.name === "SGD" ? 0 : 3);
  });
});

test("what an optimizer remembers passes through a file and goes on in the same bits", async () => {
  const device = webgpu();
  for (const [Optimizer, arbitrary] of optimizers) {
    for (const options of fc.sample(arbitrary, { numRuns: 2, seed: 7 })) {
      const problem = problemOf([5, 64, 12, 3, 7, 4, 4, 4, 4], 9, 2);
      const run = async (from: number, to: number, parameters: Parameter[], optimizer: AnyOptimizer) => {
        for (const gradients of problem.gradients.slice(from, to)) {
          setGradients(parameters, gradients, device);
          optimizer.step();
        }
        return valuesOf(parameters);
      };
      const groupsOf = (parameters: Parameter[]) => [
        { parameters: parameters.slice(0, 2), lr: 0.03 },
        { parameters: parameters.slice(2) },
      ];
      const parameters = parametersOf(problem, device);
      const optimizer = new Optimizer(groupsOf(parameters), options);
      const middle = await run(0, 5, parameters, optimizer);
      const { tensors, groups } = optimizer.stateDict();
      const bytes = await serializeState(tensors);
      const json = JSON.stringify(groups);
      const expected = await run(5, 9, parameters, optimizer);

      let start = 0;
      const weights = problem.weights.map((w) => middle.slice(start, (start += w.length)));
      const others = parametersOf({ ...problem, weights }, device);
      const other = new Optimizer(groupsOf(others)); // whatever its options
      other.loadStateDict({ tensors: parseState(bytes), groups: JSON.parse(json) });
      expect(await run(5, 9, others, other), `${Optimizer.name} ${json}`).toEqual(expected);
      expect(other.groups.map(({ options }) => options)).toEqual(groups);
    }
  }
});

const parameter = (values: number[]) => new Parameter(tensor(values));

test("a state has PyTorch's names and shapes", async () => {
  const [a, b] = [new Parameter(tensor([[1, 2]])), parameter([3])];
  const adam = new Adam([{ parameters: [a], amsgrad: true }, { parameters: [b] }]);
  a.grad = tensor([[1, -1]]);
  adam.step();
  const { tensors, groups } = adam.stateDict();
  const names = ["0.0.step", "0.0.exp_avg", "0.0.exp_avg_sq", "0.0.max_exp_avg_sq"];
  expect([...tensors.keys()]).toEqual([...names, "1.0.step", "1.0.exp_avg", "1.0.exp_avg_sq"]);
  expect(await tensors.get("0.0.step")!.item()).toBe(1);
  expect(await tensors.get("1.0.step")!.item()).toBe(0);
  expect((await tensors.get("0.0.exp_avg")!.toArray()) as number[][]).toEqual([
    [expect.closeTo(0.1), expect.closeTo(-0.1)],
  ]);
  expect(groups[0]).toEqual({ ...groups[1], amsgrad: true });
  expect([...new NAdam([b]).stateDict().tensors.keys()]).toContain("0.0.mu_product");
  expect([...new SGD([b]).stateDict().tensors.keys()]).toEqual(["0.0.step"]);
  const rmsprop = new RMSprop([b], { centered: true, momentum: 0.5 });
  expect([...rmsprop.stateDict().tensors.keys()].slice(1)).toEqual([
    "0.0.square_avg",
    "0.0.grad_avg",
    "0.0.momentum_buffer",
  ]);
});

test("a state from tensors on the device is copied", async () => {
  const [a, b] = [parameter([1, 2]), parameter([1, 2])];
  const first = new SGD([a], { lr: 1, momentum: 0.5 });
  a.grad = tensor([1, 0]);
  first.step();
  const second = new SGD([b]);
  second.loadStateDict(first.stateDict());
  a.grad = tensor([8, 8]);
  first.step();
  b.grad = tensor([0, 0]);
  second.step();
  expect(await b.toArray()).toEqual([0.5, 2]); // the momentum of the one gradient that was loaded
});

test("a state that does not fit changes nothing", async () => {
  const a = parameter([1]);
  const adam = new Adam([a], { lr: 0.1 });
  const { tensors, groups } = adam.stateDict();
  const refuses = (change: (state: Map<string, Tensor>) => void, message: string, options = groups) => {
    const changed = new Map(tensors);
    change(changed);
    expect(() => adam.loadStateDict({ tensors: changed, groups: options })).toThrow(message);
  };
  refuses((state) => state.delete("0.0.step"), "Adam.loadStateDict: 0.0.step is missing");
  refuses((state) => state.set("0.1.step", tensor(0)), "Adam.loadStateDict: 0.1.step is unexpected");
  refuses(
    (state) => state.set("0.0.exp_avg", tensor([1, 2])),
    "Adam.loadStateDict: 0.0.exp_avg has shape [2], expected [1]",
  );
  const onCpu = withDevice("cpu", () => tensor([1]));
  refuses((state) => state.set("0.0.exp_avg", onCpu), "Adam.loadStateDict: 0.0.exp_avg is on cpu, expected webgpu");
  refuses(() => {}, "Adam.loadStateDict: groups has length 2, expected 1", [...groups, ...groups]);
  refuses(() => {}, 'Adam: unknown option "momentum"', [{ ...groups[0]!, momentum: 1 } as never]);
  refuses(() => {}, "0.0.max_exp_avg_sq is missing", [{ ...groups[0]!, amsgrad: true, lr: 9 }]);
  expect(adam.lr).toBe(0.1);
});

test("the corrections of the moments are as exact as float32", async () => {
  // 1 - beta1 is about 0.22, where a series for it ends soonest.
  const betas = [0.7796, 0.7796] as const;
  const weight = parameter([0]);
  const adam = new Adam([weight], { lr: 1, betas, eps: 1 });
  weight.grad = tensor([0.5]);
  adam.step();
  expect(Math.abs((await weight.item()) * -3 - 1)).toBeLessThan(6e-7); // -g / (|g| + 1)
});

test("RAdam's rectification is as exact as float32 at any step", async () => {
  for (const betas of [
    [0.9, 0.999],
    [0.9, 0.99999],
    [0.5, 0.9],
    [0.9, 0.2],
  ] as const) {
    for (const step of [0, 1, 3, 4, 5, 6, 7, 20, 99, 500, 3000, 100_000]) {
      const results: number[] = [];
      for (const device of ["webgpu", "cpu:f64"] as const) {
        const weight = withDevice(device, () => parameter([0]));
        const radam = new RAdam([weight], { lr: 1, betas });
        const { tensors, groups } = radam.stateDict();
        withDevice(device, () => {
          radam.loadStateDict({ tensors: new Map(tensors).set("0.0.step", tensor(step)), groups });
          weight.grad = tensor([1]);
        });
        radam.step();
        results.push(await weight.item());
      }
      expect(Math.abs(results[0]! / results[1]! - 1), `betas ${betas}, step ${step}`).toBeLessThan(2e-6);
    }
  }
});

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
  adam.groups[1]!.options.lr = -1;
  expect(step).toThrow("Adam: lr is -1, expected 0 or more");
});

test("a group can be added between steps", async () => {
  const [a, b, c] = [parameter([1]), parameter([1]), parameter([1])];
  const sgd = new SGD([a], { lr: 0.5, momentum: 0.5 });
  const step = () => {
    for (const p of [a, b, c]) p.grad = tensor([1]);
    sgd.step();
  };
  step();
  sgd.addParameterGroup({ parameters: new Set([b, c]), lr: 0.25 });
  step();
  expect(await valuesOf([a, b, c])).toEqual([-0.25, 0.75, 0.75]);
  expect(sgd.groups.map(({ parameters }) => parameters.length)).toEqual([1, 2]);
  sgd.zeroGrad();
  expect([a, b, c].map(({ grad }) => grad)).toEqual([null, null, null]);
  expect(() => sgd.addParameterGroup({ parameters: [c] })).toThrow("SGD: a parameter is listed twice");
  expect(() => sgd.addParameterGroup({ parameters: [parameter([1])], momentum: -1 })).toThrow(
    "SGD: momentum is -1, expected 0 or more",
  );
  sgd.addParameterGroup({ parameters: [] }); // as when nothing is without weight decay
  step();
  expect(sgd.stateDict().groups).toHaveLength(3);
});

test("an option that needs more state may be switched on later", async () => {
  const [a, b] = [parameter([1]), parameter([1, 2, 3, 4])];
  const sgd = new SGD([a, b], { lr: 0.5, dampening: 0.5 });
  const step = () => {
    a.grad = tensor([1]);
    b.grad = tensor([1, 1, 1, 1]);
    sgd.step();
  };
  step();
  sgd.groups[0]!.options.momentum = 0.5;
  step(); // the momentum begins as the gradient, undamped
  step();
  expect(await a.item()).toBe(1 - 0.5 * (1 + 1 + (0.5 + 0.5)));
  expect(await b.toArray()).toEqual([-0.5, 0.5, 1.5, 2.5]);
});

test("a parameter without any gradient keeps its value, and a step without gradients does nothing", async () => {
  const a = parameter([1, 2]);
  const adam = new Adam([a, parameter([3])], { lr: 0.1 });
  adam.step();
  expect(await a.toArray()).toEqual([1, 2]);
  expect(await adam.stateDict().tensors.get("0.0.step")!.item()).toBe(0);
});

test("gradients of several backward passes add up to one step", async () => {
  const [a, b] = [parameter([1, 2]), parameter([1, 2])];
  const [x, y] = [tensor([3, 4]), tensor([5, -6])];
  const [first, second] = [new Adam([a]), new Adam([b])];
  mul(a, x).sum().backward();
  mul(a, y).sum().backward();
  first.step();
  mul(b, x).add(mul(b, y)).sum().backward();
  second.step();
  expect(await a.toArray()).toEqual(await b.toArray());
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

test("a captured step goes on in the same bits, with what schedules set and whichever gradients it has", async () => {
  for (const [Optimizer, arbitrary] of optimizers) {
    const [options] = fc.sample(arbitrary, { numRuns: 1, seed: 3 });
    const run = async (wrap: <S extends (x: Tensor) => Tensor>(step: S) => (x: Tensor) => Tensor) => {
      const [a, b] = [parameter([1, 2, 3, 4]), parameter([1, 2, 3])];
      const optimizer = new Optimizer([a, b], options);
      const stepOf = (...parameters: Parameter[]) =>
        wrap((x) => {
          optimizer.zeroGrad();
          for (const p of parameters) mul(mul(p, p), x).sum().backward();
          optimizer.step();
          return x.clone();
        });
      const [both, one] = [stepOf(a, b), stepOf(b)];
      for (let t = 0; t < 6; t++) {
        optimizer.lr = 0.1 / (1 + t);
        for (const step of [both, one]) step(tensor([1 + t])).dispose();
      }
      return valuesOf([a, b]);
    };
    expect(await run(capture), Optimizer.name).toEqual(await run((step) => (x) => scope(() => step(x))));
  }
});

test("a workgroup counts the steps of more parameters than it has threads", async () => {
  const device = webgpu();
  const { maxGroups } = device;
  device.maxGroups = 1;
  const parameters = Array.from({ length: 135 }, () => parameter([1]));
  const adam = new Adam(parameters);
  for (const p of parameters) p.grad = tensor([1]);
  for (let step = 0; step < 2; step++) adam.step();
  device.maxGroups = maxGroups;
  const { tensors } = adam.stateDict();
  for (const i of parameters.keys()) expect(await tensors.get(`0.${i}.step`)!.item(), `parameter ${i}`).toBe(2);
});

test("parameters that one binding cannot hold lie in several", async () => {
  const device = webgpu();
  const { maxStorageBytes } = device;
  Object.assign(device, { maxStorageBytes: 1024 });
  try {
    const problem = problemOf([128, 128, 64, 256, 3, 130], 3, 4);
    const actual = await train(Adam as unknown as Class, {}, problem, device);
    Object.assign(device, { maxStorageBytes });
    expect(actual).toEqual(await train(Adam as unknown as Class, {}, problem, device));
  } finally {
    Object.assign(device, { maxStorageBytes });
  }
});

test("steps use no more memory", () => {
  const a = parameter([1, 2, 3]);
  const adam = new Adam([a]);
  const step = (lr: number) =>
    scope(() => {
      adam.lr = lr;
      adam.zeroGrad();
      mul(a, a).sum().backward();
      adam.step();
    });
  step(0.1);
  const before = memory();
  for (let i = 0; i < 20; i++) step(0.1 / (1 + i));
  expect(memory().liveBytes).toBe(before.liveBytes);
});

test("errors", () => {
  const a = parameter([1]);
  const refuses = (make: () => unknown, message: string) => expect(make).toThrow(message);
  for (const Optimizer of classes) {
    const { name } = Optimizer;
    refuses(() => new Optimizer([]), `${name}: there are no parameters`);
    refuses(() => new Optimizer([{ parameters: [] }]), `${name}: there are no parameters`);
    refuses(() => new Optimizer([a, a]), `${name}: a parameter is listed twice`);
    refuses(() => new Optimizer([{ parameters: [a] }, { parameters: [a] }]), `${name}: a parameter is listed twice`);
    refuses(() => new Optimizer([tensor([1]) as Parameter]), `${name}: parameter 0 is Tensor(f32 [1] on webgpu)`);
    refuses(() => new Optimizer([{} as Parameter]), `${name}: parameter 0 is [object Object], expected a Parameter`);
    refuses(() => new Optimizer([a], { learningRate: 1 }), `${name}: unknown option "learningRate"`);
    refuses(() => new Optimizer([a], { lr: -1 }), `${name}: lr is -1, expected 0 or more`);
    refuses(() => new Optimizer([a], { lr: Number.NaN }), `${name}: lr is NaN, expected 0 or more`);
    refuses(() => new Optimizer([{ parameters: [a], weightDecay: -1 }]), `${name}: weightDecay is -1, expected 0 or`);
    refuses(() => new Optimizer([a], { maximize: 1 }), `${name}: maximize is 1, expected true or false`);
    const onCpu = withDevice("cpu", () => parameter([1]));
    refuses(() => new Optimizer([a, onCpu]), `${name}: a parameter is on cpu, expected webgpu; make a new ${name}`);
  }
  for (const Optimizer of [Adam, AdamW, NAdam, RAdam, Adamax, Lion] as unknown as Class[]) {
    const expected = "expected two numbers from 0 up to 1";
    refuses(() => new Optimizer([a], { betas: [0.9, 1] }), `${Optimizer.name}: betas is [0.9,1], ${expected}`);
    refuses(() => new Optimizer([a], { betas: [-0.1, 0.5] }), `${Optimizer.name}: betas is [-0.1,0.5], ${expected}`);
    refuses(() => new Optimizer([a], { betas: 0.9 }), `${Optimizer.name}: betas is 0.9, ${expected}`);
  }
  refuses(() => new SGD([a], { nesterov: true }), "SGD: nesterov is true with momentum 0 and dampening 0, expected");
  refuses(
    () => new SGD([a], { nesterov: true, momentum: 0.9, dampening: 0.1 }),
    "expected a momentum and no dampening",
  );
  refuses(() => new RMSprop([a], { alpha: 2 }), "RMSprop: alpha is 2, expected a number from 0 to 1");
  refuses(() => new Adadelta([a], { rho: -1 }), "Adadelta: rho is -1, expected a number from 0 to 1");
  refuses(() => new Adagrad([a], { lrDecay: -1 }), "Adagrad: lrDecay is -1, expected 0 or more");
  refuses(
    () => new AdamW([a], { decoupledWeightDecay: true } as never),
    'AdamW: unknown option "decoupledWeightDecay"',
  );
});
