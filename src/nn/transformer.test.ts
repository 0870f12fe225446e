import { describe, expect, test } from "vitest";
import { gradcheck } from "../autograd/gradcheck.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { memory, withDevice } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MultiheadAttention } from "./attention.ts";
import { LearnedPositions, SinusoidalPositions } from "./positions.ts";
import { TransformerEncoder } from "./transformer.ts";
import { TransformerEncoderLayer } from "./transformer-layers.ts";

const host = async (x: Tensor) => Array.from(await x.data());

// The textbook formula on host numbers: softmax(q kᵀ / sqrt(d)) v for each head, then the output projection.
async function attentionByHand(layer: MultiheadAttention, x: number[][][], isPadding: boolean[][]): Promise<number[]> {
  const d = x[0]![0]!.length;
  const size = d / layer.heads;
  const w = (await layer.inProjWeight!.toArray()) as number[][];
  const b = (await layer.inProjBias!.toArray()) as number[];
  const wo = (await layer.outProj.weight.toArray()) as number[][];
  const bo = (await layer.outProj.bias!.toArray()) as number[];
  const dot = (a: number[], c: number[]) => a.reduce((sum, value, i) => sum + value * c[i]!, 0);
  const out: number[] = [];
  for (const [n, rows] of x.entries()) {
    const projected = rows.map((row) => w.map((weights, j) => dot(weights, row) + b[j]!));
    const part = (row: number[], which: number, head: number) =>
      row.slice(which * d + head * size, which * d + (head + 1) * size);
    for (const query of projected) {
      const joined: number[] = [];
      for (let head = 0; head < layer.heads; head++) {
        const q = part(query, 0, head);
        const scores = projected.map((row, j) =>
          isPadding[n]![j] ? -Infinity : dot(q, part(row, 1, head)) / Math.sqrt(size),
        );
        const top = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - top));
        const total = weights.reduce((a, c) => a + c, 0);
        for (let c = 0; c < size; c++) {
          joined.push(projected.reduce((sum, row, j) => sum + (weights[j]! / total) * part(row, 2, head)[c]!, 0));
        }
      }
      out.push(...wo.map((weights, j) => dot(weights, joined) + bo[j]!));
    }
  }
  return out;
}

describe("MultiheadAttention", () => {
  test("is the textbook's formula, with padding, on both devices", async () => {
    for (const device of ["webgpu", "cpu"] as const) {
      manualSeed(1);
      const layer = withDevice(device, () => new MultiheadAttention(6, 2));
      const x = withDevice(device, () => randn([2, 5, 6]));
      const isPadding = [
        [false, false, false, true, true],
        [false, false, false, false, false],
      ];
      const mask = tensor(isPadding, { device });
      const expected = await attentionByHand(layer, (await x.toArray()) as number[][][], isPadding);
      const actual = await host(layer.forward(x, x, x, { keyPaddingMask: mask }));
      actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
      // Three inputs that are equal but not one: the projections are separate products.
      const apart = await host(layer.forward(x, x.clone(), x.clone(), { keyPaddingMask: mask }));
      apart.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
    }
  });

  test("has PyTorch's names and start", async () => {
    const layer = new MultiheadAttention(8, 2);
    expect([...layer.stateDict()].map(([name, { shape }]) => [name, shape])).toEqual([
      ["in_proj_weight", [24, 8]],
      ["in_proj_bias", [24]],
      ["out_proj.weight", [8, 8]],
      ["out_proj.bias", [8]],
    ]);
    expect(new Set(await host(layer.inProjBias!))).toEqual(new Set([0]));
  });

  test("errors", () => {
    expect(() => new MultiheadAttention(6, 4)).toThrow(
      "MultiheadAttention: features is 6, expected a multiple of heads, 4",
    );
    const layer = new MultiheadAttention(4, 2);
    expect(() => layer.forward(rand([1, 2, 4]), undefined, undefined, { mask: rand([2, 2]) } as never)).toThrow(
      'MultiheadAttention: unknown option "mask"; known: keyPaddingMask, attnMask, isCausal',
    );
  });
});

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

  test("a sequence's result does not depend, to the bit, on its padding or its neighbours", async () => {
    manualSeed(3);
    const encoder = new TransformerEncoder(8, 2, 2, { feedForward: 16 }).eval();
    const x = randn([1, 3, 8]);
    const [sequence] = (await x.toArray()) as number[][][];
    const other = (await randn([7, 8]).toArray()) as number[][];
    const alone = await host(encoder.forward(x, { keyPaddingMask: tensor([[false, false, false]]) }));
    for (const filling of [0, 7.5, Number.NaN]) {
      const padded = [...sequence!, ...Array.from({ length: 4 }, () => new Array<number>(8).fill(filling))];
      const mask = [new Array(7).fill(false), [false, false, false, true, true, true, true]];
      const y = encoder.forward(tensor([other, padded]), { keyPaddingMask: tensor(mask) });
      expect(await host(y.slice(1, "0:3"))).toEqual(alone);
    }
  });

  test("passes gradcheck, before and after norms", async () => {
    for (const normFirst of [false, true]) {
      const layer = withDevice(
        "cpu:f64",
        () => new TransformerEncoderLayer(4, 2, { feedForward: 6, normFirst, activation: "gelu" }),
      ).eval();
      const mask = withDevice("cpu:f64", () => tensor([[false, false, true]]));
      manualSeed(4);
      await gradcheck((x) => layer.forward(x, { keyPaddingMask: mask }), [randn([1, 3, 4])]);
    }
  });
});

describe("positions", () => {
  test("sinusoidal ones are the paper's", async () => {
    const layer = new SinusoidalPositions(4, { maxLength: 10 });
    const y = (await layer.forward(tensor(new Float32Array(12), { shape: [1, 3, 4] })).toArray()) as number[][][];
    expect(y[0]![2]![0]).toBeCloseTo(Math.sin(2), 6);
    expect(y[0]![2]![1]).toBeCloseTo(Math.cos(2), 6);
    expect(y[0]![2]![3]).toBeCloseTo(Math.cos(2 / 100), 6);
    expect(layer.stateDict().size).toBe(0);
  });

  test("learned ones are trained, and end somewhere", async () => {
    const layer = new LearnedPositions(2, 3);
    layer
      .forward(randn([4, 2, 2]))
      .sum()
      .backward();
    expect(await layer.positions.weight.grad!.toArray()).toEqual([
      [4, 4],
      [4, 4],
      [0, 0],
    ]);
    expect(() => layer.forward(randn([1, 4, 2]))).toThrow(
      "LearnedPositions: x has shape [1, 4, 2], expected at most 3 positions",
    );
  });
});
