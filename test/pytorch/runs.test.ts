/** Whole training runs beside PyTorch's: the same initial parameters, batches and options give the same loss at every step. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseSafetensors } from "../../src/io/safetensors.ts";
import { tensor } from "../../src/kernels/creation/creation.ts";
import { crossEntropy } from "../../src/kernels/ops.ts";
import { CNN } from "../../src/models/cnn.ts";
import { RecurrentClassifier } from "../../src/models/recurrent-classifier.ts";
import { TransformerClassifier } from "../../src/models/transformer-classifier.ts";
import { clipGradNorm } from "../../src/nn/utils.ts";
import { Adam } from "../../src/optim/adam.ts";
import { type DeviceName, withDevice } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Classifier } from "../../src/train/evaluate.ts";

interface Losses {
  readonly float32: readonly number[];
  readonly float64: readonly number[];
}

const read = (name: string) => readFileSync(new URL(`./${name}`, import.meta.url));
const { lr, clip, runs } = JSON.parse(read("runs.json").toString()) as {
  lr: number;
  clip: number;
  runs: Record<string, Losses>;
};

const text = { vocabSize: 40, classes: 4, features: 16, dropout: 0 };
const models: Record<string, () => Classifier> = {
  cnn: () => new CNN({ height: 12, width: 12, classes: 4, filters: [8, 16], hidden: 32 }),
  lstm: () => new RecurrentClassifier({ ...text, cell: "lstm", hidden: 24 }),
  gru: () => new RecurrentClassifier({ ...text, cell: "gru", hidden: 24 }),
  transformer: () => new TransformerClassifier({ ...text, maxLength: 12, heads: 2, layers: 2, feedForward: 32 }),
};

/** The loss of every step. */
async function train(name: string, device: DeviceName, steps: number): Promise<number[]> {
  const { tensors } = parseSafetensors(read(`runs-${name}.safetensors`));
  const { model, adam, batches } = withDevice(device, () => {
    const model = models[name]!();
    const own = [...tensors].filter(([key]) => key.startsWith("model."));
    model.loadStateDict(
      new Map(own.map(([key, { shape, data }]) => [key.slice(6), { shape, data: data as Float32Array }])),
    );
    const batches = [];
    for (let i = 0; tensors.has(`x.${i}`); i++) {
      const [x, y] = [tensors.get(`x.${i}`)!, tensors.get(`y.${i}`)!];
      const dtype = x.dtype === "F32" ? "f32" : "i32";
      batches.push({
        x: tensor(x.data as Float32Array, { shape: x.shape, dtype }),
        y: tensor(y.data as Int32Array, { shape: y.shape, dtype: "i32" }),
      });
    }
    return { model, adam: new Adam(model.parameters(), { lr }), batches };
  });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { x, y } = batches[step % batches.length]!;
    const loss = withDevice(device, () =>
      scope(() => {
        const loss = crossEntropy(model.forward(x), y);
        adam.zeroGrad();
        loss.backward();
        clipGradNorm(model.parameters(), clip);
        adam.step();
        return loss;
      }),
    );
    losses.push(await loss.item());
    loss.dispose();
  }
  return losses;
}

const largest = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value), 0);

for (const [name, { float32, float64 }] of Object.entries(runs)) {
  for (const device of ["cpu:f64", "cpu", "webgpu"] as const) {
    test(`${name} on ${device}`, async () => {
      const losses = await train(name, device, float64.length);
      const distances = (of: readonly number[]) => float64.map((loss, step) => Math.abs(of[step]! - loss) / loss);
      const [ours, pytorch] = [largest(distances(losses)), largest(distances(float32))];
      console.log(
        `${name} on ${device}: at most ${ours.toExponential(1)} from PyTorch in float64; PyTorch in float32: ${pytorch.toExponential(1)}`,
      );
      // Rounding differs and a run carries it on: in float32, PyTorch's own distance says how far.
      expect(ours).toBeLessThan(device === "cpu:f64" ? 1e-7 : Math.max(1e-5, 4 * pytorch));
    });
  }
}
