import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkOp, type InputSpec } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import { noGrad } from "../../autograd/record.ts";
import { memory, resetPeakMemory } from "../../tensor/device.ts";
import { scope } from "../../tensor/scope.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { eye, fromValues, ones, tensor, zeros } from "../creation/creation.ts";
import { dropout as drop } from "../dropout/dropout.ts";
import { manualSeed } from "../random/generator.ts";
import { rand, randn } from "../random/random.ts";
import { permute } from "../view/permute.ts";
import { reshape } from "../view/reshape.ts";
import type { AttentionOptions } from "./attend.ts";
import { multiHeadAttention, scaledDotProductAttention, selfAttention } from "./attention.ts";
import { planAttention } from "./plan.ts";

/** The op with some options, and the same random numbers at each call. */
function attention(options: AttentionOptions = {}) {
  return (q: Tensor, k: Tensor, v: Tensor) => {
    manualSeed(5);
    return scaledDotProductAttention(q, k, v, options);
  };
}

/** The same with a mask as the last input. */
function masked(options: AttentionOptions = {}) {
  return (q: Tensor, k: Tensor, v: Tensor, mask: Tensor) => attention({ ...options, mask })(q, k, v);
}

function inputs(b: number, h: number, tq: number, tk: number, d: number, dv: number): Shape[] {
  return [
    [b, h, tq, d],
    [b, h, tk, d],
    [b, h, tk, dv],
  ];
}

function bool(...shape: number[]): InputSpec {
  return { shape, dtype: "bool" };
}

// Head sizes with kernels of their own: rows of fours and others, one block of 32 columns and two. There are no more sizes here
// than it takes, since a kernel takes a software adapter a second to compile.
const D = { fours: 20, odd: 3, wide: 40 };

describe("sizes", () => {
  // Around the tiles of the kernels: 8 and 16 rows, 32 rows.
  for (const [tq, tk] of [
    [1, 1],
    [1, 33],
    [7, 17],
    [8, 16],
    [9, 15],
    [31, 32],
    [33, 31],
    [65, 3],
  ] as const) {
    test(`${tq} queries, ${tk} keys`, () => checkOp(attention(), inputs(1, 2, tq, tk, D.fours, D.fours)));
  }

  for (const [d, dv] of [
    [D.odd, 5],
    [7, 6],
    [1, 1],
    [D.wide, D.fours],
    [D.fours, D.wide],
  ] as const) {
    test(`heads of ${d} and ${dv}`, () => checkOp(attention(), inputs(2, 1, 11, 19, d, dv)));
  }

  // The kernels for software adapters end at 128.
  for (const [d, dv] of [
    [128, 100],
    [136, 260],
  ] as const) {
    test(`heads of ${d} and ${dv}`, { tags: ["slow"] }, () => checkOp(attention(), inputs(1, 2, 9, 17, d, dv)));
  }

  test("none", async () => {
    for (const [b, h, tq] of [
      [0, 2, 3],
      [2, 0, 3],
      [1, 1, 0],
    ] as const) {
      await checkOp(attention({ causal: true }), inputs(b, h, tq, 4, 8, 8));
    }
    await checkOp(attention(), inputs(1, 2, 3, 0, 8, 8)); // zeros
    await checkOp(attention(), inputs(1, 2, 3, 4, 0, D.fours)); // means
    await checkOp(attention(), inputs(1, 2, 3, 4, 8, 0));
  });

  test("more or fewer axes in front", async () => {
    const check = (lead: number[], mask: Shape) =>
      checkOp(masked(), [[...lead, 5, 3], [...lead, 6, 3], [...lead, 6, 3], { shape: mask, dtype: "bool" }]);
    await check([], [5, 6]);
    await check([3], [3, 1, 6]);
    await check([2, 3, 2], [6]);
    await check([2, 3, 2], [2, 1, 2, 5, 6]);
    await check([2, 3, 2], [2, 3, 1, 1, 6]);
  });
});

describe("masks", () => {
  for (const shape of [[9], [13, 1], [13, 9], [2, 13, 9], [3, 1, 1, 9], [3, 2, 1, 9], [3, 1, 13, 9], [3, 2, 13, 9]]) {
    test(`bool [${shape}]`, () => checkOp(masked(), [...inputs(3, 2, 13, 9, D.fours, D.fours), bool(...shape)]));
    test(`added [${shape}]`, () =>
      // The mask's own gradient comes from ops.
      checkOp(masked(), [...inputs(3, 2, 13, 9, D.fours, D.fours), { shape }]));
  }

  test("added, without a gradient, hides from -1e30 on", async () => {
    const values = Array.from(
      { length: 13 * 9 },
      (_, i) => [-1, 0.5, Number.NEGATIVE_INFINITY, -2e30, -3.4e38][i % 5]!,
    );
    const op = (q: Tensor, k: Tensor, v: Tensor) =>
      attention({ mask: fromValues("mask", values, [13, 9], "f32", { device: q.device }) })(q, k, v);
    await checkOp(op, inputs(1, 2, 13, 9, D.fours, D.fours));
    const hidden = tensor([[0, Number.NEGATIVE_INFINITY, -1e30]]);
    const y = scaledDotProductAttention(randn([1, 4]), randn([3, 4]), tensor([[1], [2], [3]]), { mask: hidden });
    expect(await y.item()).toBe(1);
  });

  test("keys of each sequence", () =>
    checkOp(
      (q, k, v, keyMask) => attention({ keyMask })(q, k, v),
      [...inputs(3, 2, 18, 37, D.fours, D.fours), bool(3, 37)],
    ));

  test("keys of each sequence, and a mask", async () => {
    const op = (q: Tensor, k: Tensor, v: Tensor, keyMask: Tensor, mask: Tensor) =>
      attention({ keyMask, mask })(q, k, v);
    const shapes = inputs(2, 2, 10, 12, D.fours, D.fours);
    await checkOp(op, [...shapes, bool(2, 12), bool(10, 12)]);
    await checkOp(op, [...shapes, bool(2, 12), { shape: [2, 1, 12] }]);
  });

  for (const [tq, tk] of [
    [1, 1],
    [40, 40],
    [7, 35],
    [35, 7],
  ] as const) {
    test(`causal, ${tq} queries, ${tk} keys`, () =>
      checkOp(attention({ causal: true }), inputs(1, 2, tq, tk, D.fours, D.fours)));
  }

  test("causal, with the keys of each sequence", () =>
    checkOp(
      (q, k, v, keyMask) => attention({ keyMask, causal: true })(q, k, v),
      [...inputs(2, 2, 37, 37, D.fours, D.fours), bool(2, 37)],
    ));

  test("a query without keys gets 0, and so do its gradients", async () => {
    const [q, k, v] = inputs(1, 1, 9, 40, D.fours, D.fours).map((shape) => randn(shape, { requiresGrad: true }));
    const rows = Array.from({ length: 9 }, (_, i) => Array.from({ length: 40 }, (_, j) => i !== 3 && j < 5 + i));
    const y = scaledDotProductAttention(q!, k!, v!, { mask: tensor(rows) });
    y.backward({ gradient: ones(y.shape) });
    expect((await y.data()).subarray(3 * D.fours, 4 * D.fours)).toEqual(new Float32Array(D.fours));
    expect((await q!.grad!.data()).subarray(3 * D.fours, 4 * D.fours)).toEqual(new Float32Array(D.fours));
    for (const grad of [q!.grad!, k!.grad!, v!.grad!]) expect((await grad.data()).every(Number.isFinite)).toBe(true);

    const nobody = scaledDotProductAttention(q!, k!, v!, { keyMask: zeros([1, 40], { dtype: "bool" }) });
    expect(new Set(await nobody.data())).toEqual(new Set([0]));
  });

  test("none, for queries of zeros", () => {
    const [q, k, v] = inputs(1, 2, 9, 15, D.fours, D.fours);
    return checkOp(attention(), [{ shape: q!, range: [0, 0] }, k!, v!]); // means
  });

  for (const causal of [false, true]) {
    test(`of each query a key of its own${causal ? ", causal" : ""}`, () => {
      const mask: InputSpec = {
        shape: [9, 9],
        dtype: "bool",
        values: Array.from({ length: 81 }, (_, i) => +(i % 10 === 0)),
      };
      return checkOp(masked({ causal }), [...inputs(1, 2, 9, 9, D.fours, D.fours), mask]);
    });
  }

  test("the only key in sight may be any", async () => {
    const v = randn([1, 1, 50, 3]);
    const rows = await v.data();
    for (const key of [0, 32, 49]) {
      const keyMask = tensor([Array.from({ length: 50 }, (_, j) => j === key)]);
      const y = scaledDotProductAttention(randn([1, 1, 3, 3]), randn([1, 1, 50, 3]), v, { keyMask });
      const row = rows.slice(3 * key, 3 * key + 3);
      expect(await y.data()).toEqual(Float32Array.from([...row, ...row, ...row]));
    }
  });
});

describe("padding", () => {
  const b = 2;
  const t = 21;
  const length = 13;
  const width = 2 * D.fours;

  // What attention to `length` keys of the first sequence gives, with `filling` behind them.
  async function run(filling: number, sequences: number, causal: boolean) {
    const random = fc.sample(fc.double({ min: -2, max: 2, noNaN: true }), { seed: 1, numRuns: b * t * 3 * width });
    const values = random.map((x, i) =>
      i < t * 3 * width && Math.floor(i / (3 * width)) >= length && i % (3 * width) >= width ? filling : x,
    );
    const qkv = fromValues("qkv", values.slice(0, sequences * t * 3 * width), [sequences, t, 3 * width], "f32", {
      requiresGrad: true,
    });
    const keyMask = tensor(
      Array.from({ length: sequences }, (_, s) => Array.from({ length: t }, (_, j) => s > 0 || j < length)),
    );
    const y = selfAttention(qkv, { heads: 2, keyMask, causal });
    y.backward({ gradient: tensor(random.slice(0, y.size), { shape: y.shape }) });
    const dqkv = await qkv.grad!.data();
    // The gradients of what was filled in are 0.
    for (let i = length * 3 * width; i < t * 3 * width; i++) if (i % (3 * width) >= width) expect(dqkv[i]).toBe(0);
    return [(await y.data()).slice(0, t * width), dqkv.slice(0, t * 3 * width)];
  }

  for (const causal of [false, true]) {
    test(`what it holds changes no bit${causal ? ", causal" : ""}`, async () => {
      const expected = await run(0, b, causal);
      for (const filling of [1e4, -3e38, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(await run(filling, b, causal)).toEqual(expected);
      }
      expect(await run(7, 1, causal)).toEqual(expected); // nor do other sequences
    });
  }

  test("more of it changes no bit", async () => {
    const [q, k, v] = inputs(1, 2, 6, 70, D.fours, D.fours).map((shape) => randn(shape));
    const attended = async (t: number) => {
      const cut = (x: Tensor) => x.narrow(2, 0, t);
      const keyMask = tensor([Array.from({ length: t }, (_, j) => j < 10)]);
      return (await scaledDotProductAttention(q!, cut(k!), cut(v!), { keyMask })).data();
    };
    expect(await attended(70)).toEqual(await attended(10));
  });

  test("NaN in a query, or in its gradient, is that query's alone", async () => {
    const [q, k, v, dy] = [...inputs(1, 2, 9, 11, D.fours, D.fours), [1, 2, 9, D.fours]].map((shape) => randn(shape));
    const spoilt = (x: Tensor) => x.maskedFill(tensor(Array.from({ length: 9 }, (_, i) => [i === 4])), Number.NaN);
    const run = async (query: Tensor, gradient: Tensor) => {
      const x = query.detach();
      x.requiresGrad = true;
      const y = scaledDotProductAttention(x, k!, v!);
      y.backward({ gradient });
      return [await y.data(), await x.grad!.data()].map((data) => [...data]);
    };
    const isOfRow4 = (i: number) => Math.floor(i / D.fours) % 9 === 4;
    const [y, dq] = await run(q!, dy!);
    const nanInRow4 = (data: number[]) => data.map((x, i) => (isOfRow4(i) ? Number.NaN : x));
    expect(await run(spoilt(q!), dy!)).toEqual([nanInRow4(y!), nanInRow4(dq!)]);
    expect(await run(q!, spoilt(dy!))).toEqual([y, nanInRow4(dq!)]);
  });

  for (const d of [D.fours, D.odd]) {
    test(`a mask of queries by keys hides what no query sees, heads of ${d}`, async () => {
      const [q, k, v] = inputs(1, 1, 10, 12, d, d).map((shape) => randn(shape));
      const mask = tensor(
        Array.from({ length: 10 }, (_, i) => Array.from({ length: 12 }, (_, j) => j !== 7 && j <= i)),
      );
      const hole = tensor(Array.from({ length: 12 }, (_, j) => [j === 7]));
      const spoilt = (x: Tensor) => x.maskedFill(hole, Number.NaN);
      const expected = await scaledDotProductAttention(q!, k!, v!, { mask }).data();
      expect(await scaledDotProductAttention(q!, spoilt(k!), spoilt(v!), { mask }).data()).toEqual(expected);
    });
  }
});

describe("layouts", () => {
  for (const [d, dv] of [
    [D.fours, D.wide],
    [D.odd, 5],
  ] as const) {
    test(`packed heads of ${d} and ${dv}`, () =>
      checkOp(
        (q, k, v, keyMask) => multiHeadAttention(q, k, v, { heads: 2, keyMask }),
        [[2, 9, 2 * d], [2, 17, 2 * d], [2, 17, 2 * dv], bool(2, 17)],
      ));
  }

  for (const d of [D.fours, D.odd]) {
    test(`one tensor of heads of ${d}`, () =>
      checkOp(
        (qkv, mask) => {
          manualSeed(2);
          return selfAttention(qkv, { heads: 3, mask, causal: true, dropout: 0.3 });
        },
        [[2, 35, 9 * d], bool(2, 1, 1, 35)],
      ));
  }

  test("heads side by side are heads one by one", async () => {
    const qkv = randn([2, 5, 3 * 2 * 3]);
    const parts = [0, 1, 2].map((i) => qkv.narrow(-1, 6 * i, 6));
    const apart = parts.map((x) => permute(reshape(x, [2, 5, 2, 3]), [0, 2, 1, 3]));
    const y = scaledDotProductAttention(apart[0]!, apart[1]!, apart[2]!);
    const expected = await permute(y, [0, 2, 1, 3]).data();
    expect(await selfAttention(qkv, { heads: 2 }).data()).toEqual(expected);
    expect(await multiHeadAttention(parts[0]!, parts[1]!, parts[2]!, { heads: 2 }).data()).toEqual(expected);
  });

  test("one tensor as queries, keys and values", () =>
    checkOp((x) => multiHeadAttention(x, x, x, { heads: 2 }), [[2, 9, 6]]));

  test("only the gradients that are wanted", async () => {
    for (const wanted of [0, 1, 2]) {
      const xs = inputs(1, 1, 4, 5, 3, 3).map((shape, i) => randn(shape, { requiresGrad: i === wanted }));
      scaledDotProductAttention(xs[0]!, xs[1]!, xs[2]!).sum().backward();
      expect(xs.map((x) => x.grad !== null)).toEqual([0, 1, 2].map((i) => i === wanted));
    }
  });
});

describe("dropout", () => {
  for (const [tq, tk] of [
    [9, 18], // pairs of keys share an evaluation of threefry
    [9, 17], // and here do not
    [34, 33],
  ] as const) {
    test(`of ${tq} queries, ${tk} keys`, () =>
      checkOp(attention({ dropout: 0.4 }), inputs(2, 2, tq, tk, D.fours, D.fours)));
  }

  test("with masks", () =>
    checkOp(
      (q, k, v, keyMask) => attention({ keyMask, causal: true, dropout: 0.25 })(q, k, v),
      [...inputs(2, 1, 19, 19, D.odd, D.odd), bool(2, 19)],
    ));

  test("draws as dropout itself does", async () => {
    const [q, k] = [randn([2, 3, 7, 4]), randn([2, 3, 10, 4])];
    const v = reshape(eye(10), [1, 1, 10, 10]).expand([2, 3, 10, 10]);
    const p = await scaledDotProductAttention(q, k, v).data();
    manualSeed(11);
    const dropped = await scaledDotProductAttention(q, k, v, { dropout: 0.5 }).data();
    manualSeed(11);
    const kept = await drop(ones([2, 3, 7, 10])).data();
    for (const [i, x] of dropped.entries()) expect(x).toBeCloseTo(p[i]! * kept[i]!, 6);
    expect(kept.filter((x) => x === 0).length).toBeGreaterThan(150);
  });

  test("draws anew at each call", async () => {
    const [q, k, v] = inputs(1, 1, 8, 8, 3, 3).map((shape) => randn(shape));
    const draw = () => scaledDotProductAttention(q!, k!, v!, { dropout: 0.5 }).data();
    expect(await draw()).not.toEqual(await draw());
  });

  test("of everything", async () => {
    await checkOp(attention({ dropout: 1 }), inputs(1, 1, 3, 4, 4, 4));
    const y = scaledDotProductAttention(randn([3, 4]), randn([5, 4]), randn([5, 4]), { dropout: 1 });
    expect(new Set(await y.data())).toEqual(new Set([0]));
  });
});

describe("numbers", () => {
  test("scores of ten thousand, and of minus ten thousand", async () => {
    // Numbers whose products are exact, with scores that differ by little.
    const near = (shape: Shape, first: number): InputSpec => ({
      shape,
      values: Array.from({ length: shape.reduce((n, m) => n * m) }, (_, i) =>
        i % 3 === 0 ? first : ((i * 7) % 9) / 4 - 1,
      ),
    });
    // The scores' gradients, of size 1, cancel in each row, and are multiplied with 100.
    const gradientTolerance = { absolute: 1e-4 };
    for (const sign of [1, -1]) {
      await checkOp(
        attention({ scale: 1 }),
        [near([1, 2, 9, 3], 100), near([1, 2, 20, 3], 100 * sign), [1, 2, 20, 3]],
        { gradientTolerance },
      );
    }
  });

  // So that larger ones come late.
  for (const d of [D.fours, D.wide]) {
    test(`scores far apart, heads of ${d}`, () =>
      checkOp(
        attention(),
        inputs(1, 2, 18, 40, d, d).map((shape) => ({ shape, range: [-4, 4] })),
      ));
  }

  test("scale", async () => {
    await checkOp(attention({ scale: -0.7 }), inputs(1, 2, 5, 6, D.fours, D.fours));
    const [q, k] = [randn([4, 9]), randn([6, 9])];
    const v = randn([6, 9]);
    const expected = await scaledDotProductAttention(q, k, v, { scale: 1 / 3 }).data();
    expect(await scaledDotProductAttention(q, k, v).data()).toEqual(expected);
    expect(await scaledDotProductAttention(q, k, v, { scale: undefined }).data()).toEqual(expected);
  });

  test("NaN and infinity spread to the queries that see them", async () => {
    const columns = [0, 1, 2].map((i) => tensor([[1], [i === 1 ? Number.NaN : 1], [1]]));
    const causal = { causal: true };
    const [plain] = columns;
    const finite = async (y: Tensor) => Array.from(await y.data(), Number.isFinite);
    expect(await finite(scaledDotProductAttention(columns[1]!, plain!, plain!, causal))).toEqual([true, false, true]);
    expect(await finite(scaledDotProductAttention(plain!, columns[1]!, plain!))).toEqual([false, false, false]);
    const infinite = tensor([[1], [Number.POSITIVE_INFINITY], [1]]);
    expect(await finite(scaledDotProductAttention(plain!, infinite, plain!))).toEqual([false, false, false]);
  });

  test("random shapes, masks and layouts", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          b: fc.integer({ min: 1, max: 2 }),
          heads: fc.integer({ min: 1, max: 3 }),
          tq: fc.integer({ min: 1, max: 40 }),
          tk: fc.integer({ min: 1, max: 40 }),
          d: fc.constantFrom(D.fours, D.odd),
          causal: fc.boolean(),
          dropout: fc.constantFrom(0, 0.3),
          hasKeyMask: fc.boolean(),
          packed: fc.boolean(),
        }),
        ({ b, heads, tq, tk, d, causal, dropout, hasKeyMask, packed }) => {
          const options = { causal, dropout };
          const shapes = packed ? [tq, tk, tk].map((t) => [b, t, heads * d]) : inputs(b, heads, tq, tk, d, d);
          return checkOp(
            (q, k, v, keyMask) => {
              manualSeed(1);
              const given = hasKeyMask ? { ...options, keyMask } : options;
              return packed
                ? multiHeadAttention(q, k, v, { ...given, heads })
                : scaledDotProductAttention(q, k, v, given);
            },
            [...shapes, bool(b, tk)],
            // Where a query sees one key, the gradient of its score is a difference of equal sums.
            { gradientTolerance: { absolute: 1e-5 } },
          );
        },
      ),
      { numRuns: cases(4) },
    ));
});

describe("second derivatives", () => {
  test("plain", () => checkOp(attention(), inputs(1, 1, 2, 3, 2, 2), { second: true }));
  test("causal, masked, with dropout", () =>
    checkOp(
      (q, k, v, keyMask) => attention({ keyMask, causal: true, dropout: 0.3 })(q, k, v),
      [...inputs(2, 1, 3, 3, 2, 1), { shape: [2, 3], dtype: "bool", values: [1, 1, 0, 0, 1, 1] }],
      { second: true },
    ));
  test("of one packed tensor", () =>
    checkOp((qkv) => selfAttention(qkv, { heads: 2, scale: 0.5 }), [[1, 3, 12]], { second: true }));
  test("of separate packed tensors, with an added mask", () =>
    checkOp(
      (q, k, v, mask) => multiHeadAttention(q, k, v, { heads: 2, mask }),
      [[1, 2, 4], [1, 3, 4], [1, 3, 2], { shape: [2, 3] }],
      { second: true },
    ));
});

test("memory grows with the length, not with its square", () => {
  const peak = (t: number) => {
    const qkv = rand([1, t, 3 * 6], { requiresGrad: true });
    resetPeakMemory();
    const before = memory().liveBytes;
    scope(() => selfAttention(qkv, { heads: 2 }).sum().backward());
    return memory().peakBytes - before;
  };
  expect(peak(1024)).toBeLessThan(4.5 * peak(256));
});

test("without a gradient nothing is saved", () => {
  const q = randn([1, 1, 4, 3], { requiresGrad: true });
  const before = memory().storages;
  const y = noGrad(() => scaledDotProductAttention(q, q, q));
  expect(memory().storages).toBe(before + 1);
  y.dispose();
});

describe("mistakes", () => {
  const x = (...shape: number[]) => zeros(shape);
  const cases: readonly [() => unknown, string][] = [
    [() => scaledDotProductAttention(x(4), x(4), x(4)), "scaledDotProductAttention: q has shape [4], expected rank 2"],
    [() => scaledDotProductAttention(x(2, 3, 4), x(2, 5, 6), x(2, 5, 4)), "k has shape [2, 5, 6], expected [2, 5, 4]"],
    [() => scaledDotProductAttention(x(2, 3, 4), x(2, 5, 4), x(2, 6, 4)), "v has shape [2, 6, 4], expected [2, 5, 4]"],
    [() => scaledDotProductAttention(x(2, 3, 4), x(1, 5, 4), x(2, 5, 4)), "k has shape [1, 5, 4], expected [2, 5, 4]"],
    [
      () => scaledDotProductAttention(x(3, 4), x(5, 4), x(5, 4), { mask: x(4, 5) }),
      "mask has shape [4, 5], expected one that broadcasts to [3, 5]",
    ],
    [
      () => scaledDotProductAttention(x(3, 4), x(5, 4), x(5, 4), { mask: x(1, 3, 5) }),
      "mask has shape [1, 3, 5], expected one that broadcasts to [3, 5]",
    ],
    [
      () => scaledDotProductAttention(x(3, 4), x(5, 4), x(5, 4), { mask: zeros([3, 5], { dtype: "i32" }) }),
      "mask has dtype i32, expected bool or f32",
    ],
    [
      () =>
        multiHeadAttention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), { heads: 2, keyMask: zeros([2, 3], { dtype: "bool" }) }),
      "multiHeadAttention: keyMask has shape [2, 3], expected [2, 5]",
    ],
    [
      () => multiHeadAttention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), { heads: 2, keyMask: x(2, 5) }),
      "keyMask has dtype f32",
    ],
    [() => multiHeadAttention(x(3, 4), x(5, 4), x(5, 4), { heads: 2 }), "q has shape [3, 4], expected rank 3"],
    [
      () => multiHeadAttention(x(2, 3, 5), x(2, 5, 5), x(2, 5, 5), { heads: 2 }),
      "q has 5 features, expected a multiple of heads, 2",
    ],
    [() => multiHeadAttention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 3), { heads: 2 }), "v has 3 features"],
    [() => multiHeadAttention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), { heads: 0 }), "heads is 0, expected a whole number"],
    [
      () => selfAttention(x(2, 3, 8), { heads: 2 }),
      "selfAttention: qkv has 8 features, expected a multiple of 3 * heads, 6",
    ],
    [() => selfAttention(x(2, 3, 6), { heads: 2, dropout: 1.5 }), "p is 1.5"],
    [
      () => selfAttention(x(2, 3, 6), { heads: 2, casual: true } as never),
      'unknown option "casual"; did you mean "causal"?',
    ],
    [() => selfAttention(zeros([2, 3, 6], { dtype: "i32" }), { heads: 2 }), "qkv has dtype i32, expected f32"],
    [
      () => scaledDotProductAttention(x(3, 4), zeros([5, 4], { device: "cpu" }), x(5, 4)),
      "scaledDotProductAttention: tensors on webgpu and on cpu",
    ],
  ];
  for (const [call, message] of cases) test(message, () => expect(call).toThrow(message));
});

describe("the choice of kernels", () => {
  const software = { family: "software", subgroupSize: 8 } as const;

  test("follows the adapter", () => {
    expect(planAttention(software, 32, 32).family).toBe("software");
    expect(planAttention({ ...software, subgroupSize: 4 }, 32, 32).family).toBe("gpu");
    expect(planAttention({ family: "gpu", subgroupSize: 8 }, 32, 32).family).toBe("gpu");
    expect(planAttention(software, 129, 32).family).toBe("gpu"); // too wide for the registers
  });

  test("follows the sizes of the heads", () => {
    const gpu = (d: number, dv: number) => {
      const { rows, blocks, constants } = planAttention({ family: "gpu", subgroupSize: 32 }, d, dv);
      return [rows, blocks, constants.DEPTH];
    };
    expect(gpu(16, 16)).toEqual(["vec4", 1, 16]);
    expect(gpu(32, 32)).toEqual(["vec4", 1, 32]);
    expect(gpu(32, 36)).toEqual(["vec4", 2, 32]);
    expect(gpu(256, 4)).toEqual(["vec4", 4, 32]);
    expect(gpu(16, 15)).toEqual(["scalar", 1, 16]);
    expect(gpu(0, 0)).toEqual(["vec4", 1, 16]);
    const groups = (d: number) => planAttention(software, d, d).groups;
    expect([32, 64, 96, 128].map(groups)).toEqual([
      [2, 2],
      [2, 1],
      [1, 1],
      [1, 1],
    ]);
  });
});
