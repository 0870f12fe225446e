import { describe, expect, test } from "vitest";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { noGrad } from "../autograd/record.ts";
import { parseState, serializeState } from "../io/state.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { randn } from "../kernels/random/random.ts";
import { TransformerClassifier } from "../models/transformer-classifier.ts";
import { Adam, parameterGroups } from "../optim/index.ts";
import { type DeviceName, withDevice } from "../tensor/device.ts";
import { init, KeyValueCache, Linear, lora, type Module, MultiheadAttention, Sequential } from "./index.ts";

const OPTIONS = {
  vocabSize: 9,
  classes: 3,
  maxLength: 6,
  features: 8,
  heads: 2,
  layers: 1,
  feedForward: 16,
  dropout: 0,
};
const ids = () =>
  tensor(
    [
      [3, 4, 5, 1],
      [8, 2, 0, 0],
    ],
    { dtype: "i32" },
  );
const labels = () => tensor([2, 0], { dtype: "i32" });
const ALL = ["encoder.layers.0.self_attn", "encoder.layers.0.self_attn.out_proj", "encoder.layers.0.linear1"];
const LAYERS = [...ALL, "encoder.layers.0.linear2", "head"];

/** Gives adapters something to add. */
function stir(model: Module): void {
  for (const [name, parameter] of model.namedParameters()) if (/lora_/.test(name)) init.normal(parameter, 0, 0.3);
}

const trainedNames = (model: Module) =>
  [...model.namedParameters()].flatMap(([name, { requiresGrad }]) => (requiresGrad ? [name] : []));

describe("inject", () => {
  test.each(["webgpu", "cpu"] as const)("changes no bit of the outputs on %s", async (device: DeviceName) => {
    for (const activation of ["relu", "gelu"] as const) {
      const [before, after] = withDevice(device, () => {
        const model = new TransformerClassifier({ ...OPTIONS, activation, pooling: "class" });
        const before = model.forward(ids());
        const targets = ["embedding", "encoder", "head"];
        expect(lora.inject(model, { targets, dropout: 0.5 })).toEqual(["embedding", ...LAYERS]);
        return [before, model.forward(ids())];
      });
      expect(await after!.data()).toEqual(await before!.data());
    }
  });

  test("adapts all but embeddings and what is trained as a whole, or what is named", () => {
    const names = (options: Parameters<typeof lora.inject>[1]) =>
      lora.inject(new TransformerClassifier(OPTIONS), options);
    expect(names({})).toEqual(LAYERS);
    expect(names({ train: ["head"] })).toEqual(LAYERS.slice(0, 4));
    expect(names({ targets: ["**.linear1", /linear2$/] })).toEqual(LAYERS.slice(2, 4));
    expect(names({ targets: ["**"] })).toEqual(["embedding", ...LAYERS]);
    expect(names({ targets: ["encoder.layers.0.self_attn"] })).toEqual(LAYERS.slice(0, 2));
  });

  test("trains the adapters, and what is to be trained as a whole, and nothing else", async () => {
    const model = new TransformerClassifier(OPTIONS);
    lora.inject(model, { rank: 2, targets: ["**.linear1"], train: ["head"] });
    const trained = trainedNames(model);
    expect(trained).toEqual([
      "encoder.layers.0.linear1.adapter.lora_A.weight",
      "encoder.layers.0.linear1.adapter.lora_B.weight",
      "head.weight",
      "head.bias",
    ]);
    const before = new Map(
      await Promise.all([...model.stateDict()].map(async ([name, x]) => [name, await x.data()] as const)),
    );
    const adam = new Adam(parameterGroups(model, []), { lr: 0.1 });
    expect(adam.groups.flatMap(({ parameters }) => parameters).length).toBe(4);
    for (let step = 0; step < 2; step++) {
      adam.zeroGrad();
      model.forward(ids()).crossEntropy(labels()).backward();
      adam.step();
    }
    for (const [name, x] of model.stateDict()) {
      const isChanged = (await x.data()).some((value, i) => value !== before.get(name)![i]);
      expect(isChanged, name).toBe(trained.includes(name));
    }
  });

  test("adds alpha / r times the product", async () => {
    const model = new Linear(3, 2);
    const x = randn([4, 3]);
    const before = model.forward(x);
    lora.inject(model, { rank: 2, alpha: 6 });
    stir(model);
    const { a, b } = model.adapter!;
    const expected = await before.add(x.matmul(a, { transposeB: true }).matmul(b, { transposeB: true }).mul(3)).data();
    (await model.forward(x).data()).forEach((y, i) => expect(y).toBeCloseTo(expected[i]!, 5));
  });

  test("drops out what adapters see, in training alone", async () => {
    const model = new Linear(3, 2);
    lora.inject(model, { dropout: 0.5 });
    stir(model);
    const x = randn([4, 3]);
    const outputs = async () => [...(await model.forward(x).data())];
    expect(await outputs()).not.toEqual(await outputs());
    model.eval();
    expect(await outputs()).toEqual(await outputs());
  });

  test("errors", () => {
    const model = () => new TransformerClassifier(OPTIONS);
    expect(() => lora.inject(model(), { rank: 0 })).toThrow(
      "lora.inject: rank is 0, expected a whole number from 1 up",
    );
    expect(() => lora.inject(model(), { alpha: Number.NaN })).toThrow("lora.inject: alpha is NaN, expected a number");
    expect(() => lora.inject(model(), { dropout: 1.5 })).toThrow(/dropout|p is 1.5/);
    expect(() => lora.inject(model(), { targets: ["decoder"] })).toThrow(
      "no layer that can be adapted has a name like decoder",
    );
    expect(() => lora.inject(new Sequential())).toThrow("lora.inject: the model has no layer to adapt");
    expect(() => lora.inject(model(), { train: ["tail"] })).toThrow('no parameter\'s name matches "tail"');
    const whole = model();
    expect(() => lora.inject(whole, { train: ["tail"] })).toThrow();
    expect(whole.parameters().every(({ requiresGrad }) => requiresGrad)).toBe(true);
    const adapted = model();
    lora.inject(adapted);
    expect(() => lora.inject(adapted)).toThrow("lora.inject: the model has adapters; take them away with eject");
    for (const fn of [lora.merge, lora.unmerge, lora.eject, lora.stateDict]) {
      expect(() => fn(model())).toThrow(/^lora\.\w+: the model has no adapters; give it some with lora\.inject$/);
    }
  });
});

describe("gradients", () => {
  test("are right through linear layers, attention and tables", async () => {
    const [model, tokens] = withDevice("cpu:f64", () => {
      manualSeed(3);
      const model = new TransformerClassifier({ ...OPTIONS, activation: "gelu" });
      lora.inject(model, { rank: 2, alpha: 3, targets: ["**"] });
      stir(model);
      return [model, ids()];
    });
    await gradcheckModule(model, [], () => model.forward(tokens));
  });

  test("are right where keys are no queries", async () => {
    const [attention, query, memory] = withDevice("cpu:f64", () => {
      manualSeed(4);
      const attention = new MultiheadAttention(4, 2);
      lora.inject(attention, { rank: 2 });
      stir(attention);
      return [attention, randn([1, 2, 4]), randn([1, 3, 4])];
    });
    await gradcheckModule(attention, [query, memory], (query, memory) => attention.forward(query!, memory!, memory!));
  });

  test("reach only what is trained", () => {
    const model = new TransformerClassifier(OPTIONS);
    lora.inject(model);
    model.forward(ids()).crossEntropy(labels()).backward();
    const withGradient = [...model.namedParameters()].flatMap(([name, { grad }]) => (grad ? [name] : []));
    expect(withGradient).toEqual(trainedNames(model));
  });
});

test("attention with an adapter is the same with a cache, and with its weights asked for", async () => {
  const attention = new MultiheadAttention(4, 2);
  lora.inject(attention, { rank: 2 });
  stir(attention);
  attention.eval();
  const x = randn([2, 3, 4]);
  const whole = await attention.forward(x, x, x, { isCausal: true }).data();
  const cache = new KeyValueCache(3);
  const first = x.slice(":", "0:2");
  const parts = noGrad(() =>
    [first, x.slice(":", "2:3")].map((x) => attention.forward(x, x, x, { isCausal: true, cache })),
  );
  const rows = await Promise.all(parts.map((part) => part.toArray() as Promise<number[][][]>));
  const together = [0, 1].flatMap((b) => [...rows[0]![b]!, ...rows[1]![b]!]).flat();
  together.forEach((y, i) => expect(y).toBeCloseTo(whole[i]!, 5));
  const [visible] = attention.forward(x, x, x, { isCausal: true, needWeights: true });
  (await visible.data()).forEach((y, i) => expect(y).toBeCloseTo(whole[i]!, 5));
});

describe("merging", () => {
  test("gives the same outputs, unmerging the weights of before in every bit", async () => {
    const model = new TransformerClassifier(OPTIONS).eval();
    lora.inject(model, { targets: ["**"], alpha: 4 });
    stir(model);
    const weights = async () => [...(await model.encoder.layers.modules[0]!.linear1.weight.data())];
    const [before, apart] = [await weights(), await model.forward(ids()).data()];
    const keys = [...model.stateDict().keys()];
    lora.merge(lora.merge(model));
    expect(await weights()).not.toEqual(before);
    expect([...model.stateDict().keys()]).toEqual(keys);
    (await model.forward(ids()).data()).forEach((y, i) => expect(y).toBeCloseTo(apart[i]!, 5));
    lora.unmerge(model);
    expect(await weights()).toEqual(before);
    expect(await model.forward(ids()).data()).toEqual(apart);
  });

  test("and ejecting leaves a plain model", async () => {
    const plain = new TransformerClassifier(OPTIONS).eval();
    const keys = [...plain.stateDict().keys()];
    lora.inject(plain, { train: ["head"] });
    stir(plain);
    const apart = await plain.forward(ids()).data();
    lora.eject(lora.merge(plain));
    expect([...plain.stateDict().keys()]).toEqual(keys);
    expect(plain.parameters().every(({ requiresGrad }) => requiresGrad)).toBe(true);
    (await plain.forward(ids()).data()).forEach((y, i) => expect(y).toBeCloseTo(apart[i]!, 5));
    lora.inject(plain);
    const before = await plain.forward(ids()).data();
    stir(plain);
    lora.eject(plain);
    expect(await plain.forward(ids()).data()).toEqual(before);
  });

  test("changes a layer with two names once", async () => {
    const layer = new Linear(3, 3);
    const model = new Sequential(layer, layer);
    expect(lora.inject(model)).toEqual(["0"]);
    stir(model);
    const x = randn([2, 3]);
    const apart = await model.forward(x).data();
    lora.merge(model);
    (await model.forward(x).data()).forEach((y, i) => expect(y).toBeCloseTo(apart[i]!, 5));
    lora.eject(model);
  });

  test("is refused where a weight is another layer's, too", () => {
    const model = new Sequential(new Linear(3, 3), new Linear(3, 3));
    (model.layers[1] as Linear).weight = (model.layers[0] as Linear).weight;
    lora.inject(model, { targets: ["0"] });
    expect(() => lora.merge(model)).toThrow(
      "lora.merge: 0.weight and 1.weight are one weight, which both would change",
    );
  });
});

describe("saving apart", () => {
  const make = () => {
    const model = new TransformerClassifier(OPTIONS).eval();
    lora.inject(model, { rank: 2, targets: ["**.linear1", "**.self_attn", "embedding"], train: ["head"] });
    return model;
  };

  test("has PEFT's names, and gives the same model on the same base", async () => {
    const model = make();
    const base = parseState(await serializeState(model.stateDict()));
    stir(model);
    const state = lora.stateDict(model);
    expect([...state.keys()]).toEqual(
      [
        ...["embedding.lora_embedding_A", "embedding.lora_embedding_B"],
        ...["self_attn.out_proj.lora_A.weight", "self_attn.out_proj.lora_B.weight"].map(
          (name) => `encoder.layers.0.${name}`,
        ),
        ...["self_attn.lora_A.weight", "self_attn.lora_B.weight"].map((name) => `encoder.layers.0.${name}`),
        ...["linear1.lora_A.weight", "linear1.lora_B.weight"].map((name) => `encoder.layers.0.${name}`),
        ...["head.weight", "head.bias"],
      ].map((name) => `base_model.model.${name}`),
    );
    const file = await serializeState(state);
    const other = make();
    other.loadStateDict(base);
    lora.loadStateDict(other, parseState(file));
    expect(await other.forward(ids()).data()).toEqual(await model.forward(ids()).data());
  });

  test("refuses what does not fit, and changes nothing then", async () => {
    const model = make();
    const state = new Map(lora.stateDict(model));
    state.delete("base_model.model.head.bias");
    state.set("base_model.model.other", zeros([1]));
    expect(() => lora.loadStateDict(model, state)).toThrow(
      "loadStateDict: head.bias is missing; base_model.model.other is unexpected",
    );
    lora.merge(model);
    expect(() => lora.loadStateDict(model, new Map())).toThrow("has its adapter merged; call lora.unmerge first");
  });
});
