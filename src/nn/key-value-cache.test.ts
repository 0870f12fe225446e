import { describe, expect, test } from "vitest";
import { noGrad } from "../autograd/record.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { randn } from "../kernels/random/random.ts";
import { memory, withDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MultiheadAttention } from "./attention.ts";
import { KeyValueCache } from "./key-value-cache.ts";
import { RotaryPositions } from "./positions.ts";
import { TransformerDecoder, TransformerEncoder } from "./transformer.ts";

/** Expects the parts, side by side along the time, to be the whole within float32's rounding. */
async function expectParts(parts: readonly Tensor[], whole: Tensor): Promise<void> {
  let start = 0;
  for (const part of parts) {
    const end = start + part.shape[1]!;
    const expected = await whole.slice(":", [start, end]).data();
    for (const [i, value] of (await part.data()).entries()) expect(value).toBeCloseTo(expected[i]!, 5);
    start = end;
  }
  expect(start).toBe(whole.shape[1]);
}

const PIECES = [
  [0, 4],
  [4, 5],
  [5, 6],
  [6, 9],
] as const;

describe.each(["webgpu", "cpu"] as const)("on %s", (device) => {
  test.each([
    { normFirst: false, isRotary: false },
    { normFirst: true, isRotary: true },
  ])("an encoder gives what it gives without ($normFirst)", async ({ normFirst, isRotary }) => {
    manualSeed(1);
    const rotary = isRotary ? new RotaryPositions() : undefined;
    const encoder = withDevice(
      device,
      () => new TransformerEncoder(8, 2, 2, { feedForward: 16, normFirst, rotary }),
    ).eval();
    const x = withDevice(device, () => randn([2, 9, 8]));
    const whole = encoder.forward(x, { isCausal: true });
    const cache = new KeyValueCache(12);
    const parts = PIECES.map((piece) => noGrad(() => encoder.forward(x.slice(":", piece), { isCausal: true, cache })));
    expect(cache.length).toBe(9);
    await expectParts(parts, whole);
    cache.dispose();
  });

  test("so does a decoder, which projects its memory once; padding is left out", async () => {
    manualSeed(2);
    const decoder = withDevice(device, () => new TransformerDecoder(8, 2, 2, { feedForward: 16 })).eval();
    const [tgt, source] = withDevice(device, () => [randn([2, 9, 8]), randn([2, 5, 8])]);
    const padding = (t: number, lengths: readonly number[]) =>
      tensor(
        lengths.map((length) => Array.from({ length: t }, (_, i) => i >= length)),
        { device },
      );
    const memoryKeyPaddingMask = padding(5, [5, 2]);
    const given = { tgtIsCausal: true, memoryKeyPaddingMask };
    const whole = decoder.forward(tgt, source, { ...given, tgtKeyPaddingMask: padding(9, [9, 3]) });
    const cache = new KeyValueCache(9);
    const parts = PIECES.map((piece) =>
      noGrad(() => {
        const options = { ...given, tgtKeyPaddingMask: padding(piece[1], [9, 3]), cache };
        return decoder.forward(tgt.slice(":", piece), source, options);
      }),
    );
    await expectParts(parts, whole);
    cache.dispose();
  });
});

test("the weights of cached attention are those of the positions so far", async () => {
  manualSeed(3);
  const attention = new MultiheadAttention(4, 2);
  const x = randn([1, 9, 4]);
  const [whole, weights] = attention.forward(x, x, x, { isCausal: true, needWeights: true });
  const cache = new KeyValueCache(20);
  const parts: Tensor[] = [];
  for (const piece of PIECES) {
    const part = x.slice(":", piece);
    const options = { isCausal: true, needWeights: true, cache } as const;
    const [y, ofPart] = noGrad(() => attention.forward(part, part, part, options));
    parts.push(y);
    const expected = await weights.slice(":", piece, [0, piece[1]]).data();
    for (const [i, value] of (await ofPart.data()).entries()) expect(value).toBeCloseTo(expected[i]!, 5);
  }
  await expectParts(parts, whole);
  cache.dispose();
});

test("memory is taken once, and given back", () => {
  const encoder = new TransformerEncoder(8, 2, 2, { feedForward: 16 }).eval();
  const x = randn([1, 1, 8]);
  const step = (cache: KeyValueCache) =>
    noGrad(() => scope(() => encoder.forward(x, { isCausal: true, cache }))).dispose();
  const before = memory().storages;
  const cache = new KeyValueCache(50);
  step(cache);
  expect(memory().storages).toBe(before + 4); // keys and values of two layers
  for (let i = 1; i < 20; i++) step(cache);
  expect(memory().storages).toBe(before + 4);
  expect(cache.length).toBe(20);
  cache.dispose();
  expect(memory().storages).toBe(before);
  expect(cache.length).toBe(0);
  {
    using again = new KeyValueCache(2);
    step(again);
  }
  expect(memory().storages).toBe(before);
});

test("errors", () => {
  expect(() => new KeyValueCache(0)).toThrow("KeyValueCache: capacity is 0, expected a whole number above 0");
  const attention = new MultiheadAttention(4, 2);
  const x = randn([1, 3, 4]);
  const cache = new KeyValueCache(5);
  expect(() => attention.forward(x, x, x, { isCausal: true, cache })).toThrow(
    "KeyValueCache: it keeps no graph; use it under noGrad(() => ...)",
  );
  noGrad(() => {
    expect(() => attention.forward(x, x, x, { cache })).toThrow(
      "MultiheadAttention: isCausal is false, expected true with a cache",
    );
    expect(() => attention.forward(x, x, x, { isCausal: true, cache, attnMask: randn([3, 3]) })).toThrow(
      "MultiheadAttention: attnMask is given, expected none with a cache",
    );
    attention.forward(x, x, x, { isCausal: true, cache });
    expect(() => attention.forward(x, x, x, { isCausal: true, cache })).toThrow(
      "KeyValueCache: 3 positions after 3 are more than the capacity, 5",
    );
    const two = randn([2, 1, 4]);
    expect(() => attention.forward(two, two, two, { isCausal: true, cache })).toThrow(
      "KeyValueCache: the new positions have shape [2, 1, 4], expected the batch of those before, 1",
    );
    const one = randn([1, 1, 4]);
    const keyPaddingMask = tensor([[true]]);
    expect(() => attention.forward(one, one, one, { isCausal: true, cache, keyPaddingMask })).toThrow(
      "MultiheadAttention: keyPaddingMask has shape [1, 1], expected [1, 4]",
    );
  });
  cache.dispose();
});
