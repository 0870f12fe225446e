import { describe, expect, test } from "vitest";
import { type CheckedOp, checkOp } from "../../../test/check.ts";
import { checkpoint } from "../../autograd/checkpoint.ts";
import { type DeviceName, deviceNamed, withDevice } from "../../tensor/device.ts";
import { ones, tensor } from "../creation/creation.ts";
import { manualSeed, nextHostStream } from "../random/generator.ts";
import { rand, randn } from "../random/random.ts";
import { randomWord } from "../random/threefry.ts";
import { alphaDropout, dropout, dropout1d, dropout2d, featureAlphaDropout } from "./dropout.ts";

for (const shape of [[1], [2], [127], [129], [3, 5, 11], [500], [0]]) {
  test(`dropout [${shape}]`, async () => {
    const drop = (p: number) => (x: Parameters<typeof dropout>[0]) => {
      manualSeed(7); // each run draws the same mask
      return dropout(x, { p });
    };
    await checkOp(drop(0.5), [shape], { second: true });
    await checkOp(drop(0.1), [shape]);
    await checkOp(drop(1), [shape], { second: true });
  });
}

test("drops p of the elements and keeps the mean", async () => {
  manualSeed(1);
  const n = 40_000;
  const y = await dropout(tensor(new Float32Array(n).fill(1)), { p: 0.25 }).data();
  const kept = y.filter((value) => value !== 0);
  expect(Math.abs(kept.length / n - 0.75)).toBeLessThan(0.01); // 4.6 standard errors
  expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.75)]));
});

test("an element whose random word is p is kept", async () => {
  manualSeed(7);
  const { state, stream } = nextHostStream(deviceNamed("webgpu"));
  const word = randomWord(state, stream, 0);
  for (const threshold of [word, word + 1]) {
    for (const [op, shape] of [
      [dropout, [1]],
      [dropout1d, [1, 1, 1]],
    ] as const) {
      manualSeed(7);
      const y = await op(ones(shape), { p: threshold / 2 ** 32 }).item();
      expect(y !== 0, op.name).toBe(threshold === word);
    }
  }
});

test("dropout's gradient uses the forward pass's mask, even after reseeding", async () => {
  const x = tensor(new Float32Array(200).fill(1), { requiresGrad: true });
  const y = dropout(x, { p: 0.5 });
  manualSeed(99);
  y.backward({ gradient: tensor(new Float32Array(200).fill(1)) });
  expect(await x.grad!.data()).toEqual(await y.data());
});

test("checkpoint draws the same numbers again, and later calls go on", async () => {
  manualSeed(3);
  const x = tensor(new Float32Array(100).fill(1), { requiresGrad: true });
  const plain = dropout(x, { p: 0.5 }).exp();
  const next = await rand([4]).data();
  plain.sum().backward();
  const expected = await x.grad!.data();
  x.grad = null;
  manualSeed(3);
  const y = checkpoint((t) => dropout(t, { p: 0.5 }).exp(), x);
  y.sum().backward();
  expect(await x.grad!.data()).toEqual(expected);
  expect(await rand([4]).data()).toEqual(next);
});

test("p = 0 returns the tensor, p = 1 gives zeros with a zero gradient", async () => {
  const x = tensor([1, 2], { requiresGrad: true });
  expect(dropout(x, { p: 0 })).toBe(x);
  expect(dropout(x, { training: false })).toBe(x);
  const y = dropout(x, { p: 1 });
  y.sum().backward();
  expect(await y.toArray()).toEqual([0, 0]);
  expect(await x.grad!.toArray()).toEqual([0, 0]);
});

describe("of channels and for selu", () => {
  // Lines of one and of four elements at a time, longer than a thread's share; one element, which is drawn in pairs.
  const forms = [
    [
      dropout1d,
      [
        [2, 3, 5],
        [3, 4],
        [2, 1, 260],
        [5, 3, 1],
        [2, 67],
        [13, 30, 2],
        [0, 3, 4],
        [2, 3, 0],
      ],
    ],
    [
      dropout2d,
      [
        [2, 3, 2, 2],
        [3, 3, 3],
        [1, 2, 1, 1],
        [2, 2, 8, 10],
      ],
    ],
    [alphaDropout, [[1], [5], [3, 43], [0]]],
    [
      featureAlphaDropout,
      [
        [2, 3, 5],
        [3, 4, 2, 2],
        [7, 3],
        [2, 2, 0],
      ],
    ],
  ] as const;
  for (const [op, shapes] of forms) {
    for (const shape of shapes) {
      test(`${op.name} [${shape}]`, async () => {
        for (const p of [0.5, 0.2, 1]) {
          const drop: CheckedOp = (x) => {
            manualSeed(7); // each run draws the same mask
            return op(x!, { p });
          };
          await checkOp(drop, [shape], { second: true });
        }
      });
    }
  }

  test("a channel goes as a whole, p of them do, and the mean stays", async () => {
    manualSeed(1);
    const channels = 20_000;
    const length = 3;
    const shapes = { dropout1d: [100, channels / 100, length], dropout2d: [100, channels / 100, 1, length] };
    for (const [op, shape] of [
      [dropout1d, shapes.dropout1d],
      [dropout2d, shapes.dropout2d],
    ] as const) {
      const y = await op(ones(shape), { p: 0.25 }).data();
      const first = y.filter((_, i) => i % length === 0);
      expect(y.every((value, i) => value === y[i - (i % length)])).toBe(true);
      expect(new Set(y)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
      expect(Math.abs(first.filter((value) => value !== 0).length / channels - 0.75)).toBeLessThan(0.014); // 4.6 standard errors
    }
  });

  test("a channel of one element is drawn like an element", async () => {
    const x = ones([50, 4, 1]);
    manualSeed(2);
    const y = await dropout1d(x).data();
    manualSeed(2);
    expect(await dropout(x).data()).toEqual(y);
  });

  test("mean 0 and variance 1 stay under alphaDropout", async () => {
    manualSeed(3);
    const x = randn([200, 400, 2]);
    for (const op of [alphaDropout, featureAlphaDropout]) {
      const y = Array.from(await op(x, { p: 0.3 }).data());
      const mean = y.reduce((a, b) => a + b) / y.length;
      const variance = y.reduce((a, b) => a + (b - mean) ** 2, 0) / y.length;
      expect(Math.abs(mean)).toBeLessThan(0.025); // 5 standard errors of 40,000 pairs
      expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    }
  });

  test("alphaDropout's values are PyTorch's formula", async () => {
    manualSeed(4);
    const x = randn([1000]);
    const given = await x.data();
    const y = Array.from(await alphaDropout(x, { p: 0.4 }).data());
    const a = 1 / Math.sqrt(0.6 * (1 + 0.4 * 1.7580993408473766 ** 2));
    const b = 0.4 * a * 1.7580993408473766;
    const kept = y.map((value, i) => (Math.abs(value - (a * given[i]! + b)) < 1e-6 ? 1 : 0));
    for (const [i, value] of y.entries()) if (!kept[i]) expect(value).toBeCloseTo(-1.7580993408473766 * a + b, 5);
    expect(Math.abs(kept.reduce<number>((total, k) => total + k, 0) / 1000 - 0.6)).toBeLessThan(0.08); // 5 standard errors
  });

  test("the same seed gives the same mask on every device, and a call draws anew", async () => {
    for (const op of [dropout1d, alphaDropout, featureAlphaDropout]) {
      const onDevice = async (device: DeviceName) => {
        manualSeed(5);
        const calls = withDevice(device, () => [op(ones([6, 9, 2])), op(ones([6, 9, 2]))]);
        return Promise.all(calls.map(async (y) => Array.from(await y.data(), (value) => value > 0.9)));
      };
      const [first, second] = await onDevice("webgpu");
      expect(first).not.toEqual(second);
      for (const device of ["cpu", "cpu:f64"] as const) expect(await onDevice(device)).toEqual([first, second]);
    }
  });

  test("p = 0 and evaluation return the tensor", () => {
    const x = ones([2, 3, 4]);
    for (const op of [dropout1d, alphaDropout, featureAlphaDropout]) {
      expect(op(x, { p: 0 })).toBe(x);
      expect(op(x, { training: false })).toBe(x);
    }
  });
});

test("errors", () => {
  expect(() => dropout1d(rand([4]))).toThrow(
    "dropout1d: x has shape [4], expected [n, channels, length] or [channels, length]",
  );
  expect(() => dropout2d(rand([4, 2]))).toThrow(
    "dropout2d: x has shape [4, 2], expected [n, channels, height, width] or [channels, height, width]",
  );
  expect(() => featureAlphaDropout(rand([4]))).toThrow(
    "featureAlphaDropout: x has shape [4], expected [n, channels, ...]",
  );
  expect(() => alphaDropout(rand([2]), { p: -0.1 })).toThrow(
    "alphaDropout: p is -0.1, expected a probability from 0 to 1",
  );
  expect(() => dropout2d(rand([2, 2, 2]), { rate: 1 } as never)).toThrow('dropout2d: unknown option "rate"');
  expect(() => dropout(rand([2]), { p: 1.5 })).toThrow("dropout: p is 1.5, expected a probability from 0 to 1");
  expect(() => dropout(rand([2]), { rate: 1 } as never)).toThrow('dropout: unknown option "rate"');
  expect(() => dropout(tensor([1], { dtype: "i32" }))).toThrow("dropout: x has dtype i32, expected f32");
});
