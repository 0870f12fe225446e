/** A small network learns, the same on both devices, and in the same bits from the same seed. */
import { describe, expect, test } from "vitest";
import * as nn from "../../src/nn/index.ts";
import * as tg from "../../src/tilegrad.ts";
import { randomNumbers } from "../check.ts";

const POINTS = 128;
const CLASSES = 3;

class Net extends nn.Module {
  readonly hidden = new nn.Linear(2, 32);
  readonly norm = new nn.LayerNorm(32);
  readonly dropout: nn.Dropout;
  readonly out = new nn.Linear(32, CLASSES);

  constructor(p: number) {
    super();
    this.dropout = new nn.Dropout(p);
  }

  override forward(x: tg.Tensor): tg.Tensor {
    return this.out.forward(this.dropout.forward(this.norm.forward(this.hidden.forward(x)).gelu()));
  }
}

/** Points of three arms of a spiral, which no line separates. */
function spirals(): { x: number[]; labels: number[] } {
  const random = randomNumbers(7);
  const labels = Array.from({ length: POINTS }, (_, i) => i % CLASSES);
  const x = labels.flatMap((label) => {
    const radius = random();
    const angle = 4 * radius + (2 * Math.PI * label) / CLASSES + 0.2 * (random() - 0.5);
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
  return { x, labels };
}

interface Run {
  readonly losses: number[];
  readonly weights: number[];
  readonly accuracy: number;
}

async function train(device: tg.DeviceName, steps: number, { p = 0, seed = 3 } = {}): Promise<Run> {
  tg.manualSeed(seed);
  const host = spirals();
  const { net, adam, x, labels } = tg.withDevice(device, () => {
    const net = new Net(p);
    return {
      net,
      adam: new tg.optim.Adam(net.parameters(), { lr: 0.02 }),
      x: tg.tensor(host.x, { shape: [POINTS, 2] }),
      labels: tg.tensor(host.labels, { dtype: "i32" }),
    };
  });
  const step = () => {
    const loss = net.forward(x).crossEntropy(labels);
    adam.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm(net.parameters(), 1);
    adam.step();
    return loss;
  };
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push(await tg.withDevice(device, () => tg.scope(step)).item());
  const weights: number[] = [];
  for (const parameter of net.parameters()) weights.push(...(await parameter.data()));
  net.eval();
  const guesses = await tg.noGrad(() => net.forward(x).argmax(1)).data();
  const accuracy = guesses.reduce((right, guess, i) => right + Number(guess === host.labels[i]), 0) / POINTS;
  return { losses, weights, accuracy };
}

test.each(["webgpu", "cpu"] as const)("three spirals are learnt on %s", async (device) => {
  const { losses, accuracy } = await train(device, 150);
  expect(losses[0]).toBeGreaterThan(0.8);
  expect(losses.at(-1)).toBeLessThan(0.2);
  expect(accuracy).toBeGreaterThan(0.95);
});

test("the loss curves of both devices agree", async () => {
  const [gpu, cpu] = [await train("webgpu", 20), await train("cpu", 20)];
  for (const [i, loss] of gpu.losses.entries()) {
    expect(Math.abs(loss / cpu.losses[i]! - 1), `step ${i}`).toBeLessThan(1e-3);
  }
});

describe.each(["webgpu", "cpu"] as const)("on %s", (device) => {
  test("one seed gives one course, to the bit, dropout included", async () => {
    const first = await train(device, 20, { p: 0.2 });
    expect(await train(device, 20, { p: 0.2 })).toEqual(first);
    expect((await train(device, 20, { p: 0.2, seed: 4 })).losses).not.toEqual(first.losses);
  });
});
