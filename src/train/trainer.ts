/**
 * The training loop: batches in, a trained module out. It frees what a step makes, runs at most two steps ahead of the
 * device, reads losses back rarely and late, and can stop after any step and go on from there in the same bits.
 */
import { checkOptions, TilegradError, ValueError } from "../gpu/errors.ts";
import { tensor } from "../kernels/creation/creation.ts";
import { crossEntropy } from "../kernels/ops.ts";
import { randomState, setRandomState } from "../kernels/random/generator.ts";
import type { GradScaler } from "../optim/grad-scaler.ts";
import type { ExponentialMovingAverage } from "../optim/moving-average.ts";
import type { OptimizerOptions } from "../optim/optimizer.ts";
import type { Schedule } from "../optim/schedules.ts";
import { dispose, keep } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Batch, type Batches, type BatchSource, batchesOf, grouped, tensorsOf } from "./batches.ts";
import {
  type CallbackValue,
  type EpochReport,
  STEP_FIELDS,
  type StepReport,
  type TrainerCallback,
  tell,
} from "./callbacks.ts";
import { type Classifier, evaluate, type Loss } from "./evaluate.ts";
import { type Metrics, type NamedMetrics, Totals, withPrefix } from "./totals.ts";
import {
  prefixed,
  type Snapshot,
  snapshot,
  type TrainedBy,
  type TrainerProgress,
  type TrainerState,
} from "./trainer-state.ts";
import { TrainingStep } from "./training-step.ts";

/** Which value says that an epoch is better than another; the loss decides between equals. */
export interface Monitor<Name extends string = string> {
  readonly metric: Name | "loss";
  readonly mode: "min" | "max";
}

export interface TrainerOptions<Name extends string = string> {
  readonly model: Classifier;
  readonly optimizer: TrainedBy;
  /** Default: cross-entropy. It averages over the examples of a batch. */
  readonly loss?: Loss;
  /** What to measure besides the loss, in training and validation, by the names that it has in reports (default: nothing). */
  readonly metrics?: NamedMetrics<Name>;
  /** What the best epoch is chosen by (default: the least validation loss). */
  readonly monitor?: Monitor<NoInfer<Name>> | undefined;
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
  /**
   * Train in mixed precision: model and loss run under `tg.autocast`, and this scales the loss. Validation stays in float32. The
   * reported norm of the gradients is null where a step was left out.
   */
  readonly scaler?: GradScaler | undefined;
  /** Steps between two reports (default 10). */
  readonly reportEvery?: number;
  /**
   * Record steps with `tg.capture` and replay them, to the same bits: up to eight shapes of batches, those that come twice
   * first; other steps run as they are. It saves JavaScript, costs the memory of a step for each shape, and wants a model
   * that does the same each time (default false).
   */
  readonly capture?: boolean;
  /** Who hears of the training; several in a list. */
  readonly callbacks?: TrainerCallback<NoInfer<Name>> | readonly TrainerCallback<NoInfer<Name>>[];
}

export interface FitOptions {
  readonly epochs: number;
  /** Batches whose tensors are freed after use. */
  readonly train: BatchSource;
  /** Of which epoch 0 is taken each time. */
  readonly valid?: BatchSource | undefined;
  /** Stop after so many epochs without a better one; wants validation data. */
  readonly patience?: number | undefined;
  /** Stop after the step that is being taken; `fit` then throws InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** Where to go on from. */
  readonly resume?: TrainerState | undefined;
  /** Receives what `resume` takes: after each epoch, when stopped, and after every `saveEvery` steps. */
  readonly save?: ((state: TrainerState) => Promise<void>) | undefined;
  readonly saveEvery?: number | undefined;
}

const MAX_STEPS_AHEAD = 2;

const OPTIONS = [
  "model",
  "optimizer",
  "loss",
  "metrics",
  "monitor",
  "clipNorm",
  "accumulate",
  "schedule",
  "scheduleEvery",
  "average",
  "scaler",
  "reportEvery",
  "capture",
  "callbacks",
];

// What stands beside the metrics in a report and its line in a log.
const OTHER_FIELDS = ["event", "loss", ...STEP_FIELDS];

/** The training was stopped by its signal. */
export class InterruptedError extends TilegradError {}

/**
 * Trains a module.
 *
 * @example
 * const trainer = new train.Trainer({
 *   model,
 *   optimizer: new optim.Adam(model.parameters()),
 *   metrics: { accuracy: new metrics.Accuracy() },
 *   monitor: { metric: "accuracy", mode: "max" },
 *   callbacks: { onEpoch: ({ epoch, valid }) => console.log(epoch, valid!.loss, valid!.accuracy) },
 * });
 * await trainer.fit({ epochs: 5, train: loader, valid: held });
 */
export class Trainer<Name extends string = never> {
  readonly #options: Required<
    Pick<TrainerOptions<Name>, "loss" | "metrics" | "reportEvery" | "accumulate" | "monitor">
  > &
    TrainerOptions<Name>;
  readonly #callbacks: readonly TrainerCallback[];
  readonly #totals: Totals<Name>;
  readonly #step: TrainingStep;
  #epoch = 0;
  #batch = 0;
  #steps = 0;
  #learningRate = 0;
  /** Of the last step, on the device. */
  #gradientNorm: Tensor | null = null;
  #reports: EpochReport<Name>[] = [];
  #best: Snapshot | null = null;
  /** The last checkpoint that is on its way. */
  #saving: Promise<void> = Promise.resolve();

  /** @throws ValueError for an option that is unknown or out of range */
  constructor(options: TrainerOptions<Name>) {
    checkOptions("Trainer", options, OPTIONS);
    const { accumulate = 1, reportEvery = 10, loss = crossEntropy, capture = false } = options;
    const { metrics = {} as NamedMetrics<Name>, monitor = { metric: "loss", mode: "min" }, callbacks = [] } = options;
    for (const [name, value] of Object.entries({ accumulate, reportEvery })) expectCount("Trainer", name, value);
    expectNames(Object.keys(metrics), monitor);
    this.#options = { ...options, loss, metrics, monitor, accumulate, reportEvery };
    this.#callbacks = (Array.isArray(callbacks) ? callbacks : [callbacks]) as readonly TrainerCallback[];
    this.#totals = new Totals(metrics);
    this.#step = new TrainingStep({ ...options, loss }, capture);
  }

  /** Steps taken so far. */
  get steps(): number {
    return this.#steps;
  }

  /** How many shapes of batches are replayed by now; 0 without `capture`. */
  get replayedShapes(): number {
    return this.#step.replayed;
  }

  /**
   * Trains for some epochs. Where there is validation data, the model ends with the parameters of its best epoch.
   *
   * @returns a report per epoch, those before a resumption included
   * @throws DivergedError when the loss is no longer a finite number; InterruptedError after `signal`
   */
  async fit(options: FitOptions): Promise<EpochReport<Name>[]> {
    const { epochs, patience, signal, resume, save } = options;
    expectCount("fit", "epochs", epochs);
    if (patience !== undefined && !options.valid) {
      throw new ValueError("fit: patience is given without valid, by which epochs are compared");
    }
    if (resume) this.#restore(resume);
    let error: unknown = null;
    try {
      const { model, optimizer } = this.#options;
      await this.#tell("onStart", { model, optimizer, epochs, epoch: this.#epoch, step: this.#steps });
      while (this.#epoch < epochs && !this.#isStale(patience)) {
        await this.#fitEpoch(options);
        await this.#save(save);
        if (signal?.aborted) throw new InterruptedError("the training was stopped after an epoch");
      }
      await this.#saving;
    } catch (thrown) {
      error = thrown;
    }
    // An error of the training is told and thrown, whatever comes of the rest.
    await this.#saving.catch((thrown) => (error ??= thrown));
    await this.#tell("onEnd", { reports: this.#reports, error }).catch((thrown) => (error ??= thrown));
    if (error) throw error;
    if (this.#best) this.#options.model.loadStateDict(this.#best);
    return this.#reports;
  }

  /** Frees what the Trainer itself holds on the device. */
  dispose(): void {
    this.#totals.reset();
    this.#step.dispose();
    this.#gradientNorm?.dispose();
    this.#gradientNorm = null;
  }

  async #fitEpoch(options: FitOptions): Promise<void> {
    const { train, valid } = options;
    const start = performance.now();
    const before = this.#steps;
    if (this.#batch === 0) this.#totals.reset();
    await this.#tell("onEpochStart", this.#epoch);
    await this.#trainEpoch(batchesOf(train, this.#epoch, this.#batch), options);
    const [trained, gradientNorm] = await Promise.all([this.#totals.read(this.#steps), this.#readNorm()]);
    const measured = valid ? await this.#validate(valid) : null;
    const best =
      measured !== null && this.#reports.every((report) => !report.valid || this.#isBetter(measured, report.valid));
    if (best) this.#best = await this.#averaged(() => snapshot(this.#options.model.stateDict()));
    const report: EpochReport<Name> = {
      epoch: this.#epoch,
      steps: this.#steps - before,
      step: this.#steps,
      seconds: (performance.now() - start) / 1000,
      learningRate: this.#learningRate,
      gradientNorm,
      train: trained,
      valid: measured,
      best,
    };
    this.#reports.push(report);
    if (this.#options.scheduleEvery !== "step") this.#options.schedule?.step((measured ?? trained).loss);
    this.#epoch++;
    this.#batch = 0;
    await this.#averaged(() => this.#tell("onEpoch", report));
  }

  async #trainEpoch(batches: Batches, { signal, save, saveEvery }: FitOptions): Promise<void> {
    const { model, reportEvery, accumulate } = this.#options;
    model.train();
    const wantsSteps = this.#callbacks.some(({ onStep }) => onStep);
    const ahead: Promise<StepReport<Name> | null>[] = []; // of the steps that the device may not have taken yet
    const settle = async (most: number) => {
      while (ahead.length > most) {
        const report = await ahead.shift();
        if (report) await this.#tell("onStep", report);
      }
    };
    const clock = { start: performance.now(), examples: this.#totals.examples };
    for await (const group of grouped(batches, accumulate)) {
      this.#takeStep(group);
      dispose(group.map(tensorsOf));
      this.#batch += group.length;
      const isReported = wantsSteps && this.#steps % reportEvery === 0;
      const pending = isReported ? this.#report(clock) : this.#fence();
      pending.catch(() => {}); // whoever awaits it hears of it
      ahead.push(pending);
      await settle(MAX_STEPS_AHEAD);
      if (signal?.aborted) {
        await settle(0);
        await this.#save(save);
        throw new InterruptedError(`the training was stopped after step ${this.#steps}`);
      }
      if (saveEvery !== undefined && this.#steps % saveEvery === 0) {
        await settle(0); // so that a log has every step that a checkpoint has
        await this.#save(save);
      }
    }
    await settle(0);
  }

  // One step of the optimizer, on the gradients of all the batches.
  #takeStep(group: readonly Batch[]): void {
    const { optimizer, schedule, scheduleEvery, average } = this.#options;
    this.#learningRate = optimizer.lr;
    const norm = this.#step.take(group, (outputs, loss, batch) => this.#totals.add(outputs, loss, batch));
    this.#gradientNorm?.dispose();
    this.#gradientNorm = keep(norm);
    average?.update();
    this.#steps++;
    if (scheduleEvery === "step") schedule?.step(Number.NaN);
  }

  async #fence(): Promise<null> {
    await this.#device.fence();
    return null;
  }

  // What is read is copied on the device now, and arrives while the next steps are taken.
  async #report(clock: { readonly start: number; readonly examples: number }): Promise<StepReport<Name>> {
    const { examples } = this.#totals;
    const at = { epoch: this.#epoch, step: this.#steps, examples, learningRate: this.#learningRate };
    const [metrics, gradientNorm] = await Promise.all([this.#totals.read(this.#steps), this.#readNorm()]);
    const examplesPerSecond = (examples - clock.examples) / ((performance.now() - clock.start) / 1000);
    return { ...at, examplesPerSecond, gradientNorm, ...metrics };
  }

  async #readNorm(): Promise<number | null> {
    const norm = this.#gradientNorm ? await this.#gradientNorm.item() : 0;
    return Number.isFinite(norm) ? norm : null;
  }

  #validate(valid: BatchSource): Promise<Metrics<Name>> {
    const { model, loss, metrics } = this.#options;
    return this.#averaged(() => evaluate(model, valid, { loss, metrics }));
  }

  /** Runs `fn` with the averages of the weights in their place, if there are any. */
  #averaged<R>(fn: () => R): R {
    const { average } = this.#options;
    return average ? average.apply(fn) : fn();
  }

  #isBetter(a: Metrics<Name>, b: Metrics<Name>): boolean {
    const { metric, mode } = this.#options.monitor as Monitor;
    const [x, y] = [a, b].map((metrics) => (metrics as Metrics)[metric]!) as [number, number];
    return x === y ? a.loss < b.loss : mode === "max" ? x > y : x < y;
  }

  #isStale(patience: number | undefined): boolean {
    if (patience === undefined) return false;
    const best = this.#reports.findLastIndex((report) => report.best);
    return this.#reports.length > 0 && this.#reports.length - 1 - best >= patience;
  }

  #tell<E extends keyof TrainerCallback>(event: E, value: CallbackValue<E>): Promise<void> {
    return tell(this.#callbacks, event, value);
  }

  get #device() {
    return this.#options.model.parameters()[0]!.device;
  }

  // The values are copied on the device now and written while the training goes on; one checkpoint at a time.
  async #save(save: FitOptions["save"]): Promise<void> {
    if (!save) return;
    await this.#saving;
    const { model, optimizer, schedule, average, scaler } = this.#options;
    const { tensors, groups } = optimizer.stateDict();
    const copies = new Map<string, Tensor>([
      ...prefixed("optimizer.", tensors as ReadonlyMap<string, Tensor>),
      ...prefixed("average.", average?.stateDict() ?? new Map<string, Tensor>()),
      ...prefixed("scaler.", scaler?.stateDict() ?? new Map<string, Tensor>()),
      ...prefixed("totals.", this.#totals.stateDict()),
    ]);
    const values = snapshot(
      new Map([
        ...prefixed("model.", model.stateDict()),
        ...copies,
        ...(this.#gradientNorm ? [["gradientNorm", this.#gradientNorm] as const] : []),
      ]),
    );
    dispose(copies);
    const best = prefixed("best.", this.#best ?? (new Map() as Snapshot));
    const progress: TrainerProgress = {
      epoch: this.#epoch,
      batch: this.#batch,
      step: this.#steps,
      examples: this.#totals.examples,
      learningRate: this.#learningRate,
      random: randomState(),
      optimizerGroups: groups as OptimizerOptions[],
      schedule: schedule?.stateDict() ?? null,
      reports: [...this.#reports],
    };
    this.#saving = values
      .then((values) => save({ tensors: new Map([...values, ...best]), progress }))
      .then(() => this.#tell("onSave", progress));
    this.#saving.catch(() => {}); // whoever awaits it next hears of it
  }

  #restore({ tensors, progress }: TrainerState): void {
    const { model, optimizer, schedule, average, scaler } = this.#options;
    model.loadStateDict(withPrefix("model.", tensors));
    optimizer.loadStateDict({ tensors: withPrefix("optimizer.", tensors), groups: [...progress.optimizerGroups] });
    average?.loadStateDict(withPrefix("average.", tensors));
    scaler?.loadStateDict(withPrefix("scaler.", tensors));
    if (schedule && progress.schedule) schedule.loadStateDict(progress.schedule);
    const best = withPrefix("best.", tensors);
    this.#best = best.size > 0 ? best : null;
    const device = this.#device;
    this.#totals.loadStateDict(withPrefix("totals.", tensors), progress.examples, device);
    const norm = tensors.get("gradientNorm");
    this.#gradientNorm?.dispose();
    this.#gradientNorm = norm ? keep(tensor(norm.data, { shape: norm.shape, device }) as Tensor) : null;
    this.#epoch = progress.epoch;
    this.#batch = progress.batch;
    this.#steps = progress.step;
    this.#learningRate = progress.learningRate;
    this.#reports = [...progress.reports] as EpochReport<Name>[];
    setRandomState(progress.random);
  }
}

function expectCount(op: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new ValueError(`${op}: ${name} is ${value}, expected 1 or more`);
}

function expectNames(metrics: readonly string[], { metric, mode }: Monitor): void {
  const taken = metrics.find((name) => OTHER_FIELDS.includes(name));
  if (taken !== undefined) {
    throw new ValueError(`Trainer: a metric has the name "${taken}", which reports use for something else`);
  }
  if (metric !== "loss" && !metrics.includes(metric)) {
    const known = ["loss", ...metrics].map((name) => `"${name}"`).join(", ");
    throw new ValueError(`Trainer: monitor.metric is "${metric}", expected ${known}`);
  }
  if (mode !== "min" && mode !== "max") {
    throw new ValueError(`Trainer: monitor.mode is "${mode}", expected "min" or "max"`);
  }
}
