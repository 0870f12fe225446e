import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheck } from "../autograd/gradcheck.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { crossEntropy } from "../kernels/ops.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { rand, randint, randn } from "../kernels/random/random.ts";
import { Adam } from "../optim/index.ts";
import { memory, withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Embedding } from "./embedding.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { GRU, GRUCell, LSTM, LSTMCell, RNN, RNNCell } from "./recurrent.ts";

const host = async (x: Tensor) => Array.from(await x.data());
const NETWORKS = { RNN, LSTM, GRU };
const GATES = { RNN: 1, LSTM: 4, GRU: 3 };

describe.each(["RNN", "LSTM", "GRU"] as const)("%s", (name) => {
  const Network = NETWORKS[name];
  const gates = GATES[name];

  test("has PyTorch's names and start", async () => {
    const network = new Network(3, 4, { numLayers: 2, bidirectional: true });
    const shapes = [...network.stateDict()].map(([key, { shape }]) => [key, shape]);
    const layer = (suffix: string, inputs: number) => [
      [`weight_ih_${suffix}`, [4 * gates, inputs]],
      [`weight_hh_${suffix}`, [4 * gates, 4]],
      [`bias_ih_${suffix}`, [4 * gates]],
      [`bias_hh_${suffix}`, [4 * gates]],
    ];
    expect(shapes).toEqual([
      ...layer("l0", 3),
      ...layer("l0_reverse", 3),
      ...layer("l1", 8),
      ...layer("l1_reverse", 8),
    ]);
    const values = (await Promise.all(network.parameters().map(host))).flat();
    expect(Math.max(...values)).toBeLessThanOrEqual(0.5);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.5);
    expect(Math.max(...values)).toBeGreaterThan(0.4);
    expect([...new Network(3, 4, { bias: false }).stateDict().keys()]).toEqual(["weight_ih_l0", "weight_hh_l0"]);
  });

  test("drops out between layers, in training only", async () => {
    manualSeed(1);
    const network = new Network(3, 8, { numLayers: 2, dropout: 0.5 });
    const x = randn([2, 3, 3]);
    const [first, second] = [await host(network.forward(x).output), await host(network.forward(x).output)];
    expect(first).not.toEqual(second);
    network.eval();
    expect(await host(network.forward(x).output)).toEqual(await host(network.forward(x).output));
    const one = new Network(3, 8, { dropout: 0.5 });
    expect(await host(one.forward(x).output)).toEqual(await host(one.forward(x).output));
  });

  test("the backward direction starts at each sequence's last element", async () => {
    const network = new Network(2, 4, { bidirectional: true });
    const x = randn([1, 3, 2]);
    const alone = network.forward(x);
    const padded = x.pad([
      [0, 1],
      [0, 2],
      [0, 0],
    ]);
    const lengths = tensor([3, 5], { dtype: "i32" });
    const { output, hidden } = network.forward(padded, { lengths });
    expect(await host(output.at(0).narrow(0, 0, 3))).toEqual(await host(alone.output));
    expect(await host(hidden.at(null, 0))).toEqual(await host(alone.hidden.at(null, 0)));
  });

  test("trains every parameter, in memory that its scopes give back", async () => {
    const network = new Network(3, 4, { numLayers: 2, bidirectional: true, dropout: 0.2 });
    const x = randn([2, 3, 3]);
    const lengths = tensor([3, 2], { dtype: "i32" });
    const step = () => {
      const { output, hidden } = network.forward(x, { lengths });
      output.square().sum().add(hidden.sum()).backward();
    };
    scope(step);
    for (const [key, parameter] of network.namedParameters()) {
      expect(
        (await host(parameter.grad!)).some((value) => Math.abs(value) > 1e-6),
        key,
      ).toBe(true);
    }
    const before = memory().storages;
    for (let i = 0; i < 5; i++) scope(step);
    expect(memory().storages).toBe(before);
  });

  test("passes gradcheck, of inputs and parameters, for random options", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 }),
        fc.boolean(),
        fc.boolean(),
        fc.option(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 2 })),
        fc.constantFrom("tanh", "relu"),
        async (numLayers, bias, bidirectional, lengths, nonlinearity) => {
          const options = { numLayers, bias, bidirectional, ...(name === "RNN" && { nonlinearity }) };
          const { network, given, inputs } = withDevice("cpu:f64", () => {
            const network = new Network(2, 2, options);
            const states = Array.from({ length: name === "LSTM" ? 2 : 1 }, () =>
              randn([numLayers * (bidirectional ? 2 : 1), 2, 2]),
            );
            const given = lengths && tensor(lengths, { dtype: "i32" });
            return { network, given, inputs: [randn([2, 3, 2]), ...states, ...network.parameters()] };
          });
          // The parameters are written over with what is checked, so that they are inputs too.
          const names = [...network.namedParameters().keys()];
          await gradcheck((x, ...rest) => {
            const hidden = rest.shift()!;
            const cell = name === "LSTM" ? { cell: rest.shift()! } : {};
            const call = { hidden, ...cell, ...(given && { lengths: given }) };
            return Object.values(withParameters(network, names, rest, () => network.forward(x!, call)));
          }, inputs);
        },
      ),
      { numRuns: cases(3) },
    ));

  test("errors", () => {
    const network = new Network(3, 4);
    expect(() => network.forward(rand([2, 3]))).toThrow(`${name}: x has shape [2, 3], expected rank 3`);
    expect(() => network.forward(rand([2, 3, 4]))).toThrow(`${name}: x has shape [2, 3, 4], expected [b, t, 3]`);
    expect(() => network.forward(rand([2, 3, 3]), { hidden: rand([2, 4]) })).toThrow(
      `${name}: hidden has shape [2, 4], expected [1, 2, 4]`,
    );
    expect(() => network.forward(rand([2, 3, 3]), { initial: 1 } as never)).toThrow(
      `${name}: unknown option "initial"`,
    );
    expect(() => new Network(0, 4)).toThrow(`${name}: inputSize is 0, expected a whole number above 0`);
    expect(() => new Network(3, 4, { numLayers: 1.5 })).toThrow(`${name}: numLayers is 1.5`);
    expect(() => new Network(3, 4, { dropout: 2 })).toThrow(`${name}: p is 2, expected a probability`);
    expect(() => new Network(3, 4, { projSize: 2 } as never)).toThrow(`${name}: unknown option "projSize"`);
  });
});

// Runs `fn` with other tensors in the place of parameters.
function withParameters<R>(module: Module, names: readonly string[], values: readonly Tensor[], fn: () => R): R {
  const graphs = [...module.namedParameters()].map(([name, parameter]) => {
    const value = values[names.indexOf(name)]!;
    const before = { parameter, graph: parameter.graph, storage: parameter.storage.retain() };
    parameter.rebind(value.storage.retain());
    parameter.graph = value.graph;
    return before;
  });
  try {
    return fn();
  } finally {
    for (const { parameter, graph, storage } of graphs) {
      parameter.rebind(storage);
      parameter.graph = graph;
    }
  }
}

test("RNN refuses an unknown nonlinearity", () => {
  const options = { nonlinearity: "gelu" as never };
  expect(() => new RNN(3, 4, options)).toThrow('RNN: nonlinearity is "gelu", expected tanh or relu');
  expect(() => new RNNCell(3, 4, options)).toThrow('RNNCell: nonlinearity is "gelu", expected tanh or relu');
});

test("cells make the steps of the networks", async () => {
  const x = randn([2, 3, 3]);
  for (const [network, cell] of [
    [new RNN(3, 4, { nonlinearity: "relu" }), new RNNCell(3, 4, { nonlinearity: "relu" })],
    [new GRU(3, 4), new GRUCell(3, 4)],
  ] as const) {
    cell.loadStateDict(new Map([...network.stateDict()].map(([key, value]) => [key.replace("_l0", ""), value])));
    let hidden: Tensor | undefined;
    for (let t = 0; t < 3; t++) hidden = cell.forward(x.at(null, t), hidden);
    expect(await host(hidden!)).toEqual(await host(network.forward(x).hidden));
  }
  const network = new LSTM(3, 4);
  const cell = new LSTMCell(3, 4);
  cell.loadStateDict(new Map([...network.stateDict()].map(([key, value]) => [key.replace("_l0", ""), value])));
  let state: { hidden?: Tensor; cell?: Tensor } = {};
  for (let t = 0; t < 3; t++) state = cell.forward(x.at(null, t), state);
  const whole = network.forward(x);
  expect(await host(state.hidden!)).toEqual(await host(whole.hidden));
  expect(await host(state.cell!)).toEqual(await host(whole.cell));
  expect(() => cell.forward(rand([3]))).toThrow("LSTMCell: x has shape [3], expected [b, 3]");
  expect(() => new GRUCell(3, 4, { numLayers: 2 } as never)).toThrow('GRUCell: unknown option "numLayers"');
});

class Rememberer extends Module {
  readonly embedding = new Embedding(4, 8);
  readonly lstm = new LSTM(8, 16);
  readonly head = new Linear(16, 4);

  override forward(ids: Tensor, lengths: Tensor): Tensor {
    const { hidden } = this.lstm.forward(this.embedding.forward(ids), { lengths });
    return this.head.forward(hidden.at(0));
  }
}

test("an LSTM learns to remember the first element of sequences of any length", async () => {
  manualSeed(7);
  const model = new Rememberer();
  const adam = new Adam(model.parameters(), { lr: 0.02 });
  let last = Number.POSITIVE_INFINITY;
  for (let step = 0; step < 120; step++) {
    const loss = scope(() => {
      const ids = randint(0, 4, [16, 8]);
      const lengths = randint(1, 9, [16]);
      const loss = crossEntropy(model.forward(ids, lengths), ids.at(null, 0));
      adam.zeroGrad();
      loss.backward();
      adam.step();
      return loss;
    });
    if (step % 40 === 39) last = await loss.item();
    loss.dispose();
  }
  expect(last).toBeLessThan(0.1);
});
