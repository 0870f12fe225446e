import { beforeEach, describe, expect, test } from "vitest";
import type { WebGpuDevice } from "../gpu/webgpu.ts";
import * as tg from "../tilegrad.ts";
import { capture } from "./capture.ts";
import { deviceNamed, memory } from "./device.ts";

const { nn, optim } = tg;

beforeEach(() => tg.manualSeed(1));

const batch = (step: number) => ({
  x: tg.tensor(
    Array.from({ length: 24 }, (_, i) => Math.sin(i * 1.7 + step)),
    { shape: [6, 4] },
  ),
  labels: tg.tensor(
    Array.from({ length: 6 }, (_, i) => (i + step) % 3),
    { dtype: "i32" },
  ),
});

class Net extends nn.Module {
  readonly embedding = new nn.Embedding(3, 4);
  readonly layers = new nn.Sequential(new nn.Linear(4, 16), new nn.GELU(), new nn.Dropout(0.3), new nn.Linear(16, 3));

  override forward(x: tg.Tensor, ids: tg.Tensor): tg.Tensor {
    return this.layers.forward(x.add(this.embedding.forward(ids)));
  }
}

async function train(steps: number, isCaptured: boolean) {
  tg.manualSeed(5);
  const net = new Net();
  const adam = new optim.Adam(net.parameters(), { lr: 0.02 });
  const run = (x: tg.Tensor, labels: tg.Tensor) => {
    const loss = tg.crossEntropy(net.forward(x, labels), labels);
    adam.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm(net.parameters(), 0.5);
    adam.step();
    return loss;
  };
  const step = isCaptured ? capture(run) : (x: tg.Tensor, labels: tg.Tensor) => tg.scope(() => run(x, labels));
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const { x, labels } = batch(i);
    const loss = step(x, labels);
    losses.push(await loss.item());
    for (const tensor of [x, labels, loss]) tensor.dispose();
    adam.lr = 0.02 * 0.97 ** i;
  }
  const weights = await Promise.all(net.parameters().map((p) => p.data()));
  const next = await tg.rand([4]).data(); // the generator stands where the plain loop leaves it
  return { losses, weights, next, step };
}

describe("a captured step", () => {
  test("gives the bits of the plain loop over 50 steps with dropout, clipping and a schedule", async () => {
    const plain = await train(50, false);
    const captured = await train(50, true);
    expect(captured.losses).toEqual(plain.losses);
    expect(captured.weights).toEqual(plain.weights);
    expect(captured.next).toEqual(plain.next);
    expect((captured.step as ReturnType<typeof capture>).isReplaying).toBe(true);
  });

  test("returns what the step does, each time in tensors of its own", async () => {
    const step = capture((x: tg.Tensor) => ({ sums: [x.sum(), x.square().sum()], x: x.mul(2) }));
    const results = [];
    for (let i = 0; i < 6; i++) {
      const x = tg.tensor([i, i + 1]);
      results.push(step(x));
      x.dispose();
    }
    expect(step.isReplaying).toBe(true);
    for (const [i, { sums, x }] of results.entries()) {
      expect(await Promise.all(sums.map((sum) => sum.item()))).toEqual([2 * i + 1, i * i + (i + 1) ** 2]);
      expect(await x.toArray()).toEqual([2 * i, 2 * i + 2]);
    }
  });

  test("adds gradients up where they are not set to null", async () => {
    const w = new nn.Parameter(tg.tensor([1, 2]));
    const step = capture((x: tg.Tensor) => {
      const loss = w.mul(x).sum();
      loss.backward();
      return loss;
    });
    w.grad = tg.keep(tg.zeros([2]));
    for (let i = 0; i < 6; i++) step(tg.tensor([1, i])).dispose();
    expect(await w.grad!.toArray()).toEqual([6, 15]);
  });

  test("on the cpu runs the step each time", async () => {
    await tg.withDevice("cpu", () => {
      let runs = 0;
      const step = capture((x: tg.Tensor) => {
        runs++;
        return x.add(1);
      });
      for (let i = 0; i < 5; i++) step(tg.tensor([i]));
      expect(runs).toBe(5);
      expect(step.isReplaying).toBe(false);
    });
  });

  test("runs the code three times, and needs no new memory afterwards", async () => {
    let runs = 0;
    const w = tg.keep(tg.randn([64, 64]));
    const step = capture((x: tg.Tensor) => {
      runs++;
      return x.matmul(w).relu().matmul(w).softmax(-1).sum();
    });
    const once = async () => {
      const x = tg.ones([32, 64]);
      const y = step(x);
      await y.item();
      x.dispose();
      y.dispose();
    };
    for (let i = 0; i < 4; i++) await once();
    const before = memory();
    for (let i = 0; i < 10; i++) await once();
    expect(runs).toBe(3);
    expect(memory()).toEqual(before);
    expect(step.commands).toBeGreaterThan(3);
    const { liveBytes } = before;
    step.dispose();
    expect(memory().liveBytes).toBeLessThan(liveBytes);
    expect(step.isReplaying).toBe(false);
    w.dispose();
  });

  test("submits little: a replay and its read-back are at most two", async () => {
    const device = deviceNamed("webgpu") as WebGpuDevice;
    const step = capture((x: tg.Tensor) => x.exp().sum());
    const x = tg.ones([8]);
    for (let i = 0; i < 4; i++) await step(x).item();
    const { submits } = device.counters;
    for (let i = 0; i < 10; i++) await step(x).item();
    expect(device.counters.submits - submits).toBeLessThanOrEqual(20);
  });
});

describe("refuses, and says why,", () => {
  const threeTimes = (step: (x: tg.Tensor) => tg.Tensor) => () => {
    const captured = capture(step);
    for (let i = 0; i < 3; i++) captured(tg.tensor([1, 2, 3]));
  };

  test("a scalar that changes", () => {
    let rate = 0.1;
    expect(threeTimes((x) => tg.leakyRelu(x, (rate += 0.1)))).toThrow(
      /capture: the step did not do the same twice: \w+\.\w+: the param "\w+" changed; what changes from step to step has to be a tensor/,
    );
  });

  test("a number that becomes a tensor", () => {
    let scale = 1;
    expect(threeTimes((x) => x.mul(scale++))).toThrow("host data became a tensor inside of the step; make it outside");
  });

  test("other ops, and another number of them", () => {
    let calls = 0;
    expect(threeTimes((x) => (calls++ === 2 ? x.exp() : x.sin()))).toThrow(
      "it ran sin.forward, the second time exp.forward",
    );
    calls = 0;
    expect(threeTimes((x) => (calls++ === 2 ? x.sin().sin() : x.sin()))).toThrow("it ran 1 commands, then 2");
  });

  test("other tensors from outside", () => {
    const outside = [tg.ones([3]), tg.ones([3]), tg.ones([3])];
    let calls = 0;
    expect(threeTimes((x) => x.add(outside[calls++]!))).toThrow(/"b" was another tensor the second time/);
  });

  test("host data, and reading back", async () => {
    expect(threeTimes((x) => x.add(tg.tensor([1, 2, 3])))).toThrow("host data became a tensor inside of the step");
    expect(
      threeTimes((x) => {
        x.data().catch(() => {});
        return x.exp();
      }),
    ).toThrow("a tensor was read back inside of the step; return it and read it outside");
  });

  test("inputs of another shape, dtype or number", () => {
    const step = capture((...xs: tg.Tensor[]) => xs[0]!.add(1));
    for (let i = 0; i < 3; i++) step(tg.ones([3]));
    expect(() => step(tg.ones([4]))).toThrow("input 0 has shape [4], expected [3] as before; capture a step per shape");
    expect(() => step(tg.ones([3], { dtype: "i32" }))).toThrow("input 0 has dtype i32, expected f32 as before");
    expect(() => step(tg.ones([3]), tg.ones([3]))).toThrow("the step got 2 inputs, expected 1 as before");
  });

  test("a tensor that is gone", () => {
    const w = tg.keep(tg.ones([3]));
    const step = capture((x: tg.Tensor) => x.mul(w));
    for (let i = 0; i < 4; i++) step(tg.ones([3]));
    w.dispose();
    expect(() => step(tg.ones([3]))).toThrow("a tensor that the step uses was freed or replaced since");
  });

  test("a captured step inside of another", () => {
    const inner = capture((x: tg.Tensor) => x.exp());
    for (let i = 0; i < 2; i++) inner(tg.ones([3]));
    expect(threeTimes((x) => inner(x))).toThrow("a captured step is called inside of another");
  });
});
