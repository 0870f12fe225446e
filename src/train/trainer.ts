/**
 * The training loop: batches in, a trained module out. It frees what a step makes, runs at most two steps ahead of the
 * device, and reads losses back rarely.
 */
import { accumulateInto } from "../autograd/accumulate.ts";
import { noGrad } from "../autograd/record.ts";
import { checkOptions, TilegradError, ValueError } from "../gpu/errors.ts";
import type { ReferenceArray } from "../gpu/kernel.ts";
import { zeros } from "../kernels/creation/creation.ts";
import { stack } from "../kernels/functions.ts";
import { argmax, cast, crossEntropy, equal } from "../kernels/ops.ts";
import type { Module } from "../nn/index.ts";
import { clipGradNorm } from "../nn/utils.ts";
import { keep, scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What a step takes: the module's inputs, and the labels that its output is compared with. */
export interface Batch {
  readonly inputs: readonly Tensor[];
  /** i32 [batch] */
  readonly labels: Tensor;
  /** The number of examples. */
  readonly size: number;
}

/** A module that scores classes. */
export type Classifier = Module & { forward(...inputs: Tensor[]): Tensor };

/** Averages over examples. */
export interface Metrics {
  readonly loss: number;
  /** The share of examples whose highest score is their label's. */
  readonly accuracy: number;
}

export interface StepReport extends Metrics {
  readonly epoch: number;
  /** Steps so far, over all epochs. */
  readonly step: number;
  /** Examples so far in this epoch. */
  readonly examples: number;
  readonly examplesPerSecond: number;
  readonly learningRate: number;
}

export interface EpochReport {
  readonly epoch: number;
  readonly steps: number;
  readonly seconds: number;
  /** As the model was while it learned, with dropout. */
  readonly train: Metrics;
  readonly valid: Metrics | null;
  /** Whether this is the best epoch so far: by validation accuracy, then validation loss. */
  readonly best: boolean;
}

export interface TrainerOptions {
  readonly model: Classifier;
  readonly optimizer: { step(): void; zeroGrad(): void; readonly lr: number };
  /** Default: cross-entropy. */
  readonly loss?: (outputs: Tensor, labels: Tensor) => Tensor;
  /** Scale gradients to at most this norm. */
  readonly clipNorm?: number | undefined;
  /** Steps between two reports (default 10). */
  readonly reportEvery?: number;
  readonly onStep?: (report: StepReport) => void | Promise<void>;
  readonly onEpoch?: (report: EpochReport) => void | Promise<void>;
}

export interface FitOptions {
  readonly epochs: number;
  /** The batches of an epoch, from 0; their tensors are freed after use. */
  readonly train: (epoch: number) => Iterable<Batch>;
  readonly valid?: (() => Iterable<Batch>) | undefined;
}

const MAX_STEPS_AHEAD = 2;

/** The loss was no number. */
export class DivergedError extends TilegradError {}

export class Trainer {
  readonly #options: Required<Omit<TrainerOptions, "clipNorm" | "onStep" | "onEpoch">> & TrainerOptions;
  #step = 0;

  constructor(options: TrainerOptions) {
    checkOptions("Trainer", options, ["model", "optimizer", "loss", "clipNorm", "reportEvery", "onStep", "onEpoch"]);
    this.#options = { loss: crossEntropy, reportEvery: 10, ...options };
  }

  /** Steps taken so far. */
  get steps(): number {
    return this.#step;
  }

  /**
   * Trains for some epochs. Where there is validation data, the model ends with the parameters of its best epoch.
   *
   * @returns a report per epoch
   * @throws DivergedError when the loss is no longer a finite number
   */
  async fit({ epochs, train, valid }: FitOptions): Promise<EpochReport[]> {
    if (!Number.isInteger(epochs) || epochs < 1) throw new ValueError(`fit: epochs is ${epochs}, expected 1 or more`);
    const reports: EpochReport[] = [];
    let best: { metrics: Metrics; state: Snapshot } | null = null;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const start = performance.now();
      const before = this.#step;
      const trained = await this.#trainEpoch(epoch, train(epoch));
      const metrics = valid ? await this.evaluate(valid()) : null;
      const isBest = metrics !== null && (best === null || isBetter(metrics, best.metrics));
      if (isBest) best = { metrics, state: await snapshot(this.#options.model) };
      const report = {
        epoch,
        steps: this.#step - before,
        seconds: (performance.now() - start) / 1000,
        train: trained,
        valid: metrics,
        best: isBest,
      };
      reports.push(report);
      await this.#options.onEpoch?.(report);
    }
    if (best) this.#options.model.loadStateDict(best.state);
    return reports;
  }

  async #trainEpoch(epoch: number, batches: Iterable<Batch>): Promise<Metrics> {
    const { model, optimizer, loss, clipNorm, reportEvery, onStep } = this.#options;
    model.train();
    const totals = new Totals(model);
    const ahead: Promise<void>[] = [];
    const start = performance.now();
    try {
      for (const batch of batches) {
        scope(() => {
          const outputs = model.forward(...batch.inputs);
          const value = loss(outputs, batch.labels);
          optimizer.zeroGrad();
          value.backward();
          if (clipNorm !== undefined) clipGradNorm(model.parameters(), clipNorm);
          optimizer.step();
          totals.add(outputs, value, batch);
        });
        free(batch);
        this.#step++;
        ahead.push(totals.fence());
        if (ahead.length > MAX_STEPS_AHEAD) await ahead.shift();
        if (onStep && this.#step % reportEvery === 0) {
          const metrics = await totals.read(this.#step);
          const examplesPerSecond = totals.examples / ((performance.now() - start) / 1000);
          const { examples } = totals;
          await onStep({
            epoch,
            step: this.#step,
            examples,
            examplesPerSecond,
            learningRate: optimizer.lr,
            ...metrics,
          });
        }
      }
      return await totals.read(this.#step);
    } finally {
      totals.dispose();
    }
  }

  /** Averages over all batches, in evaluation mode; the model's mode is given back. Frees the batches' tensors. */
  async evaluate(batches: Iterable<Batch>): Promise<Metrics> {
    const { model, loss } = this.#options;
    const { training } = model;
    model.eval();
    const totals = new Totals(model);
    try {
      for (const batch of batches) {
        scope(() =>
          noGrad(() => {
            const outputs = model.forward(...batch.inputs);
            totals.add(outputs, loss(outputs, batch.labels), batch);
          }),
        );
        free(batch);
      }
      return await totals.read(this.#step);
    } finally {
      totals.dispose();
      model.train(training);
    }
  }
}

function free({ inputs, labels }: Batch): void {
  for (const tensor of [...inputs, labels]) tensor.dispose();
}

function isBetter(a: Metrics, b: Metrics): boolean {
  return a.accuracy > b.accuracy || (a.accuracy === b.accuracy && a.loss < b.loss);
}

// Sums over examples, on the device: [loss, correct].
class Totals {
  readonly #sums: Tensor;
  examples = 0;

  constructor(model: Module) {
    this.#sums = keep(zeros([2], { device: model.parameters()[0]!.device }));
  }

  add(outputs: Tensor, loss: Tensor, { labels, size }: Batch): void {
    const correct = cast(equal(argmax(outputs.detach(), -1), labels), "f32").sum();
    accumulateInto(this.#sums, stack([loss.detach().mul(size), correct]));
    this.examples += size;
  }

  fence(): Promise<void> {
    return this.#sums.device.fence();
  }

  async read(step: number): Promise<Metrics> {
    const [loss, correct] = await this.#sums.data();
    if (!Number.isFinite(loss)) {
      throw new DivergedError(
        `the loss is ${Number.isNaN(loss) ? "not a number" : "infinite"} after step ${step}; lower the learning rate, or clip the gradients`,
      );
    }
    return { loss: loss! / this.examples, accuracy: correct! / this.examples };
  }

  dispose(): void {
    this.#sums.dispose();
  }
}

/** A module's state on the host, by the names of its state dict. */
export type Snapshot = ReadonlyMap<string, { readonly shape: Shape; readonly data: ReferenceArray }>;

/** Reads a module's parameters and buffers back. */
export async function snapshot(model: Module): Promise<Snapshot> {
  const entries = [...model.stateDict()].map(
    async ([name, { shape, storage }]) => [name, { shape, data: await storage.device.read(storage) }] as const,
  );
  return new Map(await Promise.all(entries));
}
