import fc from "fast-check";
import { expect, test } from "vitest";
import { checkOp, type InputSpec } from "../../../test/check.ts";
import { cases } from "../../../test/devices.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tensor } from "../creation/creation.ts";
import { rand } from "../random/random.ts";
import { bceLoss, bceWithLogitsLoss } from "./binary-cross-entropy.ts";
import { klDivLoss } from "./kl-div.ts";
import type { Reduction } from "./reduction.ts";
import { huberLoss, l1Loss, mseLoss, smoothL1Loss } from "./regression.ts";

interface Loss {
  readonly name: string;
  readonly op: (x: Tensor, target: Tensor, reduction: Reduction) => Tensor;
  /** What PyTorch's documentation says of one element. */
  readonly formula: (x: number, y: number) => number;
  readonly x?: Partial<InputSpec>;
  readonly target?: Partial<InputSpec>;
}

const probability = { range: [0.05, 0.95] } as const;

const losses: readonly Loss[] = [
  { name: "mseLoss", op: (x, t, reduction) => mseLoss(x, t, { reduction }), formula: (x, y) => (x - y) * (x - y) },
  {
    name: "l1Loss",
    op: (x, t, reduction) => l1Loss(x, t, { reduction }),
    formula: (x, y) => (x > y ? x - y : y - x),
  },
  {
    name: "smoothL1Loss with beta 0.7",
    op: (x, t, reduction) => smoothL1Loss(x, t, { reduction, beta: 0.7 }),
    formula: (x, y) => (Math.abs(x - y) < 0.7 ? (0.5 * (x - y) ** 2) / 0.7 : Math.abs(x - y) - 0.5 * 0.7),
  },
  {
    name: "smoothL1Loss with beta 0",
    op: (x, t, reduction) => smoothL1Loss(x, t, { reduction, beta: 0 }),
    formula: (x, y) => Math.abs(x - y),
  },
  {
    name: "huberLoss with delta 1.5",
    op: (x, t, reduction) => huberLoss(x, t, { reduction, delta: 1.5 }),
    formula: (x, y) => (Math.abs(x - y) <= 1.5 ? 0.5 * (x - y) ** 2 : 1.5 * (Math.abs(x - y) - 0.5 * 1.5)),
  },
  {
    name: "bceLoss",
    op: (x, t, reduction) => bceLoss(x, t, { reduction }),
    formula: (x, y) => -(y * Math.log(x) + (1 - y) * Math.log(1 - x)),
    x: probability,
    target: probability,
  },
  {
    name: "bceWithLogitsLoss",
    op: (x, t, reduction) => bceWithLogitsLoss(x, t, { reduction }),
    formula: (x, y) => -(y * Math.log(1 / (1 + Math.exp(-x))) + (1 - y) * Math.log(1 - 1 / (1 + Math.exp(-x)))),
    target: probability,
  },
  {
    name: "klDivLoss",
    op: (x, t, reduction) => klDivLoss(x, t, { reduction }),
    formula: (x, y) => y * (Math.log(y) - x),
    target: probability,
  },
  {
    name: "klDivLoss with logTarget",
    op: (x, t, reduction) => klDivLoss(x, t, { reduction, logTarget: true }),
    formula: (x, y) => Math.exp(y) * (y - x),
  },
];

for (const { name, op, formula, x = {}, target = {} } of losses) {
  const specs = (shape: Shape): InputSpec[] => [
    { shape, ...x },
    { shape, ...target },
  ];

  for (const reduction of ["mean", "sum", "none"] as const) {
    test(`${name}: ${reduction}`, async () => {
      const of = (x: Tensor, t: Tensor) => op(x, t, reduction);
      for (const shape of [[], [1], [3, 2], [63], [2, 32], [65], [0, 3]])
        await checkOp(of as never, specs(shape), { second: true });
      await checkOp(of as never, specs([4097])); // more parts than the harness allows workgroups
    });
  }

  test(`${name}: PyTorch's formula`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.double({ min: 0.01, max: 0.99, noNaN: true })),
          {
            minLength: 1,
            maxLength: 9,
          },
        ),
        async (pairs) => {
          const stretch = (value: number, spec: Partial<InputSpec>) => (spec.range ? value : 8 * value - 4);
          const a = pairs.map(([value]) => stretch(value, x));
          const b = pairs.map(([, value]) => stretch(value, target));
          const each = a.map((value, i) => formula(value, b[i]!));
          const total = each.reduce((sum, value) => sum + value, 0);
          const device = "cpu:f64";
          const [u, v] = [tensor(a, { device }), tensor(b, { device })];
          (await op(u, v, "none").data()).forEach((value, i) => expect(value).toBeCloseTo(each[i]!, 9));
          expect(await op(u, v, "sum").item()).toBeCloseTo(total, 9);
          expect(await op(u, v, "mean").item()).toBeCloseTo(total / each.length, 9);
        },
      ),
      { numRuns: cases(10) },
    );
  });
}

const nan = Number.NaN;
const inf = Number.POSITIVE_INFINITY;

async function each(
  op: (x: Tensor, t: Tensor) => Tensor,
  x: number[],
  target: number[],
): Promise<{ y: number[]; dx: number[] }> {
  const input = tensor(x, { requiresGrad: true });
  const y = op(input, tensor(target));
  y.sum().backward();
  return { y: [...(await y.data())], dx: [...(await input.grad!.data())] };
}

test("a NaN in either stays one, and its gradient is one", async () => {
  for (const { op, name } of losses) {
    for (const [x, t] of [
      [nan, 0.5],
      [0.5, nan],
    ] as const) {
      const { y, dx } = await each((x, t) => op(x, t, "none"), [x, 0.5], [t, 0.25]);
      expect([y[0], Number.isFinite(y[1])], name).toEqual([nan, true]);
      if (!(name.startsWith("klDiv") && Number.isNaN(x))) expect(dx[0], name).toBeNaN(); // linear in x
    }
  }
});

test("the kinks of the absolute errors", async () => {
  const none = { reduction: "none" } as const;
  const ends = [1, 3, -1, -inf, inf];
  const zeros = [1, 1, 1, 0, inf];
  expect(await each((x, t) => l1Loss(x, t, none), ends, zeros)).toEqual({
    y: [0, 2, 2, inf, nan],
    dx: [0, 1, -1, -1, nan],
  });
  expect(await each((x, t) => smoothL1Loss(x, t, { ...none, beta: 2 }), ends, zeros)).toEqual({
    y: [0, 1, 1, inf, nan],
    dx: [0, 1, -1, -1, nan],
  });
  expect(await each((x, t) => smoothL1Loss(x, t, { ...none, beta: 0 }), ends, zeros)).toEqual({
    y: [0, 2, 2, inf, nan],
    dx: [0, 1, -1, -1, nan],
  });
  expect(await each((x, t) => huberLoss(x, t, { ...none, delta: 2 }), ends, zeros)).toEqual({
    y: [0, 2, 2, inf, nan],
    dx: [0, 2, -2, -2, nan],
  });
});

test("bceLoss holds its logarithms at -100, and is NaN outside of probabilities", async () => {
  const { y, dx } = await each(
    (x, t) => bceLoss(x, t, { reduction: "none" }),
    [0, 1, 0, 1, 1.5, -0.5],
    [0, 1, 1, 0, 1, 0.5],
  );
  expect(y).toEqual([0, 0, 100, 100, nan, nan]);
  expect(dx.slice(0, 4)).toEqual([0, 0, Math.fround(-1e12), Math.fround(1e12)]);
  const target = tensor([0.5, 0.5], { requiresGrad: true });
  bceLoss(tensor([0, 1]), target, { reduction: "sum" }).backward();
  expect(await target.grad!.toArray()).toEqual([100, -100]);
});

test("bceWithLogitsLoss of large logits", async () => {
  const { y, dx } = await each(
    (x, t) => bceWithLogitsLoss(x, t, { reduction: "none" }),
    [200, 200, -200, -200, 1e4, -1e4, 30],
    [1, 0, 0, 1, 0, 1, 1],
  );
  expect(y.slice(0, 6)).toEqual([0, 200, 0, 200, 1e4, 1e4]);
  expect(y[6]! / Math.exp(-30)).toBeCloseTo(1, 5);
  expect(dx.slice(0, 6)).toEqual([0, 1, 0, -1, 1, -1]);
  expect(dx[6]! / -Math.exp(-30)).toBeCloseTo(1, 5);
});

test("klDivLoss is 0 where the target is, even if x is -Infinity", async () => {
  const none = { reduction: "none" } as const;
  expect((await each((x, t) => klDivLoss(x, t, none), [-inf, -1, -inf], [0, 0, 0.5])).y).toEqual([0, 0, inf]);
  expect((await each((x, t) => klDivLoss(x, t, { ...none, logTarget: true }), [-1], [-1])).y).toEqual([0]);
});

test("klDivLoss: batchmean divides the sum by the first axis", async () => {
  await checkOp((x, t) => klDivLoss(x!, t!, { reduction: "batchmean" }), [[3, 5], { shape: [3, 5], ...probability }], {
    second: true,
  });
  const [x, t] = [rand([3, 5]), rand([3, 5])];
  const total = await klDivLoss(x, t, { reduction: "sum" }).item();
  expect(await klDivLoss(x, t, { reduction: "batchmean" }).item()).toBeCloseTo(total / 3, 5);
});

test("weights of the binary cross-entropies", async () => {
  const target = { shape: [4, 3], ...probability };
  for (const reduction of ["mean", "sum", "none"] as const) {
    await checkOp((x, t, weight) => bceLoss(x!, t!, { weight: weight!, reduction }), [target, target, [3]], {
      second: true,
    });
    await checkOp(
      (x, t, weight, posWeight) => bceWithLogitsLoss(x!, t!, { weight: weight!, posWeight: posWeight!, reduction }),
      [[4, 3], target, [4, 1], { shape: [3], range: [0.2, 5] }],
      { second: true },
    );
  }
  const [x, t] = [tensor([[0.3, -2]]), tensor([[1, 0.25]])];
  const [weight, posWeight] = [tensor([2, 0.5]), tensor([3, 4])];
  const logistic = (z: number) => 1 / (1 + Math.exp(-z));
  const first = -2 * 3 * Math.log(logistic(0.3));
  const second = -0.5 * (4 * 0.25 * Math.log(logistic(-2)) + 0.75 * Math.log(1 - logistic(-2)));
  expect(await bceWithLogitsLoss(x, t, { weight, posWeight }).item()).toBeCloseTo((first + second) / 2, 6);
  expect(await bceWithLogitsLoss(x, t, { posWeight, reduction: "sum" }).item()).toBeCloseTo(
    first / 2 + second / 0.5,
    6,
  );
});

test("a mean over a million elements keeps its digits", async () => {
  const n = 1_000_003;
  const x = tensor(new Float32Array(n).fill(0.1));
  expect(Math.abs((await mseLoss(x, tensor(new Float32Array(n))).item()) - Math.fround(0.1) ** 2)).toBeLessThan(1e-8);
});

test("errors", () => {
  const x = rand([4, 1]);
  expect(() => mseLoss(x, rand([4]))).toThrow("mseLoss: target has shape [4], expected [4, 1]");
  expect(() => l1Loss(x, x.cast("i32"))).toThrow("l1Loss: target has dtype i32, expected f32");
  expect(() => l1Loss(x.cast("i32"), x)).toThrow("l1Loss: x has dtype i32, expected f32");
  expect(() => mseLoss(x, x, { reduction: "avg" as never })).toThrow(
    'mseLoss: reduction is "avg", expected mean, sum or none',
  );
  expect(() => mseLoss(x, x, { beta: 1 } as never)).toThrow('mseLoss: unknown option "beta"');
  expect(() => smoothL1Loss(x, x, { beta: -1 })).toThrow("smoothL1Loss: beta is -1, expected 0 or more");
  expect(() => huberLoss(x, x, { delta: 0 })).toThrow("huberLoss: delta is 0, expected a number above 0");
  expect(() => bceLoss(x, x, { weight: rand([3, 1]) })).toThrow(
    "bceLoss: weight has shape [3, 1], which does not broadcast to [4, 1]",
  );
  expect(() => bceWithLogitsLoss(x, x, { posWeight: rand([2]) })).toThrow(
    "bceWithLogitsLoss: posWeight has shape [2], which does not broadcast to [4, 1]",
  );
  expect(() => klDivLoss(x, x, { reduction: "batch" as never })).toThrow(
    'klDivLoss: reduction is "batch", expected mean, batchmean, sum or none',
  );
  expect(() => klDivLoss(tensor(1), tensor(1), { reduction: "batchmean" })).toThrow(
    "klDivLoss: batchmean needs a first axis",
  );
});
