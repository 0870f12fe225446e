import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CheckedOp, checkOp } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { grad } from "../../autograd/backward.ts";
import { capture } from "../../tensor/capture.ts";
import { deviceNamed, withDevice } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { ones, tensor, zerosLike } from "../creation/creation.ts";
import { dropout } from "../dropout/dropout.ts";
import { manualSeed, nextHostStream } from "../random/generator.ts";
import { rand } from "../random/random.ts";
import { randomWord } from "../random/threefry.ts";
import { dropoutAddLayerNorm, layerNorm } from "./layer-norm.ts";

const overLast: Parameters<typeof checkOp>[0] = (x, weight, bias) => layerNorm(x!, x!.shape.at(-1)!, weight, bias);

// One column; rows read one and four elements at a time, around one and two workgroups of both families; no rows; no columns.
const shapes = [
  [2, 3, 1],
  [5, 7],
  [3, 8],
  [2, 9],
  [4, 32],
  [5, 63],
  [3, 64],
  [5, 65],
  [3, 130],
  [2, 197],
  [2, 252],
  [2, 256],
  [2, 260],
  [0, 4],
  [3, 0],
];
for (const shape of shapes) {
  const cols = shape.at(-1)!;
  test(`layerNorm [${shape}]`, () => checkOp(overLast, [shape, [cols], [cols]], { second: true }));
}

// More rows than parts, so that the sums over rows have two stages.
for (const shape of [
  [70, 8],
  [37, 3],
  [300, 4],
]) {
  const cols = shape[1]!;
  test(`layerNorm with many rows [${shape}]`, () => checkOp(overLast, [shape, [cols], [cols]]));
}

test("layerNorm without weight, without bias, without both", async () => {
  await checkOp((x) => layerNorm(x!, 6), [[3, 6]], { second: true });
  await checkOp((x, weight) => layerNorm(x!, 6, weight), [[3, 6], [6]], { second: true });
  await checkOp((x, bias) => layerNorm(x!, 6, null, bias), [[3, 6], [6]], { second: true });
});

test("layerNorm over several axes", () =>
  checkOp(
    (x, weight, bias) => layerNorm(x!, [2, 3, 2], weight, bias),
    [
      [4, 2, 3, 2],
      [2, 3, 2],
      [2, 3, 2],
    ],
    { second: true },
  ));

// float32 has steps of 1e-3 there, so the mean must not be rounded to it.
test("layerNorm with mean 1e4 and standard deviation 1e-2", () =>
  checkOp(overLast, [{ shape: [4, 33], range: [-0.02, 0.02] }, [33], [33]], { offset: [1e4, 0, 0] }));

test("layerNorm of a row whose first element is far from the others", () =>
  checkOp(overLast, [{ shape: [1, 12], values: [1e4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }, [12], [12]]));

test("layerNorm of constant rows gives the bias and finite gradients", () =>
  checkOp(overLast, [{ shape: [2, 8], values: [3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0] }, [8], [8]]));

// With a small eps, the gradient of a nearly constant row is a difference of numbers that are far larger.
test("layerNorm of drawn shapes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer(),
      (rows, cols, seed) =>
        checkOp((x, weight, bias) => layerNorm(x!, cols, weight, bias, { eps: 0.01 }), [[rows, cols], [cols], [cols]], {
          seed,
        }),
    ),
    { numRuns: cases(10) },
  ));

test("layerNorm keeps a NaN or an infinity in its row", async () => {
  const x = tensor([
    [1, Number.NaN, 3],
    [1, 2, Number.POSITIVE_INFINITY],
    [-1, 0, 1],
  ]);
  const y = (await layerNorm(x, 3, null, null, { eps: 0 }).toArray()) as number[][];
  expect(y[0]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  expect(y[1]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  expect(y[2]![2]).toBeCloseTo(Math.sqrt(1.5), 6);
});

test("layerNorm gives gradients only where they are wanted", () => {
  const x = rand([2, 3]);
  const [weight, bias] = [rand([3], { requiresGrad: true }), rand([3], { requiresGrad: true })];
  layerNorm(x, 3, weight, bias).sum().backward();
  expect([x.grad, weight.grad?.shape, bias.grad?.shape]).toEqual([null, [3], [3]]);
});

test("errors", () => {
  const x = rand([2, 4]);
  expect(() => layerNorm(x, 4, rand([3]))).toThrow("layerNorm: weight has shape [3], expected [4]");
  expect(() => layerNorm(x, 4, null, rand([4, 1]))).toThrow("layerNorm: bias has shape [4, 1], expected [4]");
  expect(() => layerNorm(x, 3)).toThrow("layerNorm: x has shape [2, 4], expected it to end in [3]");
  expect(() => layerNorm(x, [3, 2, 4])).toThrow("layerNorm: x has shape [2, 4], expected it to end in [3, 2, 4]");
  expect(() => layerNorm(x, [])).toThrow(
    "layerNorm: x has shape [2, 4], expected at least one axis in normalizedShape",
  );
  expect(() => layerNorm(x.cast("i32"), 4)).toThrow("layerNorm: x has dtype i32, expected f32");
  expect(() => layerNorm(x, 4, rand([4]).cast("i32"))).toThrow("layerNorm: weight has dtype i32, expected f32");
  expect(() => layerNorm(x, 4, null, null, { epsilon: 1 } as never)).toThrow('layerNorm: unknown option "epsilon"');
});

describe("dropoutAddLayerNorm", () => {
  type Pick = (outputs: readonly [y: Tensor, h: Tensor]) => readonly Tensor[];
  const both: Pick = (outputs) => outputs;
  const normalized: Pick = ([y]) => [y];
  const sum: Pick = ([, h]) => [h];
  const overLast =
    (p: number, pick = both): CheckedOp =>
    (x, residual, weight, bias) => {
      manualSeed(7); // each run draws the same mask
      return pick(dropoutAddLayerNorm(x!, residual!, x!.shape.at(-1)!, weight, bias, { p }));
    };

  for (const shape of shapes) {
    const affine = [[shape.at(-1)!], [shape.at(-1)!]];
    test(`[${shape}]`, async () => {
      await checkOp(overLast(0), [shape, shape, ...affine], { second: true });
      await checkOp(overLast(0.3), [shape, shape, ...affine], { second: true });
    });
  }

  test("of which one output is used, as after or before a sub-layer", async () => {
    for (const pick of [normalized, sum]) {
      for (const p of [0, 0.3, 1]) {
        for (const shape of [
          [3, 7],
          [2, 8],
        ])
          await checkOp(overLast(p, pick), [shape, shape], { second: true });
      }
    }
  });

  test("without weight, without bias, over several axes, with many rows", async () => {
    const drop = (op: () => readonly Tensor[]) => {
      manualSeed(7);
      return op();
    };
    const ofBias: CheckedOp = (x, residual, bias) =>
      drop(() => dropoutAddLayerNorm(x!, residual!, 5, null, bias, { p: 0.2 }));
    await checkOp(ofBias, [[4, 5], [4, 5], [5]], { second: true });
    await checkOp(overLast(0.2), [[4, 5], [4, 5], [5]], { second: true });
    const overTwo: CheckedOp = (x, residual, weight, bias) =>
      drop(() => dropoutAddLayerNorm(x!, residual!, [3, 2], weight, bias, { p: 0.2 }));
    await checkOp(
      overTwo,
      [
        [4, 3, 2],
        [4, 3, 2],
        [3, 2],
        [3, 2],
      ],
      { second: true },
    );
    await checkOp(overLast(0.2), [[70, 8], [70, 8], [8], [8]]);
  });

  // Sums that float32 holds exactly, while the mean must not be rounded to its steps of 1e-3 there.
  test("with mean 1e4 in the stream and standard deviation 1e-2", () => {
    const steps = Array.from({ length: 132 }, (_, i) => (((i * 37) % 41) - 20) / 1024);
    const around = { shape: [4, 33], values: new Array<number>(132).fill(1e4) };
    return checkOp(overLast(0), [{ shape: [4, 33], values: steps }, around]);
  });

  test("drops what dropout drops, and the next call goes on, on every device", async () => {
    for (const device of ["webgpu", "cpu", "cpu:f64"] as const) {
      for (const shape of [
        [7, 13],
        [6, 8],
      ]) {
        const calls = withDevice(device, () => {
          const x = ones(shape);
          manualSeed(3);
          const separate = [dropout(x, { p: 0.4 }).add(x), dropout(x)];
          manualSeed(3);
          const [, h] = dropoutAddLayerNorm(x, x, shape[1]!, null, null, { p: 0.4 });
          return { separate, fused: [h, dropout(x)] };
        });
        for (const [i, y] of calls.fused.entries()) {
          // A compiler may round once what is multiplied and added.
          const expected = await calls.separate[i]!.data();
          (await y.data()).forEach((value, k) => expect(value).toBeCloseTo(expected[k]!, 6));
        }
      }
    }
  });

  test("keeps an element whose random word is p", async () => {
    manualSeed(7);
    const { state, stream } = nextHostStream(deviceNamed("webgpu"));
    const word = randomWord(state, stream, 0);
    for (const threshold of [word, word + 1]) {
      manualSeed(7);
      const one = ones([1, 1]);
      const [, h] = dropoutAddLayerNorm(one, one, 1, null, null, { p: threshold / 2 ** 32 });
      expect((await h.item()) !== 1).toBe(threshold === word);
    }
  });

  test("is as before in evaluation", async () => {
    const [x, residual] = [rand([3, 8]), rand([3, 8])];
    const [y, h] = dropoutAddLayerNorm(x, residual, 8, null, null, { p: 0.9, training: false });
    expect(await h.data()).toEqual(await x.add(residual).data());
    expect(await y.data()).toEqual(await layerNorm(h, 8).data());
  });

  test("gives gradients only where they are wanted, and one for both addends where nothing is dropped", () => {
    const [x, residual, weight] = [rand([2, 4]), rand([2, 4]), rand([4])];
    const gradients = (p: number, ...inputs: Tensor[]) => {
      for (const input of [x, residual, weight]) input.requiresGrad = inputs.includes(input);
      return grad(dropoutAddLayerNorm(x, residual, 4, weight, null, { p })[0].sum(), inputs);
    };
    const [dx, dresidual] = gradients(0, x, residual);
    expect(dx!.storage).toBe(dresidual!.storage);
    const [dropped, kept] = gradients(0.5, x, residual);
    expect(dropped!.storage).not.toBe(kept!.storage);
    for (const p of [0, 0.5]) {
      for (const input of [x, residual, weight]) expect(gradients(p, input)[0]!.shape).toEqual(input.shape);
    }
  });

  test("draws anew when it is replayed, and the same as the plain loop", async () => {
    const weight = rand([6], { requiresGrad: true });
    const step = (x: Tensor) => {
      const [y, h] = dropoutAddLayerNorm(x, x, 6, weight, null, { p: 0.5 });
      return [h, grad(y.square().sum().add(h.sum()), [weight])[0]!];
    };
    const run = async (step: (x: Tensor) => Tensor[]) => {
      manualSeed(4);
      const outputs: number[][] = [];
      for (let i = 0; i < 5; i++) for (const y of step(x)) outputs.push(Array.from(await y.data()));
      return outputs;
    };
    const x = rand([5, 6]);
    const plain = await run(step);
    expect(await run(capture(step))).toEqual(plain);
    expect(plain[0]).not.toEqual(plain[2]);
  });

  test("keeps a NaN of either addend in its row", async () => {
    const x = tensor([
      [1, Number.NaN, 3],
      [-1, 0, 1],
    ]);
    const zero = zerosLike(x);
    const isNan = async (y: Tensor) => (await y.isnan().toArray()) as boolean[][];
    const inFirst = [
      [true, true, true],
      [false, false, false],
    ];
    for (const [a, b] of [
      [x, zero],
      [zero, x],
    ] as const)
      expect(await isNan(dropoutAddLayerNorm(a, b, 3)[0])).toEqual(inFirst);
  });

  test("errors", () => {
    const x = rand([2, 4]);
    const op = dropoutAddLayerNorm;
    expect(() => op(x, rand([4]), 4)).toThrow("dropoutAddLayerNorm: residual has shape [4], expected [2, 4]");
    expect(() => op(x, x.cast("i32"), 4)).toThrow("dropoutAddLayerNorm: residual has dtype i32, expected f32");
    expect(() => op(x.cast("i32"), x, 4)).toThrow("dropoutAddLayerNorm: x has dtype i32, expected f32");
    expect(() => op(x, rand([2, 4], { device: "cpu" }), 4)).toThrow("dropoutAddLayerNorm: tensors on");
    expect(() => op(x, x, 3)).toThrow("dropoutAddLayerNorm: x has shape [2, 4], expected it to end in [3]");
    expect(() => op(x, x, 4, rand([3]))).toThrow("dropoutAddLayerNorm: weight has shape [3], expected [4]");
    expect(() => op(x, x, 4, null, null, { p: 2 })).toThrow(
      "dropoutAddLayerNorm: p is 2, expected a probability from 0 to 1",
    );
    expect(() => op(x, x, 4, null, null, { rate: 1 } as never)).toThrow('dropoutAddLayerNorm: unknown option "rate"');
  });
});
