import { checkOptions } from "../../gpu/errors.ts";
import type { Module } from "../../nn/index.ts";
import type { StepReport, TrainerCallback } from "../callbacks.ts";
import type { HyperParameter } from "./messages.ts";
import { SummaryWriter } from "./summary-writer.ts";

export interface TensorBoardOptions {
  /** What the run was given, for the table of hyper-parameters. */
  readonly hyperParameters?: Readonly<Record<string, HyperParameter>>;
  /** Scalars by which runs are compared in that table (default: the losses, "train/loss" and "valid/loss"). */
  readonly compareBy?: readonly string[];
  /** Whether to write the distributions of weights and gradients after each epoch, for which all are read (default true). */
  readonly histograms?: boolean;
}

// Fields of a report that are no curves.
const NO_CURVES = ["epoch", "step", "examples"];

/**
 * Writes a training into a folder that TensorBoard reads: `step/...` for each report of a step (loss, metrics, learning
 * rate, norm of the gradients, examples per second), `train/...` and `valid/...` for each epoch, distributions of the weights
 * and of the last step's gradients, and hyper-parameters.
 *
 * @example
 * new train.Trainer({ model, optimizer, callbacks: train.tensorBoard("runs/first", { hyperParameters: { lr: 1e-3 } }) });
 */
export function tensorBoard(folder: string, options: TensorBoardOptions = {}): TrainerCallback {
  checkOptions("tensorBoard", options, ["hyperParameters", "compareBy", "histograms"]);
  const { hyperParameters, compareBy = ["train/loss", "valid/loss"], histograms = true } = options;
  let writer: SummaryWriter | null = null;
  let trained: Module | null = null;
  return {
    async onStart({ model, step }) {
      trained = model;
      writer = await SummaryWriter.open(folder, step > 0 ? { purgeStep: step + 1 } : {});
      if (hyperParameters) writer.addHyperParameters(hyperParameters, compareBy);
    },
    onStep(report) {
      for (const [name, value] of curvesOf(report)) writer?.addScalar(`step/${name}`, value, report.step);
    },
    async onEpoch({ step, train, valid }) {
      if (!writer || !trained) return;
      for (const [split, metrics] of Object.entries({ train, valid })) {
        for (const [name, value] of Object.entries(metrics ?? {})) writer.addScalar(`${split}/${name}`, value, step);
      }
      if (histograms) await addHistograms(writer, trained, step);
      await writer.flush();
    },
    async onEnd({ error }) {
      await writer?.close(error === null);
      writer = null;
    },
  };
}

function curvesOf(report: StepReport): [name: string, value: number][] {
  const names: Record<string, string> = {
    learningRate: "learning_rate",
    gradientNorm: "gradient_norm",
    examplesPerSecond: "examples_per_second",
  };
  return Object.entries(report).flatMap(([name, value]) =>
    value === null || NO_CURVES.includes(name) ? [] : [[names[name] ?? name, value]],
  );
}

// One tensor after the other, so that they are not all on the host at once.
async function addHistograms(writer: SummaryWriter, model: Module, step: number): Promise<void> {
  for (const [name, parameter] of model.namedParameters()) {
    writer.addHistogram(`weights/${name}`, await parameter.data(), step);
    if (parameter.grad) writer.addHistogram(`gradients/${name}`, await parameter.grad.data(), step);
  }
}
