import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { rand, randn } from "../kernels/random/random.ts";
import { withDevice } from "../tensor/device.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MultiheadAttention } from "./attention.ts";
import { RotaryPositions } from "./positions.ts";

const host = async (x: Tensor) => Array.from(await x.data());

/** [b, t], true from each sequence's length on. */
function paddings(lengths: readonly number[], t: number): boolean[][] {
  return lengths.map((length) => Array.from({ length: t }, (_, i) => i >= length));
}

const size = (max: number) => fc.integer({ min: 1, max });
const drawnCall = fc.record({
  seed: fc.nat(1000),
  heads: size(3),
  size: size(3),
  kdim: size(4),
  vdim: size(4),
  b: size(2),
  tq: size(4),
  tk: size(4),
  lengths: fc.array(size(4), { minLength: 2, maxLength: 2 }),
  self: fc.boolean(),
  bias: fc.boolean(),
  rotary: fc.boolean(),
  needWeights: fc.boolean(),
  average: fc.boolean(),
  masks: fc.record({ isCausal: fc.boolean(), padding: fc.boolean(), forbidden: fc.boolean(), added: fc.boolean() }),
});

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

  test("keys and values of other widths have weights of their own", () => {
    const shapes = (layer: MultiheadAttention) => [...layer.stateDict()].map(([name, { shape }]) => [name, shape]);
    expect(shapes(new MultiheadAttention(4, 2, { kdim: 3 }))).toEqual([
      ["q_proj_weight", [4, 4]],
      ["k_proj_weight", [4, 3]],
      ["v_proj_weight", [4, 4]],
      ["in_proj_bias", [12]],
      ["out_proj.weight", [4, 4]],
      ["out_proj.bias", [4]],
    ]);
    expect(shapes(new MultiheadAttention(4, 2, { bias: false, kdim: 4, vdim: 4 }))).toEqual([
      ["in_proj_weight", [12, 4]],
      ["out_proj.weight", [4, 4]],
    ]);
  });

  test("weights that are asked for are those that were used", async () => {
    manualSeed(2);
    const layer = new MultiheadAttention(8, 2, { rotary: new RotaryPositions() });
    const [x, memory] = [randn([2, 3, 8]), randn([2, 5, 8])];
    const options = { keyPaddingMask: tensor(paddings([3, 5], 5)), attnMask: randn([3, 5]) };
    const [y, weights] = layer.forward(x, memory, memory, { ...options, needWeights: true });
    const expected = await host(layer.forward(x, memory, memory, options));
    (await host(y)).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
    expect(weights.shape).toEqual([2, 3, 5]);
    (await host(weights.sum(-1))).forEach((sum) => expect(sum).toBeCloseTo(1, 5));
    expect(await host(weights.slice(0, ":", [3, 5]))).toEqual(new Array(6).fill(0));
    const [own, ofHeads] = layer.forward(x, x, x, { isCausal: true, needWeights: true, averageAttnWeights: false });
    const causal = await host(layer.forward(x, x, x, { isCausal: true }));
    (await host(own)).forEach((value, i) => expect(value).toBeCloseTo(causal[i]!, 5));
    expect(ofHeads.shape).toEqual([2, 2, 3, 3]);
    expect(await host(ofHeads.slice("...", 0, [1, null]))).toEqual(new Array(8).fill(0));
  });

  test("drops the same weights whether they are asked for or not", async () => {
    const layer = new MultiheadAttention(8, 2, { dropout: 0.4 });
    const [x, memory] = [randn([2, 3, 8]), randn([2, 5, 8])];
    manualSeed(6);
    const expected = await host(layer.forward(x, memory, memory));
    manualSeed(6);
    const [y, weights] = layer.forward(x, memory, memory, { needWeights: true, averageAttnWeights: false });
    (await host(y)).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
    const dropped = (await host(weights)).filter((weight) => weight === 0).length;
    expect(dropped).toBeGreaterThan(12);
    expect(dropped).toBeLessThan(36); // of 60
    const [whole] = layer.eval().forward(x, memory, memory, { needWeights: true });
    expect(await host(whole)).not.toEqual(await host(y));
  });

  test("what padding holds is seen neither by the result nor by the gradients, with weights and without", async () => {
    manualSeed(3);
    const layer = new MultiheadAttention(4, 2);
    const keyPaddingMask = tensor(paddings([3, 2], 3));
    const query = randn([2, 2, 4], { requiresGrad: true });
    const own = (await randn([2, 3, 4]).toArray()) as number[][][];
    for (const needWeights of [true, false]) {
      const outcomes = await Promise.all(
        [0, Number.NaN].map(async (filling) => {
          const memory = tensor([own[0]!, [...own[1]!.slice(0, 2), new Array(4).fill(filling)]], {
            requiresGrad: true,
          });
          const y = needWeights
            ? layer.forward(query, memory, memory, { keyPaddingMask, needWeights })[0]
            : layer.forward(query, memory, memory, { keyPaddingMask });
          layer.zeroGrad();
          query.grad = null;
          y.square().sum().backward();
          // The projection's weights meet the padding itself, with a gradient of 0.
          return Promise.all([y, query.grad!, memory.grad!, layer.inProjBias!.grad!].map(host));
        }),
      );
      expect(outcomes[1]).toEqual(outcomes[0]);
      expect(outcomes[0]!.flat().every(Number.isFinite)).toBe(true);
    }
  });

  test("random options pass gradcheck", async () => {
    await fc.assert(
      fc.asyncProperty(drawnCall, async (drawn) => {
        const { heads, size, kdim, vdim, b, tq, tk, self, masks } = drawn;
        manualSeed(drawn.seed);
        const { layer, inputs, options } = withDevice("cpu:f64", () => {
          const d = heads * size;
          const rotary = drawn.rotary && size % 2 === 0 ? new RotaryPositions() : undefined;
          const layer = new MultiheadAttention(d, heads, { bias: drawn.bias, rotary, ...(self ? {} : { kdim, vdim }) });
          const s = self ? tq : tk;
          const options = {
            isCausal: masks.isCausal,
            keyPaddingMask: masks.padding ? tensor(paddings(drawn.lengths.slice(0, b), s)) : undefined,
            attnMask: masks.forbidden ? rand([heads, tq, s]).greater(0.6) : undefined,
          };
          const inputs = self ? [randn([b, tq, d])] : [randn([b, tq, d]), randn([b, s, kdim]), randn([b, s, vdim])];
          return { layer, options, inputs: masks.added ? [...inputs, randn([tq, s])] : inputs };
        });
        await gradcheckModule(layer, inputs, (...xs) => {
          const attnMask = masks.added ? xs.pop() : options.attnMask;
          const [query, key = query, value = key] = xs as [Tensor];
          const call = { ...options, attnMask };
          if (!drawn.needWeights) return layer.forward(query, key, value, call);
          return layer.forward(query, key, value, { ...call, needWeights: true, averageAttnWeights: drawn.average });
        });
      }),
      { numRuns: cases(12) },
    );
  });

  test("errors", () => {
    expect(() => new MultiheadAttention(6, 4)).toThrow(
      "MultiheadAttention: features is 6, expected a multiple of heads, 4",
    );
    const layer = new MultiheadAttention(4, 2);
    expect(() => layer.forward(rand([1, 2, 4]), undefined, undefined, { mask: rand([2, 2]) } as never)).toThrow(
      'MultiheadAttention: unknown option "mask"; known: keyPaddingMask, attnMask, isCausal, needWeights',
    );
    expect(() => new MultiheadAttention(4, 2, { kdim: 0 })).toThrow("MultiheadAttention: kdim is 0");
    expect(() => new MultiheadAttention(4, 2, { dropout: 2 })).toThrow("MultiheadAttention: p is 2");
    expect(() => new MultiheadAttention(6, 2, { rotary: new RotaryPositions() })).toThrow(
      "MultiheadAttention: heads have 3 features, expected an even number for rotary positions",
    );
    expect(() => layer.forward(rand([1, 2, 4]), rand([1, 2, 3]))).toThrow("linear: weight has shape [4, 4]");
    expect(() => layer.forward(rand([1, 2, 4]), undefined, undefined, { keyPaddingMask: rand([1, 2]) })).toThrow(
      "MultiheadAttention: keyPaddingMask has dtype f32, expected bool",
    );
    const attnMask = tensor([[1, 2]], { dtype: "i32" });
    expect(() => layer.forward(rand([1, 2, 4]), undefined, undefined, { attnMask })).toThrow(
      "MultiheadAttention: attnMask has dtype i32, expected bool or f32",
    );
  });
});
