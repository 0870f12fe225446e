/** A training that PyTorch began goes on here: the weights and Adam's state of a checkpoint give PyTorch's next losses. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parsePytorch, parseWeights, pytorchOptimizerState } from "../../src/io/index.ts";
import { tensor } from "../../src/kernels/creation/creation.ts";
import { crossEntropy } from "../../src/kernels/ops.ts";
import { TransformerClassifier } from "../../src/models/transformer-classifier.ts";
import { clipGradNorm } from "../../src/nn/utils.ts";
import { Adam, parameterGroups } from "../../src/optim/index.ts";
import { type DeviceName, withDevice } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";

const read = (name: string) => new Uint8Array(readFileSync(new URL(`./${name}`, import.meta.url)));
const file = read("fine-tuning.pt");
const { clip, x, y, losses } = JSON.parse(new TextDecoder().decode(read("fine-tuning.json"))) as {
  clip: number;
  x: number[][][];
  y: number[][];
  losses: Record<"float32" | "float64", number[]>;
};

/** The losses of the steps after the checkpoint's. */
async function goOn(device: DeviceName, steps: number): Promise<number[]> {
  const checkpoint = parsePytorch(file) as Map<string, unknown>;
  const first = checkpoint.get("step") as number;
  const sizes = { vocabSize: 30, maxLength: 10, classes: 4, features: 16, heads: 2, layers: 2, feedForward: 32 };
  const { model, adam, batches } = withDevice(device, () => {
    const model = new TransformerClassifier({ ...sizes, dropout: 0, activation: "gelu" });
    model.loadStateDict(parseWeights(file));
    // The groups of the other optimizer, with rates that the checkpoint's replace.
    const body = [...model.namedParameters().keys()].filter((name) => !name.startsWith("head."));
    const adam = new Adam(parameterGroups(model, [{ names: body, lr: 1 }]), { lr: 1 });
    adam.loadStateDict(pytorchOptimizerState(checkpoint.get("optimizer")));
    const batches = x.map((ids, i) => [tensor(ids, { dtype: "i32" }), tensor(y[i]!, { dtype: "i32" })] as const);
    return { model, adam, batches };
  });
  expect(adam.groups.map(({ options }) => [options.lr, options.weightDecay, options.betas])).toEqual([
    [0.002, 0.01, [0.9, 0.99]],
    [0.005, 0, [0.9, 0.99]],
  ]);
  const found: number[] = [];
  for (let step = first; step < first + steps; step++) {
    const [ids, labels] = batches[step % batches.length]!;
    const loss = withDevice(device, () =>
      scope(() => {
        const loss = crossEntropy(model.forward(ids), labels);
        adam.zeroGrad();
        loss.backward();
        clipGradNorm(model.parameters(), clip);
        adam.step();
        return loss;
      }),
    );
    found.push(await loss.item());
    loss.dispose();
  }
  return found;
}

test.each([
  ["cpu:f64", 1e-9],
  ["cpu", 1e-5],
  ["webgpu", 1e-5],
] as const)("on %s the next 20 losses are PyTorch's, to %d", async (device, tolerance) => {
  const expected = device === "cpu:f64" ? losses.float64 : losses.float32;
  const found = await goOn(device, expected.length);
  const distances = found.map((loss, step) => Math.abs(loss - expected[step]!));
  console.log(`fine-tuning on ${device}: at most ${Math.max(...distances).toExponential(1)} from PyTorch's losses`);
  expect(Math.max(...distances)).toBeLessThan(tolerance);
});
