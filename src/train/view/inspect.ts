/** Measures a classifier and looks at its predictions in one pass over labelled examples. */
import type { LabelledBatch } from "../../data/dataset.ts";
import { Accuracy } from "../../metrics/accuracy.ts";
import { keep } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type BatchSource, batchesOf } from "../batches.ts";
import { type Classifier, evaluate } from "../evaluate.ts";
import type { Metrics } from "../totals.ts";
import { type Predictions, PredictionTally, type Shown } from "./predictions.ts";

/** How the examples behind batches are looked up by their numbers. */
export interface Inspection {
  /** The names of the classes. */
  readonly names: readonly string[];
  /** The class of each example. */
  readonly labels: ArrayLike<number>;
  readonly show: (example: number) => Shown;
}

/**
 * @param loader gives batches that tell which examples they have
 * @throws DivergedError if the loss is no finite number
 */
export async function inspect(
  model: Classifier,
  loader: BatchSource,
  { names, labels, show }: Inspection,
  split: Predictions["split"],
): Promise<{ metrics: Metrics<"accuracy">; predictions: Predictions }> {
  const tally = new PredictionTally(names.length);
  let scores: Tensor | null = null;
  // What follows a yield runs when the batch has been through the model.
  async function* watched() {
    for await (const batch of batchesOf(loader, 0, 0)) {
      yield batch;
      const { indices } = batch as LabelledBatch;
      tally.add(
        (await scores!.data()) as Float32Array,
        indices.map((i) => labels[i]!),
        indices,
      );
      scores!.dispose();
      scores = null;
    }
  }
  try {
    const metrics = await evaluate(model, watched(), {
      metrics: { accuracy: new Accuracy() },
      onBatch: (outputs) => {
        scores = keep(outputs.detach());
      },
    });
    return { metrics, predictions: tally.result(split, names, show) };
  } finally {
    (scores as Tensor | null)?.dispose();
  }
}
