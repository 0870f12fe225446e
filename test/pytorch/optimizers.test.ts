/** Trajectories of every optimizer with every option, against those of optimizers.py. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Parameter } from "../../src/nn/module.ts";
import { scope } from "../../src/tensor/scope.ts";
import {
  bceWithLogitsLoss,
  concat,
  matmul,
  optim,
  stack,
  type Tensor,
  tensor,
  withDevice,
} from "../../src/tilegrad.ts";

interface Fixture {
  readonly weights: number[][];
  readonly gradients: (number[] | null)[][];
  readonly logistic: { readonly x: number[]; readonly y: number[] };
  readonly rates: number[];
  readonly cases: {
    readonly optimizer: string;
    readonly options: object;
    readonly given: number[][];
    readonly logistic: number[][];
    readonly scheduled: number[];
  }[];
}

const fixture: Fixture = JSON.parse(readFileSync(new URL("./optimizers.json", import.meta.url), "utf8"));

// Of the largest weight. In float32 each of 30 steps is rounded, by up to half a unit in the last place of the weight.
const TOLERANCE = { "cpu:f64": 1e-11, cpu: 2e-6, webgpu: 2e-6 };

const classes = optim as unknown as Record<string, new (parameters: Parameter[], options: object) => optim.Optimizer>;

async function compare(path: readonly Tensor[], expected: readonly number[][], tolerance: number, what: string) {
  const actual = await stack(path).data();
  const wanted = expected.flat();
  const largest = Math.max(...wanted.map(Math.abs));
  const wrong = wanted.findIndex((value, i) => !(Math.abs(actual[i]! - value) <= tolerance * largest));
  if (wrong < 0 && actual.length === wanted.length) return;
  const [step, weight] = [Math.floor(wrong / expected[0]!.length), wrong % expected[0]!.length];
  throw new Error(`${what}: weight ${weight} at ${step} is ${actual[wrong]}, expected ${wanted[wrong]}`);
}

for (const name of new Set(fixture.cases.map(({ optimizer }) => optimizer))) {
  test.each(["cpu:f64", "cpu", "webgpu"] as const)(`${name} is PyTorch's on %s`, async (device) => {
    for (const { options, given, logistic, scheduled } of fixture.cases.filter(({ optimizer }) => optimizer === name)) {
      const what = `${name} ${JSON.stringify(options)}`;
      const make = () => {
        const parameters = withDevice(device, () => fixture.weights.map((w) => new Parameter(tensor(w))));
        return { parameters, optimizer: new classes[name]!(parameters, options) };
      };
      const runGiven = (rates?: readonly number[]) => {
        const { parameters, optimizer } = make();
        return fixture.gradients.map((gradients, t) => {
          if (rates) optimizer.groups[0]!.options.lr = rates[t]!;
          withDevice(device, () => {
            for (const [i, g] of gradients.entries()) parameters[i]!.grad = g && tensor(g);
          });
          optimizer.step();
          return concat(parameters).detach();
        });
      };
      const runLogistic = () => {
        const { parameters, optimizer } = make();
        const w = parameters[0]!;
        const { x, y } = withDevice(device, () => ({
          x: tensor(fixture.logistic.x, { shape: [fixture.logistic.y.length, w.size] }),
          y: tensor(fixture.logistic.y),
        }));
        return fixture.gradients.map(() =>
          scope(() => {
            optimizer.zeroGrad();
            bceWithLogitsLoss(matmul(x, w), y).backward();
            optimizer.step();
            return w.clone().detach();
          }),
        );
      };
      const tolerance = TOLERANCE[device];
      await compare(runGiven(), given, tolerance, `${what} with given gradients`);
      await compare(runGiven(fixture.rates).slice(-1), [scheduled], tolerance, `${what} with rates that change`);
      const losses = runLogistic().filter((_, t) => t % 10 === 9);
      await compare(losses, logistic, tolerance, `${what} on a loss`);
    }
  });
}

test("every optimizer is here", () => {
  const tested = new Set(fixture.cases.map(({ optimizer }) => optimizer));
  const exported = Object.entries(optim).filter(([, value]) => value.prototype instanceof optim.Optimizer);
  expect([...tested].sort()).toEqual(exported.map(([name]) => name).sort());
});
