/** What a training reads: batches, and where they come from. */
import { ValueError } from "../gpu/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What a step takes: the module's inputs, and the labels that its output is compared with. */
export interface Batch {
  readonly inputs: readonly Tensor[];
  /** Whatever the loss takes: classes i32 [batch], values f32 [batch, ...]. */
  readonly labels: Tensor;
  /** The number of examples. */
  readonly size: number;
}

/** A batch, or its tensors in a list: the module's inputs, and last the labels [batch, ...]. */
export type BatchLike = Batch | readonly Tensor[];

export type Batches = Iterable<BatchLike> | AsyncIterable<BatchLike>;

/** The batches of an epoch from one of them on, both counted from 0; a `DataLoader` is one, or a function. */
export type BatchSource =
  | { batches(epoch: number, from?: number): Batches }
  | ((epoch: number, from: number) => Batches);

/** The batches of an epoch, from one of them on. */
export function batchesOf(source: Batches | BatchSource, epoch: number, from: number): Batches {
  if (typeof source === "function") return source(epoch, from);
  return "batches" in source ? source.batches(epoch, from) : source;
}

/** @throws ValueError for a list that is too short */
export function toBatch(batch: BatchLike): Batch {
  if (!isTensors(batch)) return batch;
  const labels = batch.at(-1);
  if (batch.length < 2 || !labels) {
    throw new ValueError(
      `Trainer: a batch is a list of ${batch.length} tensors, expected one input or more, and labels`,
    );
  }
  return { inputs: batch.slice(0, -1), labels, size: labels.shape[0] ?? 1 };
}

const isTensors = (batch: BatchLike): batch is readonly Tensor[] => Array.isArray(batch);

/** Lists of `size` batches; the last one may be shorter. */
export async function* grouped(batches: Batches, size: number): AsyncIterable<Batch[]> {
  let group: Batch[] = [];
  for await (const batch of batches) {
    group.push(toBatch(batch));
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** All tensors of a batch: its inputs, then its labels. */
export function tensorsOf({ inputs, labels }: Batch): Tensor[] {
  return [...inputs, labels];
}
