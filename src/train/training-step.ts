/**
 * One step of a training: the gradients of some batches, clipped, and the optimizer's step. With `capture`, steps whose
 * tensors have shapes that come again are replayed, to the same bits.
 */
import { autocast } from "../autograd/autocast.ts";
import { clipGradNorm, getTotalNorm } from "../nn/utils.ts";
import { GradScaler } from "../optim/grad-scaler.ts";
import { type CapturedStep, capture } from "../tensor/capture.ts";
import { dispose, scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Batch, tensorsOf } from "./batches.ts";
import type { Classifier, Loss } from "./evaluate.ts";
import type { TrainedBy } from "./trainer-state.ts";

/** Shapes whose steps are captured: each holds the memory of a step. */
const MAX_CAPTURES = 8;

export interface StepOptions {
  readonly model: Classifier;
  readonly optimizer: TrainedBy;
  readonly loss: Loss;
  readonly clipNorm?: number | undefined;
  /** In mixed precision, if there is one that is enabled. */
  readonly scaler?: GradScaler | undefined;
}

/** Receives what the model made of a batch, on the way. */
export type Visit = (outputs: Tensor, loss: Tensor, batch: Batch) => void;

interface Captured {
  calls: number;
  /** Made when the shapes come for the second time. */
  step: CapturedStep<Tensor[], StepTensors> | null;
}

type StepTensors = {
  readonly norm: Tensor;
  readonly batches: readonly { readonly outputs: Tensor; readonly loss: Tensor }[];
};

export class TrainingStep {
  readonly #options: StepOptions;
  readonly #captures: Map<string, Captured> | null;

  /** @param captures whether to capture */
  constructor(options: StepOptions, captures: boolean) {
    this.#options = options;
    this.#captures = captures ? new Map() : null;
  }

  /** How many shapes are replayed by now. */
  get replayed(): number {
    return [...(this.#captures?.values() ?? [])].filter(({ step }) => step?.isReplaying).length;
  }

  /**
   * Takes a step on the gradients of all batches, each weighted by its examples.
   *
   * @returns the norm of the gradients before clipping, a scalar
   */
  take(group: readonly Batch[], visit: Visit): Tensor {
    const step = this.#capturedFor(group);
    if (!step) return scope(() => this.#run(group, visit).norm);
    const { norm, batches } = step(...group.flatMap(tensorsOf));
    scope(() => {
      for (const [i, { outputs, loss }] of batches.entries()) visit(outputs, loss, group[i]!);
    });
    dispose(batches);
    return norm;
  }

  /** Gives the memory of captured steps back. */
  dispose(): void {
    for (const { step } of this.#captures?.values() ?? []) step?.dispose();
    this.#captures?.clear();
  }

  #run<R>(
    group: readonly Batch[],
    visit: (outputs: Tensor, loss: Tensor, batch: Batch) => R,
  ): { norm: Tensor; batches: R[] } {
    const { model, optimizer, loss, clipNorm, scaler = new GradScaler({ enabled: false }) } = this.#options;
    const examples = group.reduce((total, { size }) => total + size, 0);
    optimizer.zeroGrad();
    const batches = group.map((batch) =>
      scope(() => {
        const forward = () => {
          const outputs = model.forward(...batch.inputs);
          return { outputs, value: loss(outputs, batch.labels) };
        };
        const { outputs, value } = autocast(forward, { enabled: scaler.isEnabled() });
        scaler.scale(group.length === 1 ? value : value.mul(batch.size / examples)).backward();
        return visit(outputs, value, batch);
      }),
    );
    scaler.unscale(optimizer);
    const norm = clipNorm === undefined ? this.#gradientNorm() : clipGradNorm(model.parameters(), clipNorm);
    scaler.step(optimizer);
    scaler.update();
    return { norm, batches };
  }

  #gradientNorm(): Tensor {
    const gradients = this.#options.model.parameters().map(({ grad }) => grad);
    return getTotalNorm(gradients.filter((grad) => grad !== null));
  }

  #capturedFor(group: readonly Batch[]): Captured["step"] {
    if (!this.#captures) return null;
    const shapes = group.map((batch) => `${batch.size}: ${tensorsOf(batch).map(String).join(", ")}`).join("; ");
    let captured = this.#captures.get(shapes);
    if (!captured) {
      captured = { calls: 0, step: null };
      this.#captures.set(shapes, captured);
    }
    const taken = [...this.#captures.values()].filter(({ step }) => step).length;
    if (++captured.calls === 2 && taken < MAX_CAPTURES) captured.step = this.#capture(group);
    return captured.step;
  }

  // The captured step takes the tensors of all batches in a row.
  #capture(group: readonly Batch[]): CapturedStep<Tensor[], StepTensors> {
    const counts = group.map((batch) => tensorsOf(batch).length);
    const starts = counts.map((_, i) => counts.slice(0, i).reduce((sum, count) => sum + count, 0));
    const sizes = group.map(({ size }) => size);
    return capture((...tensors: Tensor[]) => {
      const own = sizes.map((size, i) => {
        const labelsAt = starts[i]! + counts[i]! - 1;
        return { inputs: tensors.slice(starts[i], labelsAt), labels: tensors[labelsAt]!, size };
      });
      return this.#run(own, (outputs, loss) => ({ outputs: outputs.detach(), loss: loss.detach() }));
    });
  }
}
