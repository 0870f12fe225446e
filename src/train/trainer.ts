/**
 * The training loop: batches in, a trained module out. It frees what a step makes, runs at most two steps ahead of the
 * device, reads losses back rarely, and can stop after any step and go on from there in the same bits.
 */
import { accumulateInto } from "../autograd/accumulate.ts";
import { noGrad } from "../autograd/record.ts";
import { checkOptions, TilegradError, ValueError } from "../gpu/errors.ts";
import type { ReferenceArray } from "../gpu/kernel.ts";
import { zeros } from "../kernels/creation/creation.ts";
import { stack } from "../kernels/functions.ts";
import { argmax, cast, crossEntropy, equal } from "../kernels/ops.ts";
import { type RandomGeneratorState, randomState, setRandomState } from "../kernels/random/generator.ts";
import type { Module } from "../nn/index.ts";
import { clipGradNorm } from "../nn/utils.ts";
import type { ExponentialMovingAverage } from "../optim/moving-average.ts";
import type { OptimizerOptions, OptimizerState } from "../optim/optimizer.ts";
import type { Schedule, ScheduleState } from "../optim/schedules.ts";
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

/** A batch, or its tensors in a list: the module's inputs, and last the labels [batch, ...]. */
export type BatchLike = Batch | readonly Tensor[];

/** The batches of an epoch from one of them on, both counted from 0; a `DataLoader` is one, or a function. */
export type BatchSource =
  | { batches(epoch: number, from?: number): Iterable<BatchLike> | AsyncIterable<BatchLike> }
  | ((epoch: number, from: number) => Iterable<BatchLike> | AsyncIterable<BatchLike>);

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

/** What the Trainer asks of an optimizer. */
export interface TrainedBy {
  step(): void;
  zeroGrad(): void;
  readonly lr: number;
  stateDict(): OptimizerState<OptimizerOptions>;
  loadStateDict(state: OptimizerState<OptimizerOptions>): void;
}

export interface TrainerOptions {
  readonly model: Classifier;
  readonly optimizer: TrainedBy;
  /** Default: cross-entropy. It averages over the examples of a batch. */
  readonly loss?: (outputs: Tensor, labels: Tensor) => Tensor;
  /** Scale gradients to at most this norm. */
  readonly clipNorm?: number | undefined;
  /** Batches whose gradients make a step, each weighted by its examples (default 1). */
  readonly accumulate?: number;
  /** Sets the learning rate; called after each step, or after each epoch with the loss to watch. */
  readonly schedule?: (Schedule & { step(metric: number): void }) | undefined;
  /** Default "epoch". */
  readonly scheduleEvery?: "step" | "epoch";
  /** Averages of the weights: validation and the best epoch are theirs. */
  readonly average?: ExponentialMovingAverage | undefined;
  /** Steps between two reports (default 10). */
  readonly reportEvery?: number;
  readonly onStep?: ((report: StepReport) => void | Promise<void>) | undefined;
  readonly onEpoch?: ((report: EpochReport) => void | Promise<void>) | undefined;
}

export interface FitOptions {
  readonly epochs: number;
  /** Batches whose tensors are freed after use. */
  readonly train: BatchSource;
  /** Of which epoch 0 is taken each time. */
  readonly valid?: BatchSource | undefined;
  /** Stop after so many epochs without a better one. */
  readonly patience?: number | undefined;
  /** Stop after the step that is being taken; `fit` then throws InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** Where to go on from. */
  readonly resume?: TrainerState | undefined;
  /** Receives what `resume` takes: after each epoch, when stopped, and after every `saveEvery` steps. */
  readonly save?: ((state: TrainerState) => Promise<void>) | undefined;
  readonly saveEvery?: number | undefined;
}

/** Values on the host. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: ReferenceArray;
}

/** Everything that the rest of a training depends on. */
export interface TrainerState {
  /** By name: the model's, the optimizer's, the averages', the best model's, and the sums of the epoch so far. */
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
  readonly random: RandomGeneratorState;
  readonly optimizerGroups: readonly OptimizerOptions[];
  readonly schedule: ScheduleState | null;
  readonly reports: readonly EpochReport[];
}

const MAX_STEPS_AHEAD = 2;

/** The loss was no number. */
export class DivergedError extends TilegradError {}

/** The training was stopped by its signal. */
export class InterruptedError extends TilegradError {}

type AnyBatches = Iterable<BatchLike> | AsyncIterable<BatchLike>;

export class Trainer {
  readonly #options: Required<Pick<TrainerOptions, "loss" | "reportEvery" | "accumulate">> & TrainerOptions;
  readonly #totals: Totals;
  #epoch = 0;
  #batch = 0;
  #step = 0;
  #reports: EpochReport[] = [];
  #best: Snapshot | null = null;
  /** The last checkpoint that is on its way. */
  #saving: Promise<void> = Promise.resolve();

  /** @throws ValueError for an option that is unknown or out of range */
  constructor(options: TrainerOptions) {
    checkOptions("Trainer", options, [
      "model",
      "optimizer",
      "loss",
      "clipNorm",
      "accumulate",
      "schedule",
      "scheduleEvery",
      "average",
      "reportEvery",
      "onStep",
      "onEpoch",
    ]);
    const { accumulate = 1, reportEvery = 10 } = options;
    for (const [name, value] of Object.entries({ accumulate, reportEvery })) expectCount("Trainer", name, value);
    this.#options = { loss: crossEntropy, ...options, accumulate, reportEvery };
    this.#totals = new Totals(options.model);
  }

  /** Steps taken so far. */
  get steps(): number {
    return this.#step;
  }

  /**
   * Trains for some epochs. Where there is validation data, the model ends with the parameters of its best epoch.
   *
   * @returns a report per epoch, those before a resumption included
   * @throws DivergedError when the loss is no longer a finite number; InterruptedError after `signal`
   */
  async fit(options: FitOptions): Promise<EpochReport[]> {
    const { epochs, train, valid, patience, signal, resume, save } = options;
    expectCount("fit", "epochs", epochs);
    if (resume) this.#restore(resume);
    try {
      while (this.#epoch < epochs && !this.#isStale(patience)) {
        const start = performance.now();
        const before = this.#step;
        if (this.#batch === 0) this.#totals.reset();
        await this.#trainEpoch(batchesOf(train, this.#epoch, this.#batch), options);
        const trained = await this.#totals.read(this.#step);
        const metrics = valid ? await this.#validate(valid) : null;
        const best =
          metrics !== null && this.#reports.every((report) => !report.valid || isBetter(metrics, report.valid));
        if (best) this.#best = await this.#averaged(() => snapshot(this.#options.model.stateDict()));
        const steps = this.#step - before;
        const seconds = (performance.now() - start) / 1000;
        const report = { epoch: this.#epoch, steps, seconds, train: trained, valid: metrics, best };
        this.#reports.push(report);
        if (this.#options.scheduleEvery !== "step") this.#options.schedule?.step((metrics ?? trained).loss);
        this.#epoch++;
        this.#batch = 0;
        await this.#averaged(async () => this.#options.onEpoch?.(report));
        await this.#save(save);
        if (signal?.aborted) throw new InterruptedError("the training was stopped after an epoch");
      }
    } finally {
      await this.#saving;
    }
    if (this.#best) this.#options.model.loadStateDict(this.#best);
    return this.#reports;
  }

  async #trainEpoch(batches: AnyBatches, { signal, save, saveEvery }: FitOptions): Promise<void> {
    const { model, reportEvery, accumulate, onStep, optimizer } = this.#options;
    model.train();
    const ahead: Promise<void>[] = [];
    const start = performance.now();
    const examplesBefore = this.#totals.examples;
    for await (const group of grouped(batches, accumulate)) {
      this.#takeStep(group);
      for (const batch of group) free(batch);
      this.#batch += group.length;
      ahead.push(this.#totals.fence());
      if (ahead.length > MAX_STEPS_AHEAD) await ahead.shift();
      if (onStep && this.#step % reportEvery === 0) {
        const metrics = await this.#totals.read(this.#step);
        const { examples } = this.#totals;
        const examplesPerSecond = (examples - examplesBefore) / ((performance.now() - start) / 1000);
        const { lr: learningRate } = optimizer;
        await onStep({ epoch: this.#epoch, step: this.#step, examples, examplesPerSecond, learningRate, ...metrics });
      }
      if (signal?.aborted) {
        await this.#save(save);
        throw new InterruptedError(`the training was stopped after step ${this.#step}`);
      }
      if (saveEvery !== undefined && this.#step % saveEvery === 0) await this.#save(save);
    }
  }

  // One step of the optimizer, on the gradients of all the batches.
  #takeStep(group: readonly Batch[]): void {
    const { model, optimizer, loss, clipNorm, schedule, scheduleEvery, average } = this.#options;
    const examples = group.reduce((total, { size }) => total + size, 0);
    optimizer.zeroGrad();
    for (const batch of group) {
      scope(() => {
        const outputs = model.forward(...batch.inputs);
        const value = loss(outputs, batch.labels);
        (group.length === 1 ? value : value.mul(batch.size / examples)).backward();
        this.#totals.add(outputs, value, batch);
      });
    }
    scope(() => {
      if (clipNorm !== undefined) clipGradNorm(model.parameters(), clipNorm);
      optimizer.step();
      average?.update();
    });
    this.#step++;
    if (scheduleEvery === "step") schedule?.step(Number.NaN);
  }

  /** Frees what the Trainer itself holds on the device. */
  dispose(): void {
    this.#totals.dispose();
  }

  #validate(valid: BatchSource): Promise<Metrics> {
    return this.#averaged(() => evaluate(this.#options.model, valid, this.#options.loss));
  }

  /** Runs `fn` with the averages of the weights in their place, if there are any. */
  #averaged<R>(fn: () => R): R {
    const { average } = this.#options;
    return average ? average.apply(fn) : fn();
  }

  #isStale(patience: number | undefined): boolean {
    if (patience === undefined) return false;
    const best = this.#reports.findLastIndex((report) => report.best);
    return this.#reports.length > 0 && this.#reports.length - 1 - best >= patience;
  }

  // The values are copied on the device now and written while the training goes on; one checkpoint at a time.
  async #save(save: FitOptions["save"]): Promise<void> {
    if (!save) return;
    await this.#saving;
    const { model, optimizer, schedule, average } = this.#options;
    const { tensors, groups } = optimizer.stateDict();
    const averages = average?.stateDict() ?? new Map<string, Tensor>();
    const live = new Map([
      ...prefixed("model.", model.stateDict()),
      ...prefixed("optimizer.", tensors as ReadonlyMap<string, Tensor>),
      ...prefixed("average.", averages),
      ["totals", this.#totals.sums] as const,
    ]);
    const values = snapshot(live);
    for (const tensor of [...tensors.values(), ...averages.values()]) (tensor as Tensor).dispose();
    const best = prefixed("best.", this.#best ?? new Map<string, HostTensor>());
    const progress: TrainerProgress = {
      epoch: this.#epoch,
      batch: this.#batch,
      step: this.#step,
      examples: this.#totals.examples,
      random: randomState(),
      optimizerGroups: groups as OptimizerOptions[],
      schedule: schedule?.stateDict() ?? null,
      reports: [...this.#reports],
    };
    this.#saving = values.then((values) => save({ tensors: new Map([...values, ...best]), progress }));
    this.#saving.catch(() => {}); // whoever awaits it next hears of it
  }

  #restore({ tensors, progress }: TrainerState): void {
    const { model, optimizer, schedule, average } = this.#options;
    model.loadStateDict(withPrefix("model.", tensors));
    optimizer.loadStateDict({ tensors: withPrefix("optimizer.", tensors), groups: [...progress.optimizerGroups] });
    average?.loadStateDict(withPrefix("average.", tensors));
    if (schedule && progress.schedule) schedule.loadStateDict(progress.schedule);
    const best = withPrefix("best.", tensors);
    this.#best = best.size > 0 ? best : null;
    this.#totals.restore(tensors.get("totals")!, progress.examples);
    this.#epoch = progress.epoch;
    this.#batch = progress.batch;
    this.#step = progress.step;
    this.#reports = [...progress.reports];
    setRandomState(progress.random);
  }
}

/**
 * Averages over all batches, in evaluation mode; the model's mode is given back. Frees the batches' tensors.
 *
 * @param batches some, or where they come from: then those of epoch 0
 * @param loss averages over the examples of a batch
 * @throws DivergedError if the loss is no finite number
 */
export async function evaluate(
  model: Classifier,
  batches: AnyBatches | BatchSource,
  loss: (outputs: Tensor, labels: Tensor) => Tensor = crossEntropy,
): Promise<Metrics> {
  const { training } = model;
  model.eval();
  const totals = new Totals(model);
  try {
    for await (const like of batchesOf(batches, 0, 0)) {
      const batch = toBatch(like);
      scope(() =>
        noGrad(() => {
          const outputs = model.forward(...batch.inputs);
          totals.add(outputs, loss(outputs, batch.labels), batch);
        }),
      );
      free(batch);
    }
    return await totals.read();
  } finally {
    totals.dispose();
    model.train(training);
  }
}

function expectCount(op: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new ValueError(`${op}: ${name} is ${value}, expected 1 or more`);
}

/** The batches of an epoch, from one of them on. */
export function batchesOf(source: AnyBatches | BatchSource, epoch: number, from: number): AnyBatches {
  if (typeof source === "function") return source(epoch, from);
  return "batches" in source ? source.batches(epoch, from) : source;
}

function toBatch(batch: BatchLike): Batch {
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
async function* grouped(batches: AnyBatches, size: number): AsyncIterable<Batch[]> {
  let group: Batch[] = [];
  for await (const batch of batches) {
    group.push(toBatch(batch));
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function free({ inputs, labels }: Batch): void {
  for (const tensor of [...inputs, labels]) tensor.dispose();
}

function isBetter(a: Metrics, b: Metrics): boolean {
  return a.accuracy > b.accuracy || (a.accuracy === b.accuracy && a.loss < b.loss);
}

function prefixed<T>(prefix: string, state: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...state].map(([name, value]) => [prefix + name, value]));
}

function withPrefix<T>(prefix: string, state: ReadonlyMap<string, T>): Map<string, T> {
  const own = [...state].filter(([name]) => name.startsWith(prefix));
  return new Map(own.map(([name, value]) => [name.slice(prefix.length), value]));
}

// Sums over examples, on the device: [loss, correct].
class Totals {
  readonly sums: Tensor;
  examples = 0;

  constructor(model: Module) {
    this.sums = keep(zeros([2], { device: model.parameters()[0]!.device }));
  }

  add(outputs: Tensor, loss: Tensor, { labels, size }: Batch): void {
    const correct = cast(equal(argmax(outputs.detach(), -1), labels), "f32").sum();
    accumulateInto(this.sums, stack([loss.detach().mul(size), correct]));
    this.examples += size;
  }

  reset(): void {
    this.sums.zero();
    this.examples = 0;
  }

  restore({ data }: HostTensor, examples: number): void {
    this.sums.device.write(this.sums.storage, data);
    this.examples = examples;
  }

  fence(): Promise<void> {
    return this.sums.device.fence();
  }

  /** @param step the last one that was taken, for the message */
  async read(step?: number): Promise<Metrics> {
    const [loss, correct] = await this.sums.data();
    if (!Number.isFinite(loss)) {
      const fault = Number.isNaN(loss) ? "not a number" : "infinite";
      const remedy = "lower the learning rate, or clip the gradients";
      throw new DivergedError(`the loss is ${fault}${step === undefined ? "" : ` after step ${step}`}; ${remedy}`);
    }
    return { loss: loss! / this.examples, accuracy: correct! / this.examples };
  }

  dispose(): void {
    this.sums.dispose();
  }
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
