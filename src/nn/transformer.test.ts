import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { recordedNodes } from "../autograd/record.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { memory, withDevice } from "../tensor/device.ts";
import { keep } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { LayerNorm, RMSNorm } from "./normalization.ts";
import { RotaryPositions } from "./positions.ts";
import { Transformer, TransformerDecoder, TransformerEncoder } from "./transformer.ts";
import { TransformerDecoderLayer, TransformerEncoderLayer } from "./transformer-layers.ts";

const host = async (x: Tensor) => Array.from(await x.data());

/** [b, t], true from each sequence's length on. */
function paddings(lengths: readonly number[], t: number): boolean[][] {
  return lengths.map((length) => Array.from({ length: t }, (_, i) => i >= length));
}

/** A batch whose sequences are filled up to t with rows of one number: [b, t, d]. */
function padded(sequences: readonly number[][][], t: number, filling: number): Tensor {
  const d = sequences[0]![0]!.length;
  const row = new Array<number>(d).fill(filling);
  return tensor(sequences.map((rows) => [...rows, ...new Array<number[]>(t - rows.length).fill(row)]));
}

describe("TransformerEncoder", () => {
  test.each([false, true])(
    "trains every parameter, in memory that its scopes give back (normFirst %s)",
    async (normFirst) => {
      manualSeed(2);
      const encoder = new TransformerEncoder(8, 2, 2, { feedForward: 16, normFirst, dropout: 0.1 });
      const x = randn([2, 4, 8]);
      encoder.forward(x).square().sum().backward();
      for (const [name, parameter] of encoder.namedParameters()) {
        const gradient = await host(parameter.grad!);
        // Keys' biases shift all scores of a query alike, which softmax does not see; rounding leaves a trace.
        expect(
          gradient.some((value) => Math.abs(value) > 1e-6),
          name,
        ).toBe(true);
      }
      const before = memory().storages;
      const y = encoder.forward(x);
      y.sum().backward();
      y.dispose();
      expect(memory().storages - before).toBeLessThanOrEqual(1); // the sum
      expect(encoder.norm === null).toBe(!normFirst);
    },
  );

  test("names are PyTorch's", () => {
    const names = [...new TransformerEncoder(4, 1, 1, { feedForward: 4, finalNorm: true }).stateDict().keys()];
    expect(names).toEqual([
      "layers.0.self_attn.in_proj_weight",
      "layers.0.self_attn.in_proj_bias",
      "layers.0.self_attn.out_proj.weight",
      "layers.0.self_attn.out_proj.bias",
      "layers.0.linear1.weight",
      "layers.0.linear1.bias",
      "layers.0.linear2.weight",
      "layers.0.linear2.bias",
      "layers.0.norm1.weight",
      "layers.0.norm1.bias",
      "layers.0.norm2.weight",
      "layers.0.norm2.bias",
      "norm.weight",
      "norm.bias",
    ]);
  });
});

describe("TransformerDecoder", () => {
  test("trains every parameter of a layer, in memory that its scopes give back", async () => {
    manualSeed(2);
    const decoder = new TransformerDecoder(8, 2, 2, { feedForward: 16, normFirst: true });
    const [x, source] = [randn([2, 4, 8]), randn([2, 3, 8])];
    decoder.forward(x, source).square().sum().backward();
    for (const [name, parameter] of decoder.namedParameters()) {
      const gradient = await host(parameter.grad!);
      expect(
        gradient.some((value) => Math.abs(value) > 1e-6),
        name,
      ).toBe(true);
    }
    const before = memory().storages;
    const y = decoder.forward(x, source);
    y.sum().backward();
    y.dispose();
    expect(memory().storages - before).toBeLessThanOrEqual(1); // the sum
  });

  test("names are PyTorch's", () => {
    const attention = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"];
    const affine = ["weight", "bias"];
    const of = (module: string, names: string[]) => names.map((name) => `layers.0.${module}.${name}`);
    expect([...new TransformerDecoder(4, 1, 1, { feedForward: 4, finalNorm: true }).stateDict().keys()]).toEqual([
      ...of("self_attn", attention),
      ...of("multihead_attn", attention),
      ...["linear1", "linear2", "norm1", "norm2", "norm3"].flatMap((module) => of(module, affine)),
      "norm.weight",
      "norm.bias",
    ]);
    expect([...new TransformerDecoder(4, 1, 1, { feedForward: 4, bias: false }).stateDict().keys()]).toEqual([
      ...of("self_attn", ["in_proj_weight", "out_proj.weight"]),
      ...of("multihead_attn", ["in_proj_weight", "out_proj.weight"]),
      ...["linear1", "linear2", "norm1", "norm2", "norm3"].flatMap((module) => of(module, ["weight"])),
    ]);
  });
});

describe("residuals, dropout and norms", () => {
  const layers = { encoder: TransformerEncoderLayer, decoder: TransformerDecoderLayer };

  /** Output, gradients, and the names of the ops that a layer is made of, from the same random numbers. */
  async function run(layer: TransformerEncoderLayer | TransformerDecoderLayer, x: Tensor, memory: Tensor) {
    manualSeed(8);
    layer.zeroGrad();
    const forward = () =>
      layer instanceof TransformerEncoderLayer ? layer.forward(x) : layer.forward(x, memory.detach());
    const { result: y, nodes } = recordedNodes(forward);
    y.square().sum().backward();
    const gradients = [...layer.namedParameters()].map(async ([name, { grad }]) => [name, await host(grad!)] as const);
    return { y: await host(y), gradients: await Promise.all(gradients), ops: nodes.map(({ op }) => op) };
  }

  describe.each(["encoder", "decoder"] as const)("of an %s layer", (kind) => {
    test.each([
      [false, true],
      [true, true],
      [false, false],
    ])(
      "are one kernel, and mean the same apart where a norm is hooked (normFirst %s, training %s)",
      async (normFirst, training) => {
        manualSeed(6);
        const layer = new layers[kind](8, 2, { feedForward: 16, dropout: 0.3, normFirst }).train(training);
        const [x, memory] = [randn([2, 3, 8]), randn([2, 4, 8])];
        const joined = await run(layer, x, memory);
        const norms = [...layer.namedChildren()].filter(([name]) => name.startsWith("norm")).map(([, norm]) => norm);
        const count = (ops: string[], op: string) => ops.filter((name) => name === op).length;
        expect(count(joined.ops, "dropoutAddLayerNorm")).toBe(norms.length - Number(normFirst));
        const seen = new Set<unknown>();
        const unhook = norms.map((norm) => norm.registerForwardHook((module) => void seen.add(module)));
        const apart = await run(layer, x, memory);
        expect(seen.size).toBe(norms.length);
        expect(count(apart.ops, "layerNorm")).toBe(norms.length);
        // Rounding differs where a compiler rounds a product and a sum at once.
        apart.y.forEach((value, i) => expect(joined.y[i]).toBeCloseTo(value, 5));
        for (const [i, [name, values]] of apart.gradients.entries()) {
          const [, actual] = joined.gradients[i]!;
          const largest = Math.max(...values.map(Math.abs), 1e-3);
          values.forEach((value, k) => expect(Math.abs(actual[k]! - value), name).toBeLessThan(1e-5 * largest + 1e-6));
        }
        for (const remove of unhook) remove();
        expect((await run(layer, x, memory)).ops).toEqual(joined.ops);
      },
    );
  });

  test("are done by what stands in a norm's place", async () => {
    manualSeed(6);
    const layer = new TransformerEncoderLayer(8, 2, { feedForward: 16 }).eval();
    const x = randn([2, 3, 8]);
    const twice = new (class extends LayerNorm {
      override forward(x: Tensor): Tensor {
        return super.forward(x).mul(2);
      }
    })(8);
    for (const norm of [new RMSNorm(8), twice]) {
      Object.assign(layer, { norm2: norm });
      let given: Tensor | undefined;
      const remove = norm.registerForwardHook((_, [x]) => void (given = keep((x as Tensor).detach())));
      const y = layer.forward(x);
      expect(await host(y)).toEqual(await host(norm.forward(given!)));
      remove();
      expect(await host(layer.forward(x))).toEqual(await host(y));
    }
    const plain = new LayerNorm(8);
    const before = plain.forward.bind(plain);
    Object.assign(layer, { norm2: plain });
    const y = await host(layer.forward(x));
    Object.assign(plain, { forward: (x: Tensor) => before(x).mul(2) });
    expect(await host(layer.forward(x))).toEqual(y.map((value) => 2 * value));
  });
});

describe("Transformer", () => {
  test("has PyTorch's defaults, and starts as it does", async () => {
    const small = new Transformer(4, 2, { encoderLayers: 1, decoderLayers: 2, feedForward: 16 });
    expect([small.encoder.layers.length, small.decoder.layers.length]).toEqual([1, 2]);
    const bounds: Record<string, number> = { linear1: Math.sqrt(6 / 20), in_proj_weight: Math.sqrt(6 / 16) };
    for (const [name, parameter] of small.namedParameters()) {
      const kind = Object.keys(bounds).find((kind) => name.includes(`${kind}`) && parameter.rank > 1);
      if (!kind) continue;
      const largest = Math.max(...(await host(parameter)).map(Math.abs));
      expect(largest, name).toBeLessThan(bounds[kind]!);
      expect(largest, name).toBeGreaterThan(0.8 * bounds[kind]!);
    }
    expect(small.stateDict().has("encoder.norm.weight") && small.stateDict().has("decoder.norm.bias")).toBe(true);
    const usual = new Transformer(4, 2);
    expect([usual.encoder.layers.length, usual.decoder.layers.length]).toEqual([6, 6]);
    expect(usual.stateDict().get("encoder.layers.5.linear1.weight")!.shape).toEqual([2048, 4]);
    expect(usual.decoder.layers.modules[0]!.dropout).toBe(0.1);
  });

  test("generateSquareSubsequentMask is isCausal as a mask", async () => {
    const mask = Transformer.generateSquareSubsequentMask(3);
    const none = Number.NEGATIVE_INFINITY;
    expect(await mask.toArray()).toEqual([
      [0, none, none],
      [0, 0, none],
      [0, 0, 0],
    ]);
    manualSeed(5);
    const transformer = new Transformer(4, 2, { encoderLayers: 1, decoderLayers: 1, feedForward: 8 }).eval();
    const [src, tgt] = [randn([1, 2, 4]), randn([1, 3, 4])];
    const expected = await host(transformer.forward(src, tgt, { tgtIsCausal: true }));
    const actual = await host(transformer.forward(src, tgt, { tgtMask: mask }));
    actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
    expect(() => Transformer.generateSquareSubsequentMask(0)).toThrow("generateSquareSubsequentMask: size is 0");
  });
});

// 2048 is where a matrix product may add up in another order for another number of rows.
describe.each([16, 2048])(
  "to the bit, whatever padding holds and whoever is beside, with %i features inside",
  (feedForward) => {
    const fillings = [0, 7.5, Number.NaN];

    test("an encoder's result", async () => {
      manualSeed(3);
      const encoder = new TransformerEncoder(8, 2, 2, { feedForward }).eval();
      const [sequence] = (await randn([1, 3, 8]).toArray()) as number[][][];
      const other = (await randn([70, 8]).toArray()) as number[][];
      const alone = await host(encoder.forward(tensor([sequence!])));
      for (const t of [7, 70]) {
        for (const filling of fillings) {
          const x = padded([other.slice(0, t), sequence!], t, filling);
          const y = encoder.forward(x, { keyPaddingMask: tensor(paddings([t, 3], t)) });
          expect(await host(y.slice(1, "0:3"))).toEqual(alone);
        }
      }
    });

    test.each([false, true])("a decoder's and a Transformer's (normFirst %s)", async (normFirst) => {
      manualSeed(4);
      const layers = { encoderLayers: 1, decoderLayers: 2 };
      const transformer = new Transformer(8, 2, { ...layers, feedForward, normFirst, activation: "gelu" }).eval();
      const [src] = (await randn([1, 3, 8]).toArray()) as number[][][];
      const [tgt] = (await randn([1, 4, 8]).toArray()) as number[][][];
      const otherSrc = (await randn([40, 8]).toArray()) as number[][];
      const otherTgt = (await randn([35, 8]).toArray()) as number[][];
      const { decoder } = transformer;
      const whole = await host(transformer.forward(tensor([src!]), tensor([tgt!]), { tgtIsCausal: true }));
      const decoded = await host(decoder.forward(tensor([tgt!]), tensor([src!])));
      for (const [ts, t] of [
        [6, 9],
        [40, 35],
      ] as const) {
        const isSrcPadding = tensor(paddings([ts, 3], ts));
        const isTgtPadding = tensor(paddings([t, 4], t));
        for (const filling of fillings) {
          const source = padded([otherSrc.slice(0, ts), src!], ts, filling);
          const target = padded([otherTgt.slice(0, t), tgt!], t, filling);
          const masks = { tgtKeyPaddingMask: isTgtPadding, memoryKeyPaddingMask: isSrcPadding };
          const y = transformer.forward(source, target, {
            ...masks,
            srcKeyPaddingMask: isSrcPadding,
            tgtIsCausal: true,
          });
          expect(await host(y.slice(1, "0:4"))).toEqual(whole);
          expect(await host(decoder.forward(target, source, masks).slice(1, "0:4"))).toEqual(decoded);
        }
      }
    });
  },
);

const size = (max: number) => fc.integer({ min: 1, max });
const drawnLayer = fc.record({
  seed: fc.nat(1000),
  heads: size(2),
  size: fc.integer({ min: 2, max: 3 }),
  feedForward: size(4),
  activation: fc.constantFrom("relu" as const, "gelu" as const),
  normFirst: fc.boolean(),
  bias: fc.boolean(),
  rotary: fc.boolean(),
  layerNormEps: fc.constantFrom(1e-5, 0.1),
  b: size(2),
  t: size(3),
  ts: size(3),
  masks: fc.record({
    padding: fc.boolean(),
    memoryPadding: fc.boolean(),
    isCausal: fc.boolean(),
    mask: fc.constantFrom("none" as const, "bool" as const, "f32" as const),
    memoryMask: fc.constantFrom("none" as const, "bool" as const, "f32" as const),
  }),
});
type Drawn = typeof drawnLayer extends fc.Arbitrary<infer D> ? D : never;

/** Options of a layer and masks for it, on the device in force. */
function make({ heads, size, b, t, ts, masks, rotary, ...drawn }: Drawn) {
  const mask = (kind: "none" | "bool" | "f32", shape: number[]) =>
    kind === "none" ? undefined : kind === "bool" ? rand(shape).greater(0.6) : randn(shape);
  const { feedForward, activation, normFirst, bias, layerNormEps } = drawn;
  const lengths = [1, 3].slice(0, b);
  return {
    d: heads * size,
    options: {
      ...{ feedForward, activation, normFirst, bias, layerNormEps },
      rotary: rotary && size % 2 === 0 ? new RotaryPositions() : undefined,
      dropout: 0,
    },
    isCausal: masks.isCausal,
    padding: masks.padding ? tensor(paddings(lengths, t)) : undefined,
    memoryPadding: masks.memoryPadding ? tensor(paddings(lengths.toReversed(), ts)) : undefined,
    mask: mask(masks.mask, [t, t]),
    memoryMask: mask(masks.memoryMask, [b, heads, t, ts]),
  };
}

describe("random options pass gradcheck", () => {
  const numRuns = cases(4);

  test("encoder layers and encoders", async () => {
    await fc.assert(
      fc.asyncProperty(drawnLayer, size(2), async (drawn, layers) => {
        manualSeed(drawn.seed);
        const { d, options, padding, mask, isCausal } = withDevice("cpu:f64", () => make(drawn));
        const [encoder, x] = withDevice("cpu:f64", () => [
          layers === 1
            ? new TransformerEncoderLayer(d, drawn.heads, options)
            : new TransformerEncoder(d, drawn.heads, layers, options),
          randn([drawn.b, drawn.t, d]),
        ]);
        await gradcheckModule(encoder, [x], (x) => encoder.forward(x!, { keyPaddingMask: padding, mask, isCausal }));
      }),
      { numRuns },
    );
  });

  test("decoder layers and decoders", async () => {
    await fc.assert(
      fc.asyncProperty(drawnLayer, size(2), async (drawn, layers) => {
        manualSeed(drawn.seed);
        const { d, options, padding, memoryPadding, mask, memoryMask, isCausal } = withDevice("cpu:f64", () =>
          make(drawn),
        );
        const [decoder, x, source] = withDevice("cpu:f64", () => [
          layers === 1
            ? new TransformerDecoderLayer(d, drawn.heads, options)
            : new TransformerDecoder(d, drawn.heads, layers, options),
          randn([drawn.b, drawn.t, d]),
          randn([drawn.b, drawn.ts, d]),
        ]);
        await gradcheckModule(decoder, [x, source], (x, source) =>
          decoder.forward(x!, source!, {
            tgtMask: mask,
            memoryMask,
            tgtKeyPaddingMask: padding,
            memoryKeyPaddingMask: memoryPadding,
            tgtIsCausal: isCausal,
          }),
        );
      }),
      { numRuns },
    );
  });

  test("Transformers", async () => {
    await fc.assert(
      fc.asyncProperty(drawnLayer, size(2), size(2), async (drawn, encoderLayers, decoderLayers) => {
        manualSeed(drawn.seed);
        const { d, options, padding, memoryPadding, mask, memoryMask, isCausal } = withDevice("cpu:f64", () =>
          make(drawn),
        );
        const [transformer, src, tgt] = withDevice("cpu:f64", () => [
          new Transformer(d, drawn.heads, { ...options, encoderLayers, decoderLayers }),
          randn([drawn.b, drawn.ts, d]),
          randn([drawn.b, drawn.t, d]),
        ]);
        await gradcheckModule(transformer, [src, tgt], (src, tgt) =>
          transformer.forward(src!, tgt!, {
            tgtMask: mask,
            memoryMask,
            srcKeyPaddingMask: memoryPadding,
            tgtKeyPaddingMask: padding,
            memoryKeyPaddingMask: memoryPadding,
            tgtIsCausal: isCausal,
            srcIsCausal: isCausal,
          }),
        );
      }),
      { numRuns },
    );
  });
});

test("errors", () => {
  expect(() => new TransformerEncoderLayer(4, 3)).toThrow("MultiheadAttention: features is 4, expected a multiple of");
  expect(() => new TransformerEncoderLayer(4, 2, { activation: "tanh" } as never)).toThrow(
    'TransformerEncoderLayer: activation is "tanh", expected relu or gelu',
  );
  expect(() => new TransformerDecoderLayer(4, 2, { dimFeedforward: 2 } as never)).toThrow(
    'TransformerDecoderLayer: unknown option "dimFeedforward"; did you mean "feedForward"?',
  );
  expect(() => new TransformerDecoder(4, 2, 0)).toThrow(
    "TransformerDecoder: layers is 0, expected a whole number above 0",
  );
  expect(() => new Transformer(4, 2, { encoderLayer: 2 } as never)).toThrow('did you mean "encoderLayers"?');
  const layer = new TransformerDecoderLayer(4, 2, { feedForward: 2 });
  const [x, source] = [randn([1, 2, 4]), randn([1, 3, 4])];
  expect(() => layer.forward(x, source, { memoryMask: randn([3, 2]) })).toThrow(
    "multihead_attn: multiHeadAttention: mask has shape [3, 2], expected one that broadcasts to [1, 2, 2, 3]",
  );
  expect(() => layer.forward(x, source, { mask: randn([3, 2]) } as never)).toThrow(
    'TransformerDecoderLayer: unknown option "mask"; known: tgtMask',
  );
  const encoder = new TransformerEncoder(4, 2, 1, { feedForward: 2 });
  expect(() => encoder.forward(x, { attnMask: randn([3, 2]) } as never)).toThrow("TransformerEncoder: unknown option");
});
