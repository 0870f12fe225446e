import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../test/devices.ts";
import { accumulateInto } from "../autograd/accumulate.ts";
import * as tg from "../tilegrad.ts";

const { nn, optim } = tg;

/** Calls a step with other inputs until it is replayed, and returns what the replay for `x` gives. */
async function replayed(step: tg.CapturedStep<[tg.Tensor], tg.Tensor[]>, x: tg.Tensor) {
  for (let i = 0; i < 3; i++) for (const tensor of step(tg.rand(x.shape))) tensor.dispose();
  expect(step.isReplaying).toBe(true);
  const results = step(x);
  return Promise.all(results.map(async (tensor) => [...(await tensor.data())]));
}

async function expectSame(
  run: (x: tg.Tensor) => tg.Tensor[],
  x: tg.Tensor,
): Promise<{ before: number; after: number }> {
  const [plain, fused] = [tg.capture(run), tg.capture(run, { fuse: true })];
  const expected = await replayed(plain, x);
  const found = await replayed(fused, x);
  for (const [k, values] of expected.entries()) {
    // Each op rounds to 2^-24 of its result; a compiler that keeps a product unrounded moves a chain by as much per op.
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    for (const [i, value] of values.entries()) expect(Math.abs(found[k]![i]! - value)).toBeLessThan(3e-6 * scale);
  }
  const counts = { before: plain.commands, after: fused.commands };
  plain.dispose();
  fused.dispose();
  return counts;
}

describe("fusing neighbours", () => {
  test("a chain becomes one dispatch, whatever its size", async () => {
    for (const size of [1, 3, 64, 5001, 8192]) {
      const x = tg.randn([size]);
      const counts = await expectSame((x) => [x.mul(2).add(x).tanh().mul(0.5).leakyRelu(0.1)], x);
      expect(counts).toEqual({ before: 5, after: 1 });
    }
  });

  test("keeps what else is read: by another kernel, later, or outside of the step", async () => {
    const x = tg.randn([6, 10]);
    const counts = await expectSame((x) => {
      const a = x.mul(3);
      const b = a.exp();
      const sum = b.sum();
      return [a, b.sub(sum).mul(a), sum];
    }, x);
    expect(counts.after).toBeLessThan(counts.before);
  });

  test("a result may take the memory of what the chain read", async () => {
    const x = tg.randn([4096]);
    await expectSame((x) => {
      let y = x.sort().values;
      for (let i = 0; i < 4; i++) y = tg.scope(() => y.mul(0.9).add(0.1));
      return [y, x.sub(1)];
    }, x);
  });

  test("ranges of one buffer that are read and written are left apart", async () => {
    const whole = tg.zeros([128]);
    const [a, b] = [0, 64].map((from) => new tg.Tensor(whole.storage.view(from, 64), [64], "f32"));
    const run = (x: tg.Tensor) => {
      accumulateInto(b!, a!.mul(x)); // reads the one and writes the other
      return [b!.mul(1)];
    };
    const step = tg.capture(run, { fuse: true });
    const one = tg.ones([64]);
    const found: number[] = [];
    for (let i = 0; i < 6; i++) {
      accumulateInto(a!, one);
      found.push((await step(one)[0]!.data())[63]!);
    }
    expect(step.isReplaying).toBe(true);
    expect(found).toEqual([1, 3, 6, 10, 15, 21]);
  });

  test("leaves broadcast operands and other dtypes to their kernels", async () => {
    const x = tg.randn([8, 16]);
    const row = tg.randn([16]);
    await expectSame((x) => [tg.where(x.add(row).greater(0), x.mul(row), x.neg()).square()], x);
  });

  test("trains as the plain loop does", async () => {
    const losses = async (fuse: boolean | null) => {
      tg.manualSeed(3);
      const net = new nn.Sequential(new nn.Linear(8, 32), new nn.Linear(32, 8));
      const adam = new optim.Adam(net.parameters(), { lr: 1e-2 });
      const run = (x: tg.Tensor) => {
        const h = net.forward(x);
        const loss = h.mul(h.sigmoid()).sub(x).square().mul(0.5).mean(); // silu and half the squared error, by hand
        adam.zeroGrad();
        loss.backward();
        adam.step();
        return loss;
      };
      const x = tg.randn([16, 8]);
      const step = fuse === null ? (x: tg.Tensor) => tg.scope(() => run(x)) : tg.capture(run, { fuse });
      const found: number[] = [];
      for (let i = 0; i < 20; i++) found.push(await step(x).item());
      return { found, commands: fuse === null ? 0 : (step as tg.CapturedStep<[tg.Tensor], tg.Tensor>).commands };
    };
    const plain = await losses(null);
    const unfused = await losses(false);
    const fused = await losses(true);
    expect(unfused.found).toEqual(plain.found);
    expect(fused.commands).toBeLessThan(unfused.commands);
    for (const [i, loss] of fused.found.entries()) expect(Math.abs(loss - plain.found[i]!)).toBeLessThan(1e-5 * loss);
  });

  test("any chain of functions, with gradients", async () => {
    const step = fc.record({
      op: fc.constantFrom("add", "sub", "mul", "maximum", "tanh", "sigmoid", "gelu", "softplus", "scale", "square"),
      first: fc.nat(20),
      second: fc.nat(20),
      isReturned: fc.boolean(),
    });
    const anyChain = fc.record({
      steps: fc.array(step, { minLength: 1, maxLength: 8 }),
      size: fc.constantFrom(1, 7, 64),
    });
    await fc.assert(
      fc.asyncProperty(anyChain, async ({ steps, size }) => {
        const weight = tg.randn([size], { requiresGrad: true });
        await expectSame(
          (x) => {
            const values: tg.Tensor[] = [x, weight];
            const returned: tg.Tensor[] = [];
            for (const { op, first, second, isReturned } of steps) {
              const a = values[first % values.length]!;
              const b = values[second % values.length]!;
              const y = {
                add: () => a.add(b),
                sub: () => a.sub(b),
                mul: () => a.mul(b.tanh()),
                maximum: () => a.maximum(b),
                tanh: () => a.tanh(),
                sigmoid: () => a.sigmoid(),
                gelu: () => a.gelu(),
                softplus: () => a.softplus(),
                scale: () => a.mul(-0.7),
                square: () => a.tanh().square(),
              }[op]!();
              values.push(y);
              if (isReturned) returned.push(y);
            }
            const last = values.at(-1)!.add(weight);
            return [...returned, last, ...tg.grad(last.sum(), [weight])];
          },
          tg.randn([size]),
        );
      }),
      { numRuns: cases(8) },
    );
  });
});
