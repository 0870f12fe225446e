import { describe, expect, test } from "vitest";
import { tensor } from "../kernels/creation/creation.ts";
import { Linear, ReLU, Sequential } from "../nn/index.ts";
import { AdamW, layerRates, parameterGroups, SGD, StepLR } from "./index.ts";

const net = () => new Sequential(new Linear(2, 3), new ReLU(), new Linear(3, 3), new Linear(3, 1));

describe("parameterGroups", () => {
  test("gives each parameter to the first rule that means it, and the others to the optimizer", () => {
    const model = net();
    const rules = [
      { names: "**.bias", weightDecay: 0 },
      { names: ["0", /^2\./], lr: 0.1 },
    ];
    const groups = parameterGroups(model, rules);
    const named = (names: string[]) => names.map((name) => model.getParameter(name));
    expect(groups).toEqual([
      { weightDecay: 0, parameters: named(["0.bias", "2.bias", "3.bias"]) },
      { lr: 0.1, parameters: named(["0.weight", "2.weight"]) },
      { parameters: named(["3.weight"]) },
    ]);
    const optimizer = new AdamW(groups, { lr: 1, weightDecay: 0.5 });
    expect(optimizer.groups.map(({ options }) => [options.lr, options.weightDecay])).toEqual([
      [1, 0],
      [0.1, 0.5],
      [1, 0.5],
    ]);
  });

  test("leaves out what is frozen, and groups without parameters", () => {
    const model = net().freeze("0", "3.bias");
    const groups = parameterGroups(model, [{ names: "0", lr: 0.1 }]);
    expect(groups).toEqual([
      { parameters: ["2.weight", "2.bias", "3.weight"].map((name) => model.getParameter(name)) },
    ]);
  });

  test("refuses names that mean nothing", () => {
    expect(() => parameterGroups(net(), [{ names: ["0", "4"], lr: 1 }])).toThrow(
      'parameterGroups: no parameter\'s name matches "4"',
    );
  });
});

describe("layerRates", () => {
  test("falls from layer to layer, and the head has its own", () => {
    const groups = layerRates(net(), ["0", ["2.weight", "2.bias"]], { lr: 0.8, decay: 0.5, headLr: 2 });
    expect(groups.map(({ lr, parameters }) => [lr, [...parameters].length])).toEqual([
      [0.4, 2],
      [0.8, 2],
      [2, 2],
    ]);
    expect(layerRates(net(), ["0"], { lr: 0.3 }).map(({ lr }) => lr)).toEqual([0.3, 0.3]);
  });

  test("moves each layer at its rate, which a schedule scales", async () => {
    const model = net();
    const sgd = new SGD(layerRates(model, ["0", "2"], { lr: 1, decay: 0.5, headLr: 0 }), { lr: 1 });
    const schedule = new StepLR(sgd, 1, { gamma: 0.1 });
    const before = await Promise.all(model.parameters().map((p) => p.data()));
    model
      .forward(tensor([[1, 2]]))
      .sum()
      .backward();
    const gradients = await Promise.all(model.parameters().map((p) => p.grad!.data()));
    sgd.step();
    const after = await Promise.all(model.parameters().map((p) => p.data()));
    for (const [k, rate] of [0.5, 0.5, 1, 1, 0, 0].entries()) {
      after[k]!.forEach((w, i) => expect(w).toBeCloseTo(before[k]![i]! - rate * gradients[k]![i]!, 5));
    }
    schedule.step();
    expect(sgd.groups.map(({ options }) => options.lr)).toEqual([0.05, 0.1, 0]);
  });

  test("errors", () => {
    expect(() => layerRates(net(), ["0"], { lr: 1, decay: 0 })).toThrow(
      "layerRates: decay is 0, expected a number above 0",
    );
    expect(() => layerRates(net(), [], { lr: 1 })).toThrow("layerRates: layers is empty");
    expect(() => layerRates(net(), ["0"], { lr: 1, head: 2 } as never)).toThrow('unknown option "head"');
  });
});
