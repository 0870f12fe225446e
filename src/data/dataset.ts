/**
 * What data sets are: `Dataset` gives examples by number, `IterableDataset` one after the other. Neither makes batches, which
 * is the `DataLoader`'s; a data set may say how its examples are put together (`collate`), and what wraps one passes that on.
 */

import { ShapeError, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { indexSelect } from "../kernels/ops.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Collated } from "./collate.ts";

/** Where in a training a batch stands; what is random about it is a function of the place, so that it can be made again. */
export interface BatchPlace {
  readonly epoch: number;
  /** From 0 in each epoch. */
  readonly batch: number;
}

/** Puts examples together to what a step takes. The tensors it makes are its caller's to free. */
export type Collate<T, B> = (examples: readonly T[], place: BatchPlace) => B | Promise<B>;

/** Labelled examples, as the Trainer takes them. */
export interface LabelledBatch<Inputs extends readonly Tensor[] = readonly Tensor[]> {
  /** What the model takes, [batch, ...] each. */
  readonly inputs: Inputs;
  /** i32 [batch] */
  readonly labels: Tensor<"i32">;
  /** The number of examples. */
  readonly size: number;
  /** Which examples of the data set they are. */
  readonly indices: Int32Array;
}

/** Examples by their number. */
export interface Dataset<T, B = Collated<T>> {
  readonly length: number;
  /**
   * @param index from 0 to `length - 1`
   * @param epoch what is random about an example is a function of both
   */
  get(index: number, epoch: number): T | Promise<T>;
  /** How its examples are put together, where it is not as `collate` does. */
  readonly collate?: Collate<T, B> | undefined;
}

/** Examples one after the other, the same in the same epoch each time it is asked. */
export interface IterableDataset<T, B = Collated<T>> {
  /**
   * @param epoch from 0
   * @param from the example to begin with; a data set that cannot jump passes over those before
   */
  stream(epoch: number, from: number): Iterable<T> | AsyncIterable<T>;
  readonly collate?: Collate<T, B> | undefined;
}

/**
 * Items of a list.
 *
 * @example
 * new ArrayDataset([{ x: Float32Array.of(0, 1), y: 1 }, { x: Float32Array.of(1, 1), y: 0 }]);
 */
export class ArrayDataset<T> implements Dataset<T> {
  readonly items: readonly T[];

  constructor(items: readonly T[]) {
    this.items = items;
  }

  get length(): number {
    return this.items.length;
  }

  get(index: number): T {
    expectIndex("ArrayDataset", index, this.length);
    return this.items[index]!;
  }
}

/**
 * Rows of tensors that stay on the device, as PyTorch's TensorDataset. A batch is a list with as many tensors.
 *
 * @example
 * const loader = new DataLoader(new TensorDataset(x, labels), { batchSize: 64, shuffle: true }); // x [n, 2], labels [n]
 * for await (const [x, labels] of loader) ...                                                    // [64, 2], [64]
 */
export class TensorDataset<Tensors extends readonly Tensor[]> implements Dataset<number, Tensors> {
  readonly tensors: Tensors;

  /** @param tensors [n, ...] each */
  constructor(...tensors: Tensors) {
    const [n] = tensors[0]?.shape ?? [];
    for (const [i, { shape }] of tensors.entries()) {
      if (shape.length > 0 && shape[0] === n) continue;
      const expected = i === 0 ? "one axis or more" : `${n} rows, as many as the first`;
      throw new ShapeError(`TensorDataset: tensor ${i} has shape ${formatShape(shape)}, expected ${expected}`);
    }
    if (n === undefined) throw new ValueError("TensorDataset: there are no tensors, expected one or more");
    this.tensors = tensors;
  }

  get length(): number {
    return this.tensors[0]!.shape[0]!;
  }

  /** The index: the rows of a batch are taken at once. */
  get(index: number): number {
    expectIndex("TensorDataset", index, this.length);
    return index;
  }

  collate(indices: readonly number[]): Tensors {
    const rows = tensor(Int32Array.from(indices), { device: this.tensors[0]!.device });
    try {
      return this.tensors.map((tensor) => indexSelect(tensor.detach(), 0, rows)) as unknown as Tensors;
    } finally {
      rows.dispose();
    }
  }
}

/** Some examples of a data set, in the order given. */
export class Subset<T, B = Collated<T>> implements Dataset<T, B> {
  readonly dataset: Dataset<T, B>;
  readonly indices: Int32Array;
  readonly collate: Collate<T, B> | undefined;

  /** @throws ValueError for an index that the data set has not */
  constructor(dataset: Dataset<T, B>, indices: ArrayLike<number>) {
    this.dataset = dataset;
    this.indices = Int32Array.from(indices);
    for (const index of this.indices) expectIndex("Subset", index, dataset.length);
    this.collate = dataset.collate?.bind(dataset);
  }

  get length(): number {
    return this.indices.length;
  }

  get(index: number, epoch: number): T | Promise<T> {
    expectIndex("Subset", index, this.length);
    return this.dataset.get(this.indices[index]!, epoch);
  }
}

/** Several data sets of one kind, one after the other. Their examples are put together as the first one's. */
export function concat<T, B = Collated<T>>(...datasets: readonly Dataset<T, B>[]): Dataset<T, B> {
  const [first] = datasets;
  if (!first) throw new ValueError("concat: there are no data sets, expected one or more");
  const starts: number[] = [];
  let length = 0;
  for (const dataset of datasets) {
    starts.push(length);
    length += dataset.length;
  }
  return {
    length,
    get(index, epoch) {
      expectIndex("concat", index, length);
      const part = starts.findLastIndex((start) => start <= index); // the last: empty ones begin where the next does
      return datasets[part]!.get(index - starts[part]!, epoch);
    },
    collate: first.collate?.bind(first),
  };
}

/**
 * A data set whose examples go through `fn` each time they are asked for: decoding, cleaning, random changes.
 *
 * @param fn is given the example and its place; what is random about it is a function of the place, so that a training that
 *   is resumed sees the same
 * @param collate puts the results together (default: as the function `collate` does)
 */
export function mapDataset<T, U, B = Collated<U>>(
  dataset: Dataset<T, unknown>,
  fn: (example: T, place: { readonly index: number; readonly epoch: number }) => U | Promise<U>,
  collate?: Collate<U, B>,
): Dataset<U, B> {
  return {
    length: dataset.length,
    get(index, epoch) {
      const example = dataset.get(index, epoch);
      const place = { index, epoch };
      return example instanceof Promise ? example.then((value) => fn(value, place)) : fn(example, place);
    },
    collate,
  };
}

/** @throws ValueError unless `index` is one of `length` */
export function expectIndex(op: string, index: number, length: number): void {
  if (Number.isInteger(index) && index >= 0 && index < length) return;
  throw new ValueError(`${op}: index is ${index}, expected 0 to ${length - 1}, for there are ${length} examples`);
}
