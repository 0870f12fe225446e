import { describe, expect, test } from "vitest";
import { type CheckedOp, type CheckOptions, checkOp } from "../../../test/check.ts";
import { autocast, isAutocastEnabled } from "../../autograd/autocast.ts";
import { grad } from "../../autograd/backward.ts";
import { checkpoint } from "../../autograd/checkpoint.ts";
import type { WebGpuDevice } from "../../gpu/webgpu.ts";
import { capture } from "../../tensor/capture.ts";
import { deviceNamed, withDevice } from "../../tensor/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { selfAttention } from "../attention/attention.ts";
import { conv1d, conv2d } from "../conv/conv.ts";
import { convTranspose2d } from "../conv/conv-transpose.ts";
import { tensor } from "../creation/creation.ts";
import { einsum } from "../einsum/einsum.ts";
import { bilinear } from "../matmul/bilinear.ts";
import { linear, type MatmulOptions, matmul } from "../matmul/matmul.ts";
import { rand, randn } from "../random/random.ts";
import { gru } from "../recurrent/recurrent.ts";
import { nearestHalf, roundToHalf } from "./half.ts";

// The operands that are drawn, and the gradients of the outputs, are float32 numbers: both sides round them to the same float16, and
// what is left to differ are sums in float32, as for any product. The tolerances are those of such sums.
function check(op: CheckedOp, inputs: readonly Shape[], options: CheckOptions = {}): Promise<void> {
  return checkOp((...xs) => autocast(() => op(...xs)), inputs, { numeric: false, ...options });
}

function checkProduct(a: Shape, b: Shape, options: MatmulOptions = {}, checks: CheckOptions = {}): Promise<void> {
  return check((x, y) => matmul(x!, y!, options), [a, b], checks);
}

describe("products", () => {
  test.each([
    ["NN", [33, 35], [35, 37], {}],
    ["NT", [33, 35], [37, 35], { transposeB: true }],
    ["TN", [35, 33], [35, 37], { transposeA: true }],
    ["TT", [35, 33], [37, 35], { transposeA: true, transposeB: true }],
    ["NN", [40, 36], [36, 68], {}],
  ] as [string, Shape, Shape, MatmulOptions][])("matmul %s [%s] [%s]", (_, a, b, options) =>
    checkProduct(a, b, options),
  );

  test("with few rows or columns", async () => {
    const forward = { gradient: false };
    await checkProduct([5, 36], [36, 36]);
    await checkProduct([12, 36], [36, 36], {}, forward);
    await checkProduct([36, 5], [36, 36], { transposeA: true }, forward);
    await checkProduct([36, 36], [36, 5], {}, forward);
    await checkProduct([7, 33], [33, 1], {}, forward);
  });

  test("of vectors, of batches that broadcast, of nothing", async () => {
    await checkProduct([5], [5]);
    await checkProduct([2, 4, 4], [4]);
    await checkProduct([2, 3, 4, 5], [2, 3, 6, 5], { transposeB: true });
    await checkProduct([2, 1, 4, 4], [3, 4, 4]);
    await checkProduct([2, 1, 2, 1, 4, 4], [1, 2, 1, 2, 4, 4]); // more batch axes than the kernels walk
    await checkProduct([3, 0], [0, 4]);
    await checkProduct([0, 4], [4, 4]);
  });

  test("with a long k, cut into parts", () => checkProduct([36, 1100], [1100, 36]));

  test("linear with a bias and an activation, which are in float32", async () => {
    const fused: (activation: "relu" | "silu") => CheckedOp = (activation) => (x, weight, bias) =>
      linear(x!, weight!, bias!, { activation });
    await check(fused("relu"), [[2, 20, 33], [35, 33], [35]]);
    // The derivative of silu may round to another float16 than its float64 value does, 2^-11 away, in some terms of a sum.
    await check(fused("silu"), [[36, 36], [36, 36], [36]], { gradientTolerance: { relative: 5e-4 } });
  });
});

describe("convolutions", () => {
  test("of sequences and images", async () => {
    await check((x, w, b) => conv1d(x!, w!, b!, { padding: 1 }), [[2, 8, 65], [33, 8, 3], [33]]);
    await check((x, w, b) => conv2d(x!, w!, b!, { padding: "same" }), [[2, 9, 13, 11], [32, 9, 3, 3], [32]]);
    await check(
      (x, w) => conv2d(x!, w!, null, { stride: 2, padding: [1, 0] }),
      [
        [2, 16, 17, 18],
        [32, 16, 3, 2],
      ],
    );
  });

  test("in groups", async () => {
    await check((x, w, b) => conv2d(x!, w!, b!, { groups: 2, padding: 1 }), [[2, 16, 12, 13], [32, 8, 3, 3], [32]]);
    await check(
      (x, w) => conv2d(x!, w!, null, { groups: 8 }),
      [
        [2, 8, 12, 12],
        [8, 1, 3, 3],
      ],
    );
  });

  test("of few channels, which go element by element", () =>
    check((x, w, b) => conv2d(x!, w!, b!, { dilation: 2 }), [[1, 2, 7, 6], [3, 2, 2, 2], [3]]));

  test("transposed", () =>
    check(
      (x, w) => convTranspose2d(x!, w!, null, { stride: 2, padding: 1 }),
      [
        [2, 16, 9, 8],
        [16, 32, 3, 3],
      ],
    ));
});

describe("beside plain loops over rounded operands", () => {
  const [m, k, n] = [3, 4, 5];
  const half = (x: ArrayLike<number>) => Array.from(x, nearestHalf);
  const times = (a: number[], b: number[], [m, k, n]: [number, number, number]) =>
    Array.from({ length: m * n }, (_, i) => {
      const [row, col] = [Math.floor(i / n), i % n];
      return Array.from({ length: k }, (_, p) => a[row * k + p]! * b[p * n + col]!).reduce((s, x) => s + x, 0);
    });
  const turned = (a: number[], [rows, cols]: [number, number]) =>
    Array.from({ length: rows * cols }, (_, i) => a[(i % rows) * cols + Math.floor(i / rows)]!);

  test.each(["webgpu", "cpu", "cpu:f64"] as const)("value and gradients of matmul on %s", async (device) => {
    const drawn = withDevice("cpu", () => [randn([m, k]), randn([k, n]), randn([m, n])] as const);
    const [a, b, dy] = await Promise.all(drawn.map(async (x) => Array.from(await x.data())));
    const [x, w] = withDevice(device, () => [tensor(a!, { shape: [m, k] }), tensor(b!, { shape: [k, n] })] as const);
    x.requiresGrad = w.requiresGrad = true;
    const y = autocast(() => matmul(x, w));
    y.backward({ gradient: withDevice(device, () => tensor(dy!, { shape: [m, n] })) }); // outside of autocast
    const expected = [
      [y, times(half(a!), half(b!), [m, k, n])],
      [x.grad!, times(half(dy!), turned(half(b!), [k, n]), [m, n, k])],
      [w.grad!, times(turned(half(a!), [m, k]), half(dy!), [k, m, n])],
    ] as const;
    for (const [actual, values] of expected) {
      // Sums of five products, each of which float32 holds exactly.
      for (const [i, value] of (await actual.data()).entries()) expect(Math.abs(value - values[i]!)).toBeLessThan(5e-6);
    }
  });

  test("einsum and bilinear round as matmul does", async () => {
    const [x, y, w] = withDevice("cpu", () => [randn([4, 3]), randn([4, 5]), randn([2, 3, 5])] as const);
    const ops: ((a: Tensor, b: Tensor, c: Tensor) => Tensor)[] = [
      (a, b) => einsum("bi,bj->ij", a, b),
      (a, _, c) => einsum("bi,oij->boj", a, c),
    ];
    for (const op of ops) {
      const rounded = await op(roundToHalf(x), roundToHalf(y), roundToHalf(w)).data();
      expect(await autocast(() => op(x, y, w)).data()).toEqual(rounded);
      expect(await op(x, y, w).data()).not.toEqual(rounded);
    }
    // Two products, the second of which rounds the first's result: each operand by 2^-11 at most.
    const plain = await bilinear(x, y, w).data();
    const mixed = await autocast(() => bilinear(x, y, w)).data();
    expect(mixed).not.toEqual(plain);
    for (const [i, value] of mixed.entries()) expect(Math.abs(value - plain[i]!)).toBeLessThan(0.03);
  });
});

describe("what it holds for", () => {
  const x = () => tensor([[1 + 2 ** -12]], { requiresGrad: true }); // rounds to 1
  const one = () => tensor([[1]], { requiresGrad: true });

  test("calls of fn only, nested or switched off inside", async () => {
    const seen: boolean[] = [];
    const see = () => seen.push(isAutocastEnabled());
    see();
    autocast(() => {
      see();
      autocast(see, { enabled: false });
      autocast(see);
      see();
    });
    expect(() =>
      autocast(() => {
        throw new Error("mine");
      }),
    ).toThrow("mine");
    see();
    expect(seen).toEqual([false, true, false, true, true, false]);
    expect(await autocast(() => matmul(x(), one())).item()).toBe(1);
    expect(await autocast(() => autocast(() => matmul(x(), one()), { enabled: false })).item()).toBe(1 + 2 ** -12);
  });

  test("a gradient is computed as its op was, wherever backward is called", async () => {
    const w = x();
    autocast(() => matmul(one(), w)).backward({ gradient: x() });
    expect(await w.grad!.item()).toBe(1);
    const v = one();
    autocast(() => matmul(x(), v).backward());
    expect(await v.grad!.item()).toBe(1);
    const u = one();
    const y = matmul(x(), u);
    autocast(() => y.backward());
    expect(await u.grad!.item()).toBe(1 + 2 ** -12);
  });

  test("second derivatives too", async () => {
    const [a, b] = [x(), x()];
    const dy = tensor([[1]], { requiresGrad: true });
    const [da] = grad(
      autocast(() => matmul(a, b)),
      [a],
      { gradOutputs: [dy], createGraph: true },
    );
    const [ddy] = grad(da!, [dy]); // b, rounded
    expect(await ddy!.item()).toBe(1);
  });

  test("a checkpointed region, which runs again outside", async () => {
    const [v, w] = [one(), one()];
    const y = autocast(() => checkpoint((a) => matmul(matmul(a!, v).sub(1).mul(4096), w), x()));
    y.backward();
    expect(await y.item()).toBe(0);
    expect(await w.grad!.item()).toBe(0); // what the second product saved: 1, if the first were in float32
  });

  test("not attention and recurrence", async () => {
    const qkv = randn([2, 4, 24], { requiresGrad: true });
    const weights = { weightIh: rand([24, 4]), weightHh: rand([24, 8]) };
    const sequence = randn([2, 3, 4], { requiresGrad: true });
    for (const [leaf, op] of [
      [qkv, () => selfAttention(qkv, { heads: 2 })],
      [sequence, () => gru(sequence, weights).output],
    ] as const) {
      const values = async (y: Tensor) => {
        const [dx] = grad(y.sum(), [leaf]);
        return [await y.data(), await dx!.data()];
      };
      expect(await values(autocast(op))).toEqual(await values(op()));
    }
  });
});

test("operands take half the bytes", () => {
  const device = deviceNamed("webgpu") as WebGpuDevice;
  const [a, b] = [rand([128, 128]), rand([128, 128])];
  const before = device.memory.liveBytes;
  device.resetPeak();
  const y = autocast(() => matmul(a, b));
  expect(device.memory.peakBytes - before).toBe(2 * 128 * 128 * 2 + y.size * 4);
});

test("too large for float16 is infinite", async () => {
  const y = autocast(() => matmul(tensor([[65_519, 65_520, -1e6]]), tensor([[1], [0], [0]])));
  expect(await y.item()).toBeNaN(); // infinity times 0
  expect(await autocast(() => matmul(tensor([[70_000]]), tensor([[2]]))).item()).toBe(Number.POSITIVE_INFINITY);
  // The result is no operand.
  expect(await autocast(() => matmul(tensor([[300]]), tensor([[300]]))).item()).toBe(90_000);
});

test("a captured step gives the bits of the plain one", async () => {
  const weights = [rand([32, 8, 3, 3]), rand([3200, 4])];
  for (const weight of weights) weight.requiresGrad = true;
  const step = (x: Tensor) => {
    const y = autocast(() => conv2d(x, weights[0]!).relu().flatten(1).matmul(weights[1]!));
    return grad(y.square().mean(), weights);
  };
  const captured = capture(step);
  for (let call = 0; call < 5; call++) {
    const x = rand([2, 8, 12, 12]);
    const read = (gradients: readonly Tensor[]) => Promise.all(gradients.map((dx) => dx.data()));
    expect(await read(captured(x))).toEqual(await read(step(x)));
  }
  expect(captured.isReplaying).toBe(true);
  captured.dispose();
});

test("errors", () => {
  const any = (value: unknown) => value as never;
  expect(() => autocast(() => 1, any({ enable: true }))).toThrow(
    'autocast: unknown option "enable"; did you mean "enabled"?',
  );
  expect(() => autocast(async () => 1)).toThrow("autocast: the function returned a promise");
  expect(isAutocastEnabled()).toBe(false);
});
