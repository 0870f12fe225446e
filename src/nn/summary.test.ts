import { inspect } from "node:util";
import { expect, test } from "vitest";
import { zeros } from "../kernels/creation/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Buffer, Dropout, Embedding, LayerNorm, LeakyReLU, Linear, Module, ModuleList, Sequential } from "./index.ts";

class Net extends Module {
  readonly embedding = new Embedding(1000, 8, { paddingIndex: 0 });
  readonly blocks = new ModuleList([
    new Sequential(new Linear(8, 8), new LeakyReLU()),
    new Sequential(new Dropout(0.5)),
  ]);
  readonly byName = { norm: new LayerNorm(8) };
  readonly head = new Linear(8, 1000, { bias: false });
  readonly steps = new Buffer(zeros([2]));
  readonly unused = new Linear(2, 2);
  readonly kind = "net";

  constructor() {
    super();
    this.head.weight = this.embedding.weight;
    this.byName.norm.freeze();
    this.unused.bias!.requiresGrad = false;
  }

  override forward(ids: Tensor): { logits: Tensor; hidden: Tensor } {
    let hidden = this.embedding.forward(ids);
    for (const block of this.blocks) hidden = block.forward(hidden);
    hidden = this.byName.norm.forward(hidden);
    return { logits: this.head.forward(hidden), hidden };
  }
}

const ids = () => zeros([4, 5], { dtype: "i32" });

test("a table of layers, shapes and parameters", () => {
  const net = new Net();
  const summary = net.summary(ids());
  expect(String(summary)).toBe(`layer                   output                   parameters
---------------------------------------------------------------------
Net                     [4, 5, 1000], [4, 5, 8]           -
  embedding: Embedding  [4, 5, 8]                     8,000
  blocks: ModuleList    -                                 -
    0: Sequential       [4, 5, 8]                         -
      0: Linear         [4, 5, 8]                        72
      1: LeakyReLU      [4, 5, 8]                         -
    1: Sequential       [4, 5, 8]                         -
      0: Dropout        [4, 5, 8]                         -
    norm: LayerNorm     [4, 5, 8]                        16  frozen
  head: Linear          [4, 5, 1000]                      -
  unused: Linear        -                                 6  2 frozen
---------------------------------------------------------------------
8,094 parameters (31.6 KiB): 8,076 trained, 18 frozen
8 B of buffers`);
  expect(summary).toMatchObject({ parameters: 8094, trainable: 8076, parameterBytes: 4 * 8094, bufferBytes: 8 });
  expect(
    summary.layers.map(({ name, type, outputs, parameters, trainable }) => [
      name,
      type,
      outputs,
      parameters,
      trainable,
    ]),
  ).toEqual([
    [
      "",
      "Net",
      [
        [4, 5, 1000],
        [4, 5, 8],
      ],
      0,
      0,
    ],
    ["embedding", "Embedding", [[4, 5, 8]], 8000, 8000],
    ["blocks", "ModuleList", [], 0, 0],
    ["blocks.0", "Sequential", [[4, 5, 8]], 0, 0],
    ["blocks.0.0", "Linear", [[4, 5, 8]], 72, 72],
    ["blocks.0.1", "LeakyReLU", [[4, 5, 8]], 0, 0],
    ["blocks.1", "Sequential", [[4, 5, 8]], 0, 0],
    ["blocks.1.0", "Dropout", [[4, 5, 8]], 0, 0],
    ["by_name.norm", "LayerNorm", [[4, 5, 8]], 16, 0],
    ["head", "Linear", [[4, 5, 1000]], 0, 0], // the embedding's
    ["unused", "Linear", [], 6, 4],
  ]);
});

test("leaves the module as it was", async () => {
  const net = new Net();
  net.blocks.modules[1]!.eval();
  const before = memoryOf(net);
  net.summary(ids());
  expect(memoryOf(net)).toEqual(before);
  expect(() => net.summary([4, 5])).toThrow("embedding: embedding: ids has dtype f32");
  expect(memoryOf(net)).toEqual(before);
});

function memoryOf(net: Net): unknown[] {
  return [...net.namedModules().values()].map(({ training }) => training);
}

test("shapes stand for zeros, and without inputs nothing runs", () => {
  const layer = new Sequential(new Linear(3, 2), new LeakyReLU());
  expect(layer.summary([7, 3]).layers.map(({ outputs }) => outputs)).toEqual([[[7, 2]], [[7, 2]], [[7, 2]]]);
  expect(layer.summary().layers.map(({ outputs }) => outputs)).toEqual([[], [], []]);
  expect(inspect(layer.summary([7, 3]))).toBe(String(layer.summary([7, 3])));
});

test("a module as text is its tree", () => {
  const net = new Net();
  expect(String(net)).toBe(`Net(
  steps: [2], kind="net"
  (embedding): Embedding(weight: [1000, 8], paddingIndex=0)
  (blocks): ModuleList(
    (0): Sequential(
      (0): Linear(weight: [8, 8], bias: [8])
      (1): LeakyReLU(negativeSlope=0.01)
    )
    (1): Sequential(
      (0): Dropout(p=0.5)
    )
  )
  (by_name.norm): LayerNorm(weight: [8], bias: [8], normalizedShape=[8], eps=0.00001)
  (head): Linear(weight: [1000, 8], bias=null)
  (unused): Linear(weight: [2, 2], bias: [2])
)`);
  expect(inspect(new LeakyReLU(0.2))).toBe("LeakyReLU(negativeSlope=0.2)");
});
