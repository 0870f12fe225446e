/** What the Trainer tells while it works, and to whom. */
import type { Module } from "../nn/index.ts";
import type { Metrics } from "./totals.ts";
import type { TrainedBy, TrainerProgress } from "./trainer-state.ts";

/** What is known after a step; the loss and the metrics are those of the epoch so far. */
export type StepReport<Name extends string = string> = {
  /** From 0. */
  readonly epoch: number;
  /** Steps so far, over all epochs. */
  readonly step: number;
  /** Examples so far in this epoch. */
  readonly examples: number;
  readonly examplesPerSecond: number;
  /** Of this step. */
  readonly learningRate: number;
  /** The norm of all gradients of this step as one vector, before they are clipped; null where it is not finite. */
  readonly gradientNorm: number | null;
} & Metrics<Name>;

/** What stands beside the loss and the metrics in the report of a step; no metric may have these names. */
export const STEP_FIELDS: readonly string[] = [
  "epoch",
  "step",
  "examples",
  "examplesPerSecond",
  "learningRate",
  "gradientNorm",
];

export interface EpochReport<Name extends string = string> {
  /** From 0. */
  readonly epoch: number;
  /** Steps of this epoch, since the training was last begun or resumed. */
  readonly steps: number;
  /** Steps so far, over all epochs. */
  readonly step: number;
  readonly seconds: number;
  /** Of the last step. */
  readonly learningRate: number;
  readonly gradientNorm: number | null;
  /** As the model was while it learned, with dropout. */
  readonly train: Metrics<Name>;
  readonly valid: Metrics<Name> | null;
  /** Whether this is the best epoch so far, by what is monitored. */
  readonly best: boolean;
}

/** A training that begins, or goes on. */
export interface TrainingStart {
  readonly model: Module;
  readonly optimizer: TrainedBy;
  /** How many there will be. */
  readonly epochs: number;
  /** Epochs and steps that are done. */
  readonly epoch: number;
  readonly step: number;
}

export interface TrainingEnd<Name extends string = string> {
  readonly reports: readonly EpochReport<Name>[];
  /** What the training ended with, if not with its last epoch. */
  readonly error: unknown;
}

/**
 * Hears of a training. Each function may be asynchronous; the training waits for it, and ends with what it throws. Reports of
 * steps come up to two steps late, so that no step waits for the device.
 */
export interface TrainerCallback<Name extends string = string> {
  onStart?(start: TrainingStart): void | Promise<void>;
  onEpochStart?(epoch: number): void | Promise<void>;
  /** After every `reportEvery` steps. */
  onStep?(report: StepReport<Name>): void | Promise<void>;
  /** While the model has the weights that were validated: the averages, if there are some. */
  onEpoch?(report: EpochReport<Name>): void | Promise<void>;
  /** When a checkpoint has been written. */
  onSave?(progress: TrainerProgress): void | Promise<void>;
  /** In any case, also after an error. */
  onEnd?(end: TrainingEnd<Name>): void | Promise<void>;
}

/** What a callback's function takes. */
export type CallbackValue<E extends keyof TrainerCallback> = Parameters<NonNullable<TrainerCallback[E]>>[0];

/** Calls one function of every callback that has it, one after the other. */
export async function tell<E extends keyof TrainerCallback>(
  callbacks: readonly TrainerCallback[],
  event: E,
  value: CallbackValue<E>,
): Promise<void> {
  for (const callback of callbacks) {
    const listener = callback[event] as ((value: unknown) => void | Promise<void>) | undefined;
    await listener?.call(callback, value);
  }
}
