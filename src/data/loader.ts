/**
 * `DataLoader`: from a data set to the batches of an epoch. What comes is a pure function of the options, the epoch and the
 * batch's number; nothing else is remembered, so that a training can go on at any batch.
 */

import { checkOptions, ValueError } from "../gpu/errors.ts";
import { dispose } from "../tensor/scope.ts";
import { type Collated, collate as defaultCollate } from "./collate.ts";
import type { Collate, Dataset, IterableDataset } from "./dataset.ts";
import type { Random } from "./random.ts";
import {
  type BatchSampler,
  epochRandom,
  expectCount,
  RandomSampler,
  type Sampler,
  SequentialBatches,
  SequentialSampler,
} from "./samplers.ts";

export interface DataLoaderOptions {
  /** Examples per batch (default 1). */
  batchSize?: number;
  /** A new order in each epoch (default false). A stream is shuffled within a buffer. */
  shuffle?: boolean;
  /** Which examples, in which order, in place of `shuffle`. */
  sampler?: Sampler;
  /** Which batches, in place of `batchSize`, `shuffle`, `sampler` and `dropLast`. */
  batchSampler?: BatchSampler;
  /** Leave out a last batch that is not full (default false). */
  dropLast?: boolean;
  /** The same seed gives the same order (default 0). */
  seed?: number;
  /** Batches made ahead, while the GPU works and while files are read (default 2); 0: none. */
  prefetch?: number;
  /** Of a stream that is shuffled: how many examples the next one is drawn from (default 1000). */
  shuffleBuffer?: number;
}

/** Which batch comes next. */
export interface DataLoaderState {
  readonly epoch: number;
  readonly batch: number;
}

const OPTIONS = [
  "batchSize",
  "shuffle",
  "sampler",
  "batchSampler",
  "dropLast",
  "collate",
  "seed",
  "prefetch",
  "shuffleBuffer",
];
const SHUFFLE_BUFFER = 1000;

/**
 * Makes batches of a data set's examples. Each loop over a loader is the next epoch; its batches' tensors are the caller's to
 * free (`tg.dispose(batch)`).
 *
 * @example
 * const loader = new DataLoader(dataset, { batchSize: 64, shuffle: true, seed: 1 });
 * for (let epoch = 0; epoch < 3; epoch++) {
 *   for await (const [x, labels] of loader) ...
 * }
 * const state = loader.stateDict();   // in a new process: loader.loadStateDict(state), and the next batch is the one that was due
 */
export class DataLoader<T, B = Collated<T>> implements AsyncIterable<B> {
  readonly dataset: Dataset<T, unknown> | IterableDataset<T, unknown>;
  readonly #collate: Collate<T, B>;
  readonly #options: Required<Omit<DataLoaderOptions, "sampler" | "batchSampler">>;
  readonly #batches: BatchSampler | null; // of a stream none
  #epoch = 0;
  #batch = 0;
  /** Whether the position was given by `loadStateDict` and not reached by a loop. */
  #given = false;

  /**
   * @param options `collate` puts examples together; by default the data set does, or else the function `collate`
   * @throws ValueError for an option that is unknown, out of range or contradicts another
   */
  constructor(
    dataset: Dataset<T, unknown> | IterableDataset<T, unknown>,
    options: DataLoaderOptions & { collate: Collate<T, B> },
  );
  constructor(dataset: Dataset<T, B> | IterableDataset<T, B>, options?: DataLoaderOptions);
  constructor(
    dataset: Dataset<T, unknown> | IterableDataset<T, unknown>,
    options: DataLoaderOptions & { collate?: Collate<T, B> } = {},
  ) {
    checkOptions("DataLoader", options, OPTIONS);
    expectNoContradiction(dataset, options);
    const { batchSize = 1, shuffle = false, dropLast = false, seed = 0, prefetch = 2 } = options;
    const { sampler, batchSampler, shuffleBuffer = SHUFFLE_BUFFER } = options;
    expectCount("DataLoader", "batchSize", batchSize);
    expectCount("DataLoader", "shuffleBuffer", shuffleBuffer);
    expectCount("DataLoader", "prefetch", prefetch, 0);
    epochRandom(seed, 0); // refuses a seed that cannot be
    this.dataset = dataset;
    this.#options = { batchSize, shuffle, dropLast, seed, prefetch, shuffleBuffer };
    const own = dataset.collate?.bind(dataset) as Collate<T, B> | undefined;
    this.#collate = options.collate ?? own ?? (defaultCollate as Collate<T, unknown> as Collate<T, B>);
    if ("stream" in dataset) {
      this.#batches = null;
    } else {
      const { length } = dataset;
      const order = sampler ?? (shuffle ? new RandomSampler(length, { seed }) : new SequentialSampler(length));
      this.#batches = batchSampler ?? new SequentialBatches(order, batchSize, dropLast);
    }
  }

  /** The number of batches in an epoch. @throws ValueError for a stream, whose end nobody knows */
  get length(): number {
    if (this.#batches) return this.#batches.length;
    throw new ValueError("DataLoader.length: a stream has no length before it has ended; count the batches");
  }

  /**
   * The batches of an epoch, without a look at the loader's position, and without changing it.
   *
   * @param epoch from 0
   * @param from the batch to begin with (default 0)
   */
  batches(epoch: number, from = 0): AsyncGenerator<B> {
    expectCount("batches", "epoch", epoch, 0);
    expectCount("batches", "from", from, 0);
    const { dataset } = this;
    const source = "stream" in dataset ? this.#streamed(dataset, epoch, from) : this.#sampled(dataset, epoch, from);
    const { prefetch } = this.#options;
    return prefetch === 0 ? source : ahead(source, prefetch);
  }

  /** An epoch: the one after that of the loop before, or the rest of the one that `loadStateDict` told. */
  async *[Symbol.asyncIterator](): AsyncGenerator<B> {
    if (!this.#given && this.#batch > 0) {
      this.#epoch++;
      this.#batch = 0;
    }
    this.#given = false;
    for await (const batch of this.batches(this.#epoch, this.#batch)) {
      this.#batch++;
      yield batch;
    }
    this.#epoch++;
    this.#batch = 0;
  }

  /** The position: which batch comes after those that loops have had. Plain JSON. */
  stateDict(): DataLoaderState {
    return { epoch: this.#epoch, batch: this.#batch };
  }

  /** Lets the next loop begin at a position. @throws ValueError for one that cannot be */
  loadStateDict(state: DataLoaderState): void {
    checkOptions("DataLoader.loadStateDict", state, ["epoch", "batch"]);
    this.#epoch = expectCount("DataLoader.loadStateDict", "epoch", state.epoch, 0);
    this.#batch = expectCount("DataLoader.loadStateDict", "batch", state.batch, 0);
    this.#given = true;
  }

  async *#sampled(dataset: Dataset<T, unknown>, epoch: number, from: number): AsyncGenerator<B> {
    const batches = this.#batches!.batches(epoch);
    for (let batch = from; batch < batches.length; batch++) {
      const examples = Array.from(batches[batch]!, (index) => dataset.get(index, epoch));
      const isLate = examples.some((example) => example instanceof Promise);
      const ready = isLate ? await Promise.all(examples) : (examples as T[]);
      yield await this.#collate(ready, { epoch, batch });
    }
  }

  async *#streamed(dataset: IterableDataset<T, unknown>, epoch: number, from: number): AsyncGenerator<B> {
    const { batchSize, dropLast, shuffle, shuffleBuffer, seed } = this.#options;
    // What a shuffled stream gives depends on all that it gave before.
    const examples = shuffle
      ? skipped(shuffled(dataset.stream(epoch, 0), shuffleBuffer, epochRandom(seed, epoch)), from * batchSize)
      : dataset.stream(epoch, from * batchSize);
    let batch = from;
    let ready: T[] = [];
    for await (const example of examples) {
      ready.push(example);
      if (ready.length < batchSize) continue;
      yield await this.#collate(ready, { epoch, batch: batch++ });
      ready = [];
    }
    if (ready.length > 0 && !dropLast) yield await this.#collate(ready, { epoch, batch });
  }
}

function expectNoContradiction(dataset: object, options: DataLoaderOptions): void {
  const given = (name: keyof DataLoaderOptions) => options[name] !== undefined && options[name] !== false;
  const isStream = "stream" in dataset;
  const excluded: [when: string | false, excludes: readonly (keyof DataLoaderOptions)[]][] = [
    [isStream && "a stream", ["sampler", "batchSampler"]],
    [!isStream && "a data set that is no stream", ["shuffleBuffer"]],
    [given("batchSampler") && "batchSampler", ["batchSize", "shuffle", "sampler", "dropLast"]],
    [given("sampler") && "sampler", ["shuffle"]],
  ];
  for (const [when, excludes] of excluded) {
    const wrong = when && excludes.find(given);
    if (wrong) throw new ValueError(`DataLoader: ${wrong} has no meaning with ${when}; leave one of them out`);
  }
}

/**
 * Draws each item from a buffer of those that come next, so that a stream is shuffled as far as the buffer reaches. With a
 * buffer as large as the stream every order is equally likely.
 */
async function* shuffled<T>(source: Iterable<T> | AsyncIterable<T>, size: number, random: Random): AsyncGenerator<T> {
  const buffer: T[] = [];
  for await (const item of source) {
    if (buffer.length < size) {
      buffer.push(item);
      continue;
    }
    const i = random.integer(size);
    const drawn = buffer[i]!;
    buffer[i] = item;
    yield drawn;
  }
  yield* random.shuffle(buffer);
}

/** All but the first `count` items. */
export async function* skipped<T>(source: Iterable<T> | AsyncIterable<T>, count: number): AsyncGenerator<T> {
  let seen = 0;
  for await (const item of source) if (seen++ >= count) yield item;
}

/**
 * Asks a source for up to `depth` batches before they are wanted: one at a time, when the consumer has given the event loop a
 * turn, so that the batch it has is never kept waiting for the next one. What is left over is freed.
 */
async function* ahead<B>(source: AsyncGenerator<B>, depth: number): AsyncGenerator<B> {
  const ready: Promise<IteratorResult<B>>[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let open = true;
  const askSoon = (): void => {
    if (open && ready.length < depth) timer ??= setTimeout(ask);
  };
  const ask = (): void => {
    timer = undefined;
    const next = source.next();
    ready.push(next);
    next.then(
      ({ done }) => (done ? undefined : askSoon()),
      () => {}, // the consumer hears of it when it gets there
    );
  };
  try {
    while (true) {
      const { done, value } = await (ready.shift() ?? source.next());
      if (done) return;
      askSoon();
      yield value;
    }
  } finally {
    open = false;
    clearTimeout(timer);
    for (const left of await Promise.allSettled(ready)) if (left.status === "fulfilled") dispose(left.value.value);
    await source.return(undefined);
  }
}
