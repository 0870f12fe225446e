import { expect, test } from "vitest";
import { checkOp } from "../../../test/check.ts";
import { checkpoint } from "../../autograd/checkpoint.ts";
import { tensor } from "../creation/creation.ts";
import { manualSeed } from "../random/generator.ts";
import { rand } from "../random/random.ts";
import { dropout } from "./dropout.ts";

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

test("errors", () => {
  expect(() => dropout(rand([2]), { p: 1.5 })).toThrow("dropout: p is 1.5, expected a probability from 0 to 1");
  expect(() => dropout(rand([2]), { rate: 1 } as never)).toThrow('dropout: unknown option "rate"');
  expect(() => dropout(tensor([1], { dtype: "i32" }))).toThrow("dropout: x has dtype i32, expected f32");
});
