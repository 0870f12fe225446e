import { describe, expect, test } from "vitest";
import { gradcheckModule } from "../../test/gradcheck-module.ts";
import { concat } from "../kernels/concat/concat.ts";
import { tensor, zeros } from "../kernels/creation/creation.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { randn } from "../kernels/random/random.ts";
import { rotaryEmbedding } from "../kernels/rotary/rotary-embedding.ts";
import { withDevice } from "../tensor/device.ts";
import { MultiheadAttention } from "./attention.ts";
import { LearnedPositions, RotaryPositions, SinusoidalPositions } from "./positions.ts";

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

  test("an offset goes on where the tokens before ended", async () => {
    for (const layer of [new SinusoidalPositions(4, { maxLength: 9 }), new LearnedPositions(4, 9)]) {
      const all = layer.forward(zeros([1, 9, 4]));
      const rest = layer.forward(zeros([1, 4, 4]), { offset: 5 });
      expect(await rest.data()).toEqual(await all.slice(":", "5:").data());
      const name = layer.constructor.name;
      expect(() => layer.forward(zeros([1, 4, 4]), { offset: 6 })).toThrow(
        `${name}: x has shape [1, 4, 4] after 6, expected at most 9 positions`,
      );
      expect(() => layer.forward(zeros([1, 4, 4]), { offset: 0.5 })).toThrow(
        `${name}: offset is 0.5, expected a whole number from 0 up`,
      );
      expect(() => layer.forward(zeros([1, 4, 4]), { start: 1 } as never)).toThrow(`${name}: unknown option "start"`);
    }
  });

  test("pass gradcheck", async () => {
    manualSeed(1);
    const layers = withDevice("cpu:f64", () => [
      new SinusoidalPositions(4, { maxLength: 5 }),
      new LearnedPositions(4, 5),
      new RotaryPositions({ interleaved: true }),
    ]);
    for (const layer of layers) {
      await gradcheckModule(layer, [randn([2, 3, 4])], (x) => layer.forward(x!, { offset: 2 }));
    }
  });
});

describe("RotaryPositions", () => {
  test("are rotaryEmbedding with their options", async () => {
    const x = randn([2, 3, 12]);
    const layer = new RotaryPositions({ base: 50, interleaved: true });
    expect(layer.stateDict().size).toBe(0);
    const options = { heads: 3, rotatedHeads: 2, offset: 4 };
    const expected = await rotaryEmbedding(x, { base: 50, interleaved: true, ...options }).data();
    expect(await layer.forward(x, options).data()).toEqual(expected);
  });

  test("let attention see distances, not places", async () => {
    manualSeed(2);
    const attention = new MultiheadAttention(8, 2, { rotary: new RotaryPositions() });
    const token = randn([1, 1, 8]);
    const filler = randn([1, 1, 8]);
    // Of two equal tokens at a distance of 2, wherever they are, the weights of the later one's row are the same.
    const [near, far] = [
      [token, filler, token],
      [filler, filler, token, filler, token],
    ].map((tokens) => {
      const x = concat(tokens, 1);
      const t = tokens.length;
      const keyPaddingMask = tensor([Array.from({ length: t }, (_, i) => i < t - 3)]);
      return attention.forward(x, x, x, { needWeights: true, keyPaddingMask })[1].slice(0, -1, [t - 3, t]);
    });
    const expected = await near!.data();
    (await far!.data()).forEach((weight, i) => expect(weight).toBeCloseTo(expected[i]!, 5));
  });

  test("errors", () => {
    expect(() => new RotaryPositions({ base: -1 })).toThrow("RotaryPositions: base is -1, expected a number above 0");
    expect(() => new RotaryPositions({ theta: 1 } as never)).toThrow('RotaryPositions: unknown option "theta"');
    expect(() => new RotaryPositions().forward(zeros([2, 2]), { base: 1 } as never)).toThrow('unknown option "base"');
  });
});
