import { describe, expect, test } from "vitest";
import { ShapeError, ValueError } from "../gpu/errors.ts";
import { parseSafetensors, serializeSafetensors, toFloat32 } from "../io/index.ts";
import { ones, tensor, zeros } from "../kernels/creation/creation.ts";
import { crossEntropy } from "../kernels/cross-entropy/cross-entropy.ts";
import { add, mul } from "../kernels/elementwise/binary-ops.ts";
import { SGD } from "../optim/index.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ModuleList, Sequential } from "./containers.ts";
import { Embedding } from "./embedding.ts";
import { Linear } from "./linear.ts";
import { Buffer, Module, Parameter, snakeCase } from "./module.ts";

class Scale extends Module {
  readonly weight: Parameter;

  constructor(size: number) {
    super();
    this.weight = new Parameter(ones([size]));
  }

  override forward(x: Tensor): Tensor {
    return mul(x, this.weight);
  }
}

class Net extends Module {
  readonly firstLayer = new Scale(2);
  readonly blocks = new ModuleList([new Scale(2), new Sequential(new Scale(2), new Scale(3))]);
  readonly byName = { left: new Scale(2), list: [new Scale(2)] };
  readonly runningMean = new Buffer(zeros([2]));
  readonly cache = new Buffer(zeros([2]), { persistent: false });
  readonly plain = zeros([2]);
  shared: Scale | null = null;

  override forward(x: Tensor): Tensor {
    const [first, second] = this.blocks.modules as [Scale, Sequential];
    return second.forward(first.forward(this.firstLayer.forward(x)));
  }
}

const NAMES = [
  "first_layer.weight",
  "blocks.0.weight",
  "blocks.1.0.weight",
  "blocks.1.1.weight",
  "by_name.left.weight",
  "by_name.list.0.weight",
];

test("fields become PyTorch's names", () => {
  expect(["inProjWeight", "weightIhL0", "norm1", "bias"].map(snakeCase)).toEqual([
    "in_proj_weight",
    "weight_ih_l0",
    "norm1",
    "bias",
  ]);
});

describe("walking the fields", () => {
  test("finds parameters, buffers and modules in modules, lists and plain objects", () => {
    const net = new Net();
    expect([...net.namedParameters().keys()]).toEqual(NAMES);
    expect([...net.namedBuffers().keys()]).toEqual(["running_mean", "cache"]);
    expect([...net.stateDict().keys()]).toEqual([...NAMES, "running_mean"]);
    expect([...net.namedModules().keys()].slice(0, 4)).toEqual(["", "first_layer", "blocks", "blocks.0"]);
    expect(net.parameterCount()).toBe(13);
  });

  test("counts a shared parameter once, and saves it under both names", () => {
    const net = new Net();
    net.shared = net.firstLayer;
    expect([...net.namedParameters().keys()]).toEqual(NAMES);
    expect([...net.stateDict().keys()]).toContain("shared.weight");
  });

  test("refuses a module that contains itself", () => {
    const net = new Net() as Net & { self: Module };
    net.self = new Sequential(net);
    expect(() => net.parameters()).toThrow('Net: the module "self.0" contains itself');
  });
});

test("train and eval reach every module", () => {
  const net = new Net().eval();
  expect([...net.namedModules().values()].some(({ training }) => training)).toBe(false);
  net.train();
  expect(net.blocks.modules[1]!.training).toBe(true);
});

test("parameters and buffers survive scopes, and zeroGrad forgets gradients", async () => {
  const net = scope(() => {
    new Net();
    return new Net();
  });
  scope(() =>
    net.firstLayer
      .forward(tensor([1, 2]))
      .sum()
      .backward(),
  );
  expect(await net.firstLayer.weight.grad!.toArray()).toEqual([1, 2]);
  net.zeroGrad();
  expect(net.firstLayer.weight.grad).toBeNull();
  expect(net.runningMean.disposed).toBe(false);
});

test("an error inside carries the module's path", () => {
  const net = new Net();
  const outer = new Sequential(new Scale(2), net);
  expect(() => outer.forward(tensor([1, 2]))).toThrow(
    new ShapeError("1.blocks.1.1: mul: the shapes [2] and [3] do not broadcast"),
  );
  expect(() => net.firstLayer.forward(tensor([1, 2, 3]))).toThrow(/^mul: the shapes/);
});

describe("loadStateDict", () => {
  test("takes tensors and host data, in place", async () => {
    const [from, to] = [new Net(), new Net()];
    const { weight } = to.firstLayer;
    const state = new Map<string, Tensor | { shape: number[]; data: Float32Array }>(from.stateDict());
    state.set("first_layer.weight", { shape: [2], data: Float32Array.of(3, 4) });
    to.loadStateDict(state);
    expect(to.firstLayer.weight).toBe(weight);
    expect(await weight.toArray()).toEqual([3, 4]);
  });

  test("changes nothing unless all fits, and lists what does not", async () => {
    const net = new Net();
    const state = new Map<string, Tensor>(net.stateDict());
    state.delete("running_mean");
    state.set("blocks.0.weight", zeros([5]));
    state.set("extra", zeros([1]));
    state.set("first_layer.weight", zeros([2]));
    expect(() => net.loadStateDict(state)).toThrow(
      new ValueError(
        "loadStateDict: blocks.0.weight has shape [5], expected [2]; running_mean is missing; extra is unexpected",
      ),
    );
    expect(await net.firstLayer.weight.toArray()).toEqual([1, 1]);
  });

  test("takes what there is when not strict, and reports the rest", async () => {
    const [from, to] = [new Net(), new Net()];
    const state = new Map<string, Tensor>(from.stateDict());
    state.set("first_layer.weight", tensor([5, 6]));
    state.delete("running_mean");
    state.set("extra", zeros([1]));
    const report = to.loadStateDict(state, { strict: false });
    expect(report).toEqual({ loaded: NAMES, missing: ["running_mean"], unexpected: ["extra"], mismatched: [] });
    expect(await to.firstLayer.weight.toArray()).toEqual([5, 6]);
    state.set("blocks.1.1.weight", zeros([4]));
    expect(() => to.loadStateDict(state, { strict: false })).toThrow(
      new ValueError("loadStateDict: blocks.1.1.weight has shape [4], expected [3]"),
    );
  });

  test("keeps what has another shape where that is allowed, and says so", async () => {
    const [from, to] = [new Net(), new Net()];
    const state = new Map<string, Tensor>(from.stateDict());
    state.set("blocks.1.1.weight", zeros([7]));
    state.set("first_layer.weight", tensor([5, 6]));
    const { mismatched, loaded } = to.loadStateDict(state, { keepMismatched: true });
    expect(mismatched).toEqual([{ name: "blocks.1.1.weight", found: [7], expected: [3] }]);
    expect(loaded).not.toContain("blocks.1.1.weight");
    expect(await to.blocks.modules[1]!.stateDict().get("1.weight")!.toArray()).toEqual([1, 1, 1]);
    expect(await to.firstLayer.weight.toArray()).toEqual([5, 6]);
    state.delete("running_mean");
    expect(() => to.loadStateDict(state, { keepMismatched: true })).toThrow(/^loadStateDict: running_mean is missing$/);
  });

  test("renames by prefixes, of which the first counts, or by a function", async () => {
    const net = new Net();
    const wrapped = new Map([...net.stateDict()].map(([name, value]) => [`module.${name}`, value]));
    expect(net.loadStateDict(wrapped, { rename: [["module.", ""]] }).loaded.length).toBe(7);
    const moved = new Map([...net.stateDict()].map(([name, value]) => [name.replace("blocks.", "stages."), value]));
    const pairs = [
      ["stages.0", "blocks.0"],
      ["stages.", "blocks."],
      ["blocks.", "none."],
    ] as const;
    expect(net.loadStateDict(moved, { rename: pairs }).missing).toEqual([]);
    moved.set("head.weight", zeros([9]));
    const rename = (name: string) => (name.startsWith("head.") ? null : name.replace("stages.", "blocks."));
    expect(net.loadStateDict(moved, { rename }).unexpected).toEqual([]);
    expect(() => net.loadStateDict(net.stateDict(), { rename: () => "first_layer.weight" })).toThrow(
      "loadStateDict: first_layer.weight and blocks.0.weight are both renamed to first_layer.weight; blocks.0.weight and",
    );
    expect(() => net.loadStateDict(net.stateDict(), { stric: false } as object)).toThrow('did you mean "strict"?');
  });

  test("is noticed by a backward that needs the old values", () => {
    const net = new Scale(2);
    const x = tensor([1, 2], { requiresGrad: true });
    const y = add(net.forward(x), 0).sum();
    net.loadStateDict(new Map([["weight", zeros([2])]]));
    expect(() => y.backward()).toThrow("mul: the saved tensor b of shape [2] was changed in place");
  });
});

test("a module moves between devices and back", async () => {
  const net = new Scale(2);
  await net.to("cpu");
  expect(net.weight.device.name).toBe("cpu");
  const y = net.forward(tensor([3, 4], { device: "cpu" }));
  y.sum().backward();
  expect(await net.weight.grad!.toArray()).toEqual([3, 4]);
  await net.to("webgpu");
  expect([net.weight.device.name, net.weight.grad, net.weight.requiresGrad]).toEqual(["webgpu", null, true]);
});

describe("what is inside", () => {
  test("children are the modules directly inside, and submodules and parameters have names", () => {
    const net = new Net();
    expect([...net.namedChildren().keys()]).toEqual(["first_layer", "blocks", "by_name.left", "by_name.list.0"]);
    expect(net.blocks.children()).toEqual(net.blocks.modules);
    net.shared = net.firstLayer;
    expect(net.children().length).toBe(4);
    expect(net.getSubmodule("")).toBe(net);
    expect(net.getSubmodule("blocks.1.0")).toBe(net.blocks.modules[1]!.children()[0]);
    expect(net.getParameter("shared.weight")).toBe(net.firstLayer.weight);
    expect(() => net.getSubmodule("block")).toThrow('getSubmodule: Net has no module "block"; did you mean "blocks"?');
    expect(() => net.getParameter("running_mean")).toThrow('getParameter: Net has no parameter "running_mean"');
  });

  test("apply reaches every module, what is inside before what is around", () => {
    const names: string[] = [];
    const net = new Net();
    expect(net.apply((module) => names.push(module.constructor.name))).toBe(net);
    expect(names).toEqual(["Scale", "Scale", "Scale", "Scale", "Sequential", "ModuleList", "Scale", "Scale", "Net"]);
  });

  test("a frozen module gets no gradient, and none is left", async () => {
    const net = new Net();
    const step = () => net.firstLayer.forward(net.byName.left.forward(tensor([1, 2]))).sum();
    step().backward();
    net.firstLayer.freeze();
    expect([net.firstLayer.weight.requiresGrad, net.firstLayer.weight.grad]).toEqual([false, null]);
    net.zeroGrad();
    step().backward();
    expect([net.firstLayer.weight.grad, await net.byName.left.weight.grad!.toArray()]).toEqual([null, [1, 2]]);
    net.freeze().unfreeze();
    expect(net.parameters().every(({ requiresGrad }) => requiresGrad)).toBe(true);
  });
});

describe("freezing by name", () => {
  const frozen = (net: Net) => [...net.namedParameters()].flatMap(([name, p]) => (p.requiresGrad ? [] : [name]));

  test("means parameters, modules with all inside, or whatever a RegExp finds", () => {
    const net = new Net();
    expect(frozen(net.freeze("blocks.1", "first_layer.weight"))).toEqual([NAMES[0], NAMES[2], NAMES[3]]);
    expect(frozen(net.unfreeze("blocks"))).toEqual([NAMES[0]]);
    expect(frozen(net.unfreeze().freeze("blocks.*.weight"))).toEqual([NAMES[1]]);
    expect(frozen(net.unfreeze().freeze("blocks.**.weight", "*.left"))).toEqual(NAMES.slice(1, 5));
    expect(frozen(net.unfreeze().freeze(/\.[01]\./g))).toEqual([NAMES[1], NAMES[2], NAMES[3], NAMES[5]]);
    expect(frozen(net.unfreeze().freeze("block*"))).toEqual(NAMES.slice(1, 4));
  });

  test("finds a shared parameter under each of its names", () => {
    const net = new Net();
    net.shared = net.firstLayer;
    expect(frozen(net.freeze("shared"))).toEqual([NAMES[0]]);
  });

  test("refuses a pattern that means nothing", () => {
    const net = new Net();
    expect(() => net.freeze("blocks.1", "first")).toThrow(/freeze: no parameter's name matches "first"; /);
    expect(() => net.freeze("blocks.7")).toThrow(
      'freeze: no parameter\'s name matches "blocks.7"; did you mean "blocks.0"?',
    );
    expect(() => net.unfreeze(/head/)).toThrow("unfreeze: no parameter's name matches /head/");
    expect(frozen(net)).toEqual([]);
  });
});

describe("one parameter in two fields", () => {
  class Tied extends Module {
    readonly embedding = new Embedding(5, 3);
    readonly head = new Linear(3, 5, { bias: false });

    constructor(isTied = true) {
      super();
      if (isTied) this.head.weight = this.embedding.weight;
    }

    override forward(ids: Tensor): Tensor {
      return this.head.forward(this.embedding.forward(ids));
    }
  }

  const ids = (device?: "cpu") => tensor([1, 4], { dtype: "i32", ...(device ? { device } : {}) });

  test("is trained once, by the sum of both gradients", async () => {
    const net = new Tied();
    expect([...net.namedParameters().keys()]).toEqual(["embedding.weight"]);
    expect(net.parameterCount()).toBe(15);
    const apart = new Tied(false);
    apart.loadStateDict(net.stateDict());
    for (const module of [net, apart]) crossEntropy(module.forward(ids()), ids()).backward();
    const sum = apart.embedding.weight.grad!.add(apart.head.weight.grad!);
    const dw = await sum.data();
    (await net.embedding.weight.grad!.data()).forEach((d, i) => expect(d).toBeCloseTo(dw[i]!, 5));
    const before = await net.head.weight.data();
    new SGD(net.parameters(), { lr: 1 }).step();
    (await net.head.weight.data()).forEach((w, i) => expect(w).toBeCloseTo(before[i]! - dw[i]!, 5));
    expect(await net.embedding.weight.data()).toEqual(await net.head.weight.data());
  });

  test("is saved under both names, and loaded from a file", async () => {
    const net = new Tied();
    const entries = await Promise.all(
      [...net.stateDict()].map(async ([name, x]) => {
        const data = Float32Array.from(await x.data());
        return [name, { dtype: "F32" as const, shape: x.shape, data }] as const;
      }),
    );
    expect(entries.map(([name]) => name)).toEqual(["embedding.weight", "head.weight"]);
    const { tensors } = parseSafetensors(serializeSafetensors(entries));
    const state = new Map([...tensors].map(([name, x]) => [name, { shape: x.shape, data: toFloat32(x) }]));
    for (const module of [new Tied(), new Tied(false)]) {
      module.loadStateDict(state);
      expect(await module.forward(ids()).data()).toEqual(await net.forward(ids()).data());
    }
  });

  test("moves to another device as one", async () => {
    const net = new Tied();
    await net.to("cpu");
    expect(net.head.weight).toBe(net.embedding.weight);
    expect(net.forward(ids("cpu")).device.name).toBe("cpu");
  });
});
