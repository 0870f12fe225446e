/** Everything that the rest of a training depends on, as host data and JSON. */
import type { ReferenceArray } from "../gpu/kernel.ts";
import type { RandomGeneratorState } from "../kernels/random/generator.ts";
import type { ScaledOptimizer } from "../optim/grad-scaler.ts";
import type { OptimizerOptions, OptimizerState } from "../optim/optimizer.ts";
import type { ScheduleState } from "../optim/schedules.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { EpochReport } from "./callbacks.ts";

/** What the Trainer asks of an optimizer. */
export interface TrainedBy extends ScaledOptimizer {
  zeroGrad(): void;
  readonly lr: number;
  stateDict(): OptimizerState<OptimizerOptions>;
  loadStateDict(state: OptimizerState<OptimizerOptions>): void;
}

/** Values on the host. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: ReferenceArray;
}

export interface TrainerState {
  /** By name: the model's, the optimizer's, the averages', the scaler's, the best model's, and the sums of the epoch so far. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** Plain JSON. */
  readonly progress: TrainerProgress;
}

export interface TrainerProgress {
  readonly epoch: number;
  /** Batches of the epoch that are done. */
  readonly batch: number;
  readonly step: number;
  /** Examples of the epoch that are done. */
  readonly examples: number;
  /** Of the last step. */
  readonly learningRate: number;
  readonly random: RandomGeneratorState;
  readonly optimizerGroups: readonly OptimizerOptions[];
  readonly schedule: ScheduleState | null;
  readonly reports: readonly EpochReport[];
}

/** A state on the host, by the same names. */
export type Snapshot = ReadonlyMap<string, HostTensor>;

/** Reads tensors back, as they are at the time of the call. */
export async function snapshot(state: ReadonlyMap<string, Tensor>): Promise<Snapshot> {
  const entries = [...state].map(
    async ([name, { shape, storage }]) => [name, { shape, data: await storage.device.read(storage) }] as const,
  );
  return new Map(await Promise.all(entries));
}

export function prefixed<T>(prefix: string, state: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...state].map(([name, value]) => [prefix + name, value]));
}
