/** What training holds in memory over hundreds of steps, with `scope` and without. */
import { beforeAll, expect, test } from "vitest";
import * as nn from "../../src/nn/index.ts";
import * as tg from "../../src/tilegrad.ts";

const WIDTH = 512;
const MB = 2 ** 20;

class Net extends nn.Module {
  readonly wide = new nn.Linear(8, WIDTH);
  readonly norm = new nn.LayerNorm(WIDTH);
  readonly dropout = new nn.Dropout(0.1);
  readonly out = new nn.Linear(WIDTH, 1);

  override forward(x: tg.Tensor): tg.Tensor {
    return this.out.forward(this.dropout.forward(this.norm.forward(this.wide.forward(x)).gelu()));
  }
}

interface Plan {
  rows: number;
  steps: number;
  wrap: <T>(step: () => T) => T;
}

/** Trains and reads the loss every ten steps. @returns what was live after each step, and the most that ever was */
async function train({ rows, steps, wrap }: Plan): Promise<{ live: number[]; peak: number }> {
  tg.manualSeed(1);
  // In a scope, since the optimizer moves the weights into a buffer of its own.
  const net = tg.scope(() => new Net());
  const adam = new tg.optim.Adam(net.parameters());
  const x = tg.randn([rows, 8]);
  const target = tg.zeros([rows, 1]);
  const live: number[] = [];
  tg.resetPeakMemory();
  for (let step = 1; step <= steps; step++) {
    const loss = wrap(() => {
      const loss = net.forward(x).mseLoss(target);
      adam.zeroGrad();
      loss.backward();
      adam.step();
      return loss;
    });
    if (step % 10 === 0) await loss.item();
    if (wrap === tg.scope) loss.dispose();
    live.push(tg.memory().liveBytes);
  }
  return { live, peak: tg.memory().peakBytes };
}

// Without the guard zones of other tests, whose buffers are never used again.
beforeAll(async () => {
  await tg.init({ device: "webgpu" });
});

const loose = <T>(step: () => T): T => step();

test("with scope, 300 steps hold what ten hold", async () => {
  const { live } = await train({ rows: 16, steps: 300, wrap: tg.scope });
  expect(live[299]).toBe(live[9]);
});

test("without scope, a loop that reads its loss now and then holds not much more", async () => {
  const scoped = await train({ rows: 768, steps: 10, wrap: tg.scope });
  const perStep = scoped.peak - scoped.live.at(-1)!; // at least: what is freed during a step comes on top
  expect(100 * perStep).toBeGreaterThan(2 * 256 * MB); // that much would be held if nothing were collected
  const { peak } = await train({ rows: 768, steps: 100, wrap: loose });
  expect(peak).toBeLessThan(Math.max(3 * scoped.peak, 256 * MB));
});

test("a captured step holds what the plain one holds, and its inputs", async () => {
  const net = tg.scope(() => new Net());
  const adam = new tg.optim.Adam(net.parameters());
  const x = tg.randn([256, 8]);
  const run = (x: tg.Tensor) => {
    const loss = net.forward(x).square().mean();
    adam.zeroGrad();
    loss.backward();
    adam.step();
    return loss;
  };
  const held = () => tg.memory().liveBytes + tg.memory().pooledBytes;
  for (let i = 0; i < 3; i++) tg.scope(() => run(x)).dispose();
  const plain = held();
  const step = tg.capture(run);
  for (let i = 0; i < 5; i++) step(x).dispose();
  expect(step.isReplaying).toBe(true);
  expect(held() - plain).toBeLessThan(0.1 * MB); // the least of its buffers has 0.5 MB
});
