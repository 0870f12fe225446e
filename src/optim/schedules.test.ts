// Their values are compared with PyTorch's in test/pytorch/schedules.test.ts.
import { expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { Parameter } from "../nn/module.ts";
import { Adagrad } from "./adagrad.ts";
import { Adam } from "./adam.ts";
import {
  ChainedScheduler,
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  LRScheduler,
  MultiplicativeLR,
  MultiStepLR,
  OneCycleLR,
  PolynomialLR,
  ReduceLROnPlateau,
  type Scheduled,
  SequentialLR,
  StepLR,
} from "./schedules.ts";
import { SGD } from "./sgd.ts";

const parameter = () => new Parameter(tensor([0]));

/** What a schedule needs of an optimizer. */
function scheduled(lr = 1, others: object = {}): Scheduled {
  return { groups: [{ options: { lr, ...others } }] };
}

test("the optimizer steps with the rates of its schedule", async () => {
  const weight = parameter();
  const sgd = new SGD([weight], { lr: 1 });
  const schedule = new ExponentialLR(sgd, 0.5);
  for (let step = 0; step < 4; step++) {
    weight.grad = tensor([1]);
    sgd.step();
    schedule.step();
  }
  expect(await weight.item()).toBe(-(1 + 0.5 + 0.25 + 0.125));
  expect(schedule.lastLr).toEqual([1 / 16]);
  expect(schedule.lastEpoch).toBe(4);
});

test("a schedule changes the momentum that the optimizer steps with", async () => {
  const weight = parameter();
  const adam = new Adam([weight]);
  new OneCycleLR(adam, 1, { totalSteps: 10, maxMomentum: 0.5 });
  expect(adam.groups[0]!.options.betas).toEqual([0.5, 0.999]);
  weight.grad = tensor([1]);
  adam.step();
  expect(await adam.stateDict().tensors.get("0.0.exp_avg")!.item()).toBe(0.5);
});

test("groups that are added later are left alone", () => {
  const sgd = new SGD([parameter()], { lr: 1 });
  const schedule = new StepLR(sgd, 1);
  sgd.addParameterGroup({ parameters: [parameter()], lr: 3 });
  schedule.step();
  expect(schedule.lastLr).toEqual([0.1, 3]);
});

test("a schedule of one's own needs only its rule", () => {
  class HalfLR extends LRScheduler {
    protected override next(lr: number): number {
      return lr / 2;
    }
  }
  const schedule = new HalfLR(scheduled());
  schedule.step();
  schedule.step();
  expect(schedule.lastLr).toEqual([0.25]);
  schedule.restart();
  expect([schedule.lastEpoch, ...schedule.lastLr]).toEqual([0, 1]);
});

test("warm restarts go back to any epoch", () => {
  const schedule = new CosineAnnealingWarmRestarts(scheduled(), 2, { tMult: 2 });
  const rates = Array.from({ length: 20 }, () => {
    const [rate] = schedule.lastLr;
    schedule.step();
    return rate!;
  });
  for (const epoch of [13, 2, 6, 5, 0, 14]) {
    schedule.step(epoch);
    expect(schedule.lastLr[0]).toBeCloseTo(rates[epoch]!, 12);
  }
  schedule.step(); // to 15
  expect(schedule.lastLr[0]).toBeCloseTo(rates[15]!, 12);
});

test("a plateau is one of NaN too, and the best is what was best after the first", () => {
  const schedule = new ReduceLROnPlateau(scheduled(), { patience: 1, factor: 0.5 });
  for (const measure of [Number.NaN, Number.NaN]) schedule.step(measure);
  expect(schedule.lastLr).toEqual([0.5]);
  for (const measure of [3, 2, 2]) schedule.step(measure);
  expect(schedule.lastLr).toEqual([0.5]);
  schedule.step(2);
  expect(schedule.lastLr).toEqual([0.25]);
});

test("errors of options", () => {
  const one = scheduled();
  const refuses = (make: () => unknown, message: string) => expect(make).toThrow(message);
  refuses(() => new StepLR(one, 0), "StepLR: stepSize is 0, expected a whole number above 0");
  refuses(() => new StepLR(one, 1, { gamma: -1 }), "StepLR: gamma is -1, expected 0 or more");
  refuses(() => new StepLR(one, 1, { gama: 1 } as never), 'StepLR: unknown option "gama"; did you mean "gamma"?');
  refuses(() => new MultiStepLR(one, [1, -1]), "MultiStepLR: milestones[1] is -1, expected a whole number from 0 on");
  refuses(() => new ExponentialLR(one, Number.NaN), "ExponentialLR: gamma is NaN, expected 0 or more");
  refuses(() => new ConstantLR(one, { factor: 0 }), "ConstantLR: factor is 0, expected a number above 0, at most 1");
  refuses(() => new LinearLR(one, { startFactor: 0 }), "LinearLR: startFactor is 0, expected a number above 0");
  refuses(() => new LinearLR(one, { endFactor: 2 }), "LinearLR: endFactor is 2, expected a number from 0 to 1");
  refuses(
    () => new PolynomialLR(one, { totalIters: 0 }),
    "PolynomialLR: totalIters is 0, expected a whole number above",
  );
  refuses(() => new CosineAnnealingLR(one, 0.5), "CosineAnnealingLR: tMax is 0.5, expected a whole number above 0");
  refuses(
    () => new CosineAnnealingWarmRestarts(one, 1, { tMult: 1.5 }),
    "CosineAnnealingWarmRestarts: tMult is 1.5, expected a whole number above 0",
  );
  refuses(
    () => new CosineAnnealingWarmRestarts(one, 1).step(-1),
    "CosineAnnealingWarmRestarts.step: epoch is -1, expected 0 or more",
  );
  refuses(() => new LambdaLR(one, [] as never), "LambdaLR: lrLambda has length 0, expected 1, one per group");
  refuses(() => new MultiplicativeLR(one, 2 as never), "MultiplicativeLR: lrLambda is 2, expected a function");
  refuses(
    () => new ReduceLROnPlateau(one, { factor: 1 }),
    "ReduceLROnPlateau: factor is 1, expected a number from 0 up to 1",
  );
  refuses(() => new ReduceLROnPlateau(one, { mode: "least" as never }), "mode is least, expected min or max");
  refuses(() => new ReduceLROnPlateau(one, { minLr: [0, 0] }), "minLr has length 2, expected 1, one per group");
});

test("errors of one cycle", () => {
  const sgd = scheduled(1, { momentum: 0.9 });
  const refuses = (make: () => unknown, message: string) => expect(make).toThrow(`OneCycleLR: ${message}`);
  refuses(() => new OneCycleLR(sgd, 1), "totalSteps is missing, expected it, or epochs and stepsPerEpoch");
  refuses(() => new OneCycleLR(sgd, 1, { epochs: 3 }), "stepsPerEpoch is undefined, expected a whole number above 0");
  refuses(() => new OneCycleLR(sgd, -1, { totalSteps: 3 }), "maxLr is -1, expected 0 or more");
  refuses(() => new OneCycleLR(sgd, 1, { totalSteps: 3, pctStart: 2 }), "pctStart is 2, expected a number from 0 to 1");
  refuses(
    () => new OneCycleLR(new Adagrad([parameter()]), 1, { totalSteps: 3 }),
    "cycleMomentum is true, expected an optimizer with momentum or betas",
  );
  const schedule = new OneCycleLR(sgd, 1, { totalSteps: 2, pctStart: 0.5 }); // whose rise has no length
  schedule.step();
  schedule.step();
  refuses(() => schedule.step(), "step 3, expected at most 2");
  expect(schedule.lastEpoch).toBe(2);
  expect(schedule.lastLr.every(Number.isFinite)).toBe(true);
});

test("errors of schedules of schedules, and of states", () => {
  const [one, other] = [scheduled(), scheduled()];
  const refuses = (make: () => unknown, message: string) => expect(make).toThrow(message);
  const step = new StepLR(one, 1);
  refuses(() => new SequentialLR(one, [], []), "SequentialLR: there are no schedulers");
  refuses(() => new SequentialLR(other, [step], []), "SequentialLR: schedulers[0] is of another optimizer");
  refuses(
    () => new SequentialLR(one, [step], [1]),
    "SequentialLR: milestones has length 1, expected 0, one fewer than schedulers",
  );
  refuses(() => new ChainedScheduler([]), "ChainedScheduler: there are no schedulers");
  refuses(
    () => new ChainedScheduler([step, new StepLR(other, 1)]),
    "ChainedScheduler: schedulers[1] is of another optimizer",
  );
  const chained = new ChainedScheduler([step]);
  refuses(() => chained.loadStateDict({ schedulers: [] }), "ChainedScheduler.loadStateDict: schedulers has length 0");
  refuses(() => step.loadStateDict({ lastEpoch: 1 }), "StepLR.loadStateDict: baseLrs is undefined, expected a list");
  refuses(() => step.loadStateDict({ lastEpoch: 1, baseLrs: [1, 2] }), "baseLrs has length 2, expected 1");
  refuses(() => step.loadStateDict({ baseLrs: [1] }), "lastEpoch is undefined, expected a whole number from 0 on");
  const plateau = new ReduceLROnPlateau(one);
  refuses(() => plateau.loadStateDict({ lastEpoch: 1 }), "ReduceLROnPlateau.loadStateDict: badEpochs is undefined");
  const restarts = new CosineAnnealingWarmRestarts(one, 3);
  refuses(() => restarts.loadStateDict(step.stateDict()), "length is undefined, expected a number above 0");
});
