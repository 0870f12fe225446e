import { noGrad } from "../autograd/record.ts";
import { checkOptions } from "../gpu/errors.ts";
import { crossEntropy } from "../kernels/ops.ts";
import type { Module } from "../nn/index.ts";
import { dispose, scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Batches, type BatchSource, batchesOf, tensorsOf, toBatch } from "./batches.ts";
import { type Metrics, type NamedMetrics, Totals } from "./totals.ts";

/** A module with one output, such as the scores of classes. */
export type Classifier = Module & { forward(...inputs: Tensor[]): Tensor };

/** Averages over the examples of a batch. */
export type Loss = (outputs: Tensor, labels: Tensor) => Tensor;

export interface EvaluateOptions<Name extends string> {
  /** Default: cross-entropy. */
  readonly loss?: Loss;
  /** What else to measure; they are reset before and after. */
  readonly metrics?: NamedMetrics<Name>;
  /** Sees the outputs of each batch before they are freed. */
  readonly onBatch?: (outputs: Tensor, labels: Tensor) => void;
}

/**
 * Averages over all batches, in evaluation mode; the model's mode is given back. Frees the batches' tensors.
 *
 * @param batches some, or where they come from: then those of epoch 0
 * @throws DivergedError if the loss is no finite number
 */
export async function evaluate<Name extends string = never>(
  model: Classifier,
  batches: Batches | BatchSource,
  options: EvaluateOptions<Name> = {},
): Promise<Metrics<Name>> {
  checkOptions("evaluate", options, ["loss", "metrics", "onBatch"]);
  const { loss = crossEntropy, metrics = {} as NamedMetrics<Name>, onBatch } = options;
  const { training } = model;
  model.eval();
  const totals = new Totals(metrics);
  totals.reset();
  try {
    for await (const like of batchesOf(batches, 0, 0)) {
      const batch = toBatch(like);
      scope(() =>
        noGrad(() => {
          const outputs = model.forward(...batch.inputs);
          totals.add(outputs, loss(outputs, batch.labels), batch);
          onBatch?.(outputs, batch.labels);
        }),
      );
      dispose(tensorsOf(batch));
    }
    return await totals.read();
  } finally {
    totals.reset();
    model.train(training);
  }
}
