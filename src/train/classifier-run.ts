/** What training a classifier is, whatever it reads: the loop, the files of its run's folder, the result. */
import { noGrad } from "../autograd/record.ts";
import type { LabelSet } from "../data/labels.ts";
import { splitIndices } from "../data/split.ts";
import { DataError } from "../gpu/errors.ts";
import { softmax } from "../kernels/ops.ts";
import { Accuracy, type ClassScore, ConfusionMatrix, classScores } from "../metrics/index.ts";
import { Adam, type AdamOptions } from "../optim/adam.ts";
import { GradScaler } from "../optim/grad-scaler.ts";
import type { ParameterGroup } from "../optim/optimizer.ts";
import { LambdaLR, ReduceLROnPlateau } from "../optim/schedules.ts";
import { defaultDevice } from "../tensor/device.ts";
import type { Profile } from "../tensor/profile.ts";
import { scope } from "../tensor/scope.ts";
import { type Batch, type Batches, type BatchSource, batchesOf, toBatch } from "./batches.ts";
import type { EpochReport } from "./callbacks.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { type Classifier, evaluate } from "./evaluate.ts";
import { LikeliestAccuracy } from "./likeliest-accuracy.ts";
import { profiled } from "./profiled.ts";
import { type Progress, showProgress } from "./progress.ts";
import { RunFolder } from "./run-folder.ts";
import type { HyperParameter } from "./tensorboard/messages.ts";
import { tensorBoard } from "./tensorboard/tensorboard.ts";
import type { Metrics } from "./totals.ts";
import { InterruptedError, Trainer } from "./trainer.ts";
import { describeBeginning } from "./view/about.ts";
import { type Inspection, inspect } from "./view/inspect.ts";
import type { Predictions } from "./view/predictions.ts";
import { writeReport } from "./view/report.ts";

export interface TrainingOptions {
  epochs: number;
  batch: number;
  lr: number;
  weightDecay: number;
  /** The largest norm of the gradients; 0 for no limit. */
  clip: number;
  /** Batches whose gradients make a step. */
  accumulate: number;
  schedule: "constant" | "cosine" | "linear" | "plateau";
  /** Steps in which the learning rate rises to `lr`; not with "plateau". */
  warmup: number;
  /** Epochs without a better one after which to stop; 0: never. */
  patience: number;
  seed: number;
  /** Whether in mixed precision (default false). */
  amp?: boolean;
}

/** Where a run's files go, and who hears of it. */
export interface RunOutput {
  readonly out: string;
  readonly progress: Progress;
  /** Receives a line for each thing that is worth knowing. */
  readonly log: (line: string) => void;
  /** Steps between two checkpoints; there is one after each epoch anyway. */
  readonly saveEvery?: number | undefined;
  /** Stops after the step that is being taken, and saves. */
  readonly signal?: AbortSignal | undefined;
  /** Go on from the checkpoint in `out`. */
  readonly resume?: boolean | undefined;
  /** Write a file for TensorBoard (default true). */
  readonly tensorboard?: boolean | undefined;
  /** Replay steps whose shapes come again (default false). */
  readonly capture?: boolean | undefined;
  /** Time the kernels of some steps, and write them to `trace.json` (default false). */
  readonly profile?: boolean | undefined;
}

/** Labelled examples of one kind. */
export interface Examples {
  readonly length: number;
  readonly loader: BatchSource;
  /** Batches in an epoch, where they do not all have the same number of examples. */
  readonly batchCount?: number;
  /** How a report shows them, where they have classes; batches then say which examples they have. */
  readonly inspection?: Inspection;
}

export interface ClassifierRun {
  readonly task: "text" | "image" | "pretrain";
  readonly modelName: string;
  readonly model: Classifier;
  /** What else it takes to use the model again; goes into config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly training: TrainingOptions;
  /** What is trained, in groups with their own options; by default all parameters alike. */
  readonly groups?: readonly ParameterGroup<AdamOptions>[] | undefined;
  readonly train: Examples;
  readonly valid: Examples;
  readonly test: Examples | null;
  /** When the run began, by `performance.now()`. */
  readonly start: number;
}

/** What is measured of a classifier. */
export type ClassifierMetrics = Metrics<"accuracy">;

/** The loss and the accuracy of a model. */
export function measureClassifier(model: Classifier, batches: Batches | BatchSource): Promise<ClassifierMetrics> {
  return evaluate(model, batches, { metrics: { accuracy: new Accuracy() } });
}

/** How a run ended; what `result.json` holds. */
export interface RunResult {
  task: string;
  model: string;
  device: string;
  /** Whether it was trained in mixed precision. */
  amp: boolean;
  parameters: number;
  epochs: number;
  steps: number;
  seconds: number;
  examplesPerSecond: number;
  train: ClassifierMetrics;
  valid: ClassifierMetrics | null;
  test: ClassifierMetrics | null;
  /** Of the test data, or else of the validation data; null where there are no classes. */
  classes: ClassReport[] | null;
  /** How many of a class (row) were taken for a class (column), of the same data; null for more than 100 classes. */
  confusion: number[][] | null;
}

/** What is measured of a class. */
export interface ClassReport extends ClassScore {
  readonly label: string;
}

const MAX_CLASSES_OF_MATRIX = 100;

/**
 * Trains with Adam, keeps the best epoch, measures it, and writes the run's folder.
 *
 * @throws InterruptedError when stopped by the signal; DataError if there is nothing to resume, or it does not fit
 */
export async function trainClassifier(run: ClassifierRun, output: RunOutput): Promise<RunResult> {
  const { task, modelName, model, config, training, train, valid, start } = run;
  const { out, progress, signal, saveEvery, log, tensorboard = true, capture = false } = output;
  const folder = output.resume ? new RunFolder(out) : await RunFolder.create(out);
  const resume = output.resume ? await readCheckpoint(folder.file("checkpoint.safetensors")) : undefined;
  if (resume) await expectSameData(folder, config);
  if (resume) await folder.rewindLog(resume.progress);
  else await folder.writeJson("config.json", { task, ...config, training });
  if (!resume) await folder.writeJson("about.json", await describe(run));
  const optimizer = new Adam(run.groups ?? model.parameters(), { lr: training.lr, weightDecay: training.weightDecay });
  const trainer = new Trainer({
    model,
    optimizer,
    clipNorm: training.clip > 0 ? training.clip : undefined,
    accumulate: training.accumulate,
    scaler: training.amp ? new GradScaler() : undefined,
    ...scheduleOf(training, optimizer, train),
    metrics: { accuracy: new LikeliestAccuracy() },
    // What a language model is worth is its perplexity.
    monitor: task === "pretrain" ? { metric: "loss", mode: "min" } : { metric: "accuracy", mode: "max" },
    capture,
    callbacks: [
      showProgress(progress, train.length),
      ...(tensorboard ? [tensorBoard(out, { hyperParameters: hyperParameters(run), compareBy: COMPARED })] : []),
      {
        onStep: (report) => folder.log({ event: "step", ...report }),
        onEpoch: async (report) => {
          await folder.log({ event: "epoch", ...report });
          if (report.best) await folder.saveModel(model);
          await writeReport(out);
        },
      },
    ],
  });
  let times: Profile | null = null;
  const keepTimes = async (profile: Profile) => {
    times = profile;
    await folder.writeJson("trace.json", profile.trace);
  };
  const trainingStart = performance.now();
  const stepsBefore = resume?.progress.step ?? 0;
  let reports: EpochReport<"accuracy">[];
  try {
    reports = await trainer.fit({
      epochs: training.epochs,
      train: output.profile ? profiled(train.loader, keepTimes) : train.loader,
      valid: valid.loader,
      patience: training.patience > 0 ? training.patience : undefined,
      signal,
      resume,
      saveEvery,
      save: (state) => writeCheckpoint(folder.file("checkpoint.safetensors"), state),
    });
  } catch (error) {
    if (error instanceof InterruptedError) error.message += `; go on with --resume ${out}`;
    throw error;
  } finally {
    if (capture) log(`shapes of batches whose steps were replayed: ${trainer.replayedShapes}`);
    if (times) log(`${times}\nstep by step in ${folder.file("trace.json")}, for chrome://tracing or ui.perfetto.dev`);
    trainer.dispose();
  }
  const trainingSeconds = (performance.now() - trainingStart) / 1000;
  const examplesPerStep = (reports.length * train.length) / trainer.steps;
  const best = reports.findLast((report) => report.best)!;
  const measured = await measure(run);
  if (measured.predictions) await folder.writeJson("predictions.json", measured.predictions);
  const result: RunResult = {
    task,
    model: modelName,
    device: defaultDevice().name,
    amp: training.amp ?? false,
    parameters: model.parameterCount(),
    epochs: reports.length,
    steps: trainer.steps,
    seconds: (performance.now() - start) / 1000,
    examplesPerSecond: ((trainer.steps - stepsBefore) * examplesPerStep) / trainingSeconds,
    train: best.train,
    valid: best.valid,
    test: measured.test,
    ...classesIn(measured.predictions),
  };
  await folder.writeJson("result.json", result);
  await writeReport(out);
  return result;
}

// How it ends on the test data, and what it makes of these or else of the validation data.
async function measure({ model, valid, test }: ClassifierRun) {
  const [split, { loader, inspection }] = test ? (["test", test] as const) : (["valid", valid] as const);
  if (!inspection) return { test: test && (await measureClassifier(model, loader)), predictions: null };
  const { metrics, predictions } = await inspect(model, loader, inspection, split);
  return { test: test && metrics, predictions };
}

function classesIn(predictions: Predictions | null): Pick<RunResult, "classes" | "confusion"> {
  if (!predictions) return { classes: null, confusion: null };
  const { labels, confusion: pairs } = predictions;
  const confusion = labels.map(() => new Array<number>(labels.length).fill(0));
  for (const [label, predicted, count] of pairs) confusion[label]![predicted] = count;
  return reportClasses(labels, confusion);
}

/** Precision, recall and F1 of each class, with the confusion matrix where it can be looked at. */
function reportClasses(labels: readonly string[], confusion: number[][]) {
  const classes = classScores(confusion).map((score, k): ClassReport => ({ label: labels[k]!, ...score }));
  return { classes, confusion: labels.length <= MAX_CLASSES_OF_MATRIX ? confusion : null };
}

/** What TensorBoard compares runs by. */
const COMPARED = ["train/loss", "train/accuracy", "valid/loss", "valid/accuracy"];

function hyperParameters({ modelName, training, config }: ClassifierRun): Record<string, HyperParameter> {
  const all = { ...(config.model as object), model: modelName, ...training };
  const isPlain = (value: unknown) => ["string", "number", "boolean"].includes(typeof value);
  return Object.fromEntries(Object.entries(all).filter(([, value]) => isPlain(value)));
}

async function describe({ model, training, train, valid, test }: ClassifierRun) {
  const examples = { train: train.length, valid: valid.length, test: test?.length ?? null };
  const data = { stepsPerEpoch: stepsPerEpoch(training, train), examples };
  for await (const like of batchesOf(valid.loader, 0, 0)) {
    const { inputs, labels } = toBatch(like);
    const about = await describeBeginning(model, inputs, data);
    for (const tensor of [...inputs, labels]) tensor.dispose();
    return about;
  }
  return describeBeginning(model, [], data);
}

function stepsPerEpoch({ batch, accumulate }: TrainingOptions, { length, batchCount }: Examples): number {
  return Math.ceil((batchCount ?? Math.ceil(length / batch)) / accumulate);
}

// What was made of the data is in config.json: where it is made again and differs, the checkpoint belongs to other data.
async function expectSameData(folder: RunFolder, config: ClassifierRun["config"]): Promise<void> {
  const saved = await folder.readConfig();
  for (const name of ["labels", "vocab", "shape", "statistics"]) {
    if (JSON.stringify(saved[name]) === JSON.stringify(config[name])) continue;
    throw new DataError(
      `${folder.path}: the ${name} of the data are no longer those of the run; give it the data it had`,
    );
  }
}

function scheduleOf(training: TrainingOptions, optimizer: Adam, examples: Examples) {
  const { schedule, warmup, epochs } = training;
  if (schedule === "plateau") {
    return {
      schedule: new ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 1 }),
      scheduleEvery: "epoch" as const,
    };
  }
  if (schedule === "constant" && warmup === 0) return {};
  const steps = Math.max(1, epochs * stepsPerEpoch(training, examples));
  const decaySteps = Math.max(1, steps - warmup);
  const decay = (step: number) => {
    const done = Math.min(1, (step - warmup) / decaySteps);
    return schedule === "cosine" ? (1 + Math.cos(Math.PI * done)) / 2 : schedule === "linear" ? 1 - done : 1;
  };
  const factor = (step: number) => (step < warmup ? (step + 1) / (warmup + 1) : decay(step));
  return { schedule: new LambdaLR(optimizer, factor), scheduleEvery: "step" as const };
}

/** One line about what a run works with. */
export function describeRun(run: ClassifierRun, examples: string, details: string): string {
  const { modelName, model, train, valid, test } = run;
  const parameters = model.parameterCount().toLocaleString("en");
  return (
    `${train.length} training, ${valid.length} validation${test ? `, ${test.length} test` : ""} ${examples}; ${details}; ` +
    `${modelName} with ${parameters} parameters on ${defaultDevice().name}`
  );
}

/**
 * Holds some training examples out for validation.
 *
 * @param fraction the share that is held out, at least one example
 * @returns the indices of those that stay, and of those held out
 * @throws DataError if nothing would stay
 */
export function holdOut(
  labels: ArrayLike<string | number>,
  fraction: number,
  { seed, file, remedy }: { seed: number; file: string; remedy: string },
): [stay: Int32Array, held: Int32Array] {
  const { length } = labels;
  const held = Math.max(1, Math.round(length * fraction));
  if (held >= length) {
    throw new DataError(`${file}: has ${length} examples, too few to hold some out for validation; ${remedy}`);
  }
  const [stay, part] = splitIndices(length, [length - held, held], { seed, stratify: labels });
  return [stay!, part!];
}

/** A run's folder, and the config of a run of the given task. @throws DataError for a folder that is none, or of another task */
export async function openRun(
  path: string,
  task: ClassifierRun["task"],
): Promise<{ folder: RunFolder; config: Record<string, unknown>; file: string }> {
  const folder = new RunFolder(path);
  const file = folder.file("config.json");
  const config = await folder.readConfig();
  if (config.task === task) return { folder, config, file };
  throw new DataError(`${file}: the task is ${JSON.stringify(config.task)}, expected "${task}"`);
}

/** Loads a run's model, in evaluation mode. @param build makes it, untrained @throws DataError if the files do not fit */
export async function loadClassifier(folder: RunFolder, build: () => Classifier): Promise<Classifier> {
  let model: Classifier;
  try {
    model = build();
  } catch (cause) {
    const file = folder.file("config.json");
    throw new DataError(`${file}: the model's options cannot be used (${(cause as Error).message})`, { cause });
  }
  await folder.loadModel(model);
  model.eval();
  return model;
}

/** What a model does on examples. */
export interface Evaluation extends ClassifierMetrics, Pick<RunResult, "classes" | "confusion"> {
  examples: number;
}

/** Measures a model on examples, as a whole and class by class. */
export async function evaluateClassifier(model: Classifier, examples: Examples, labels: LabelSet): Promise<Evaluation> {
  using confusion = new ConfusionMatrix({ classes: labels.size });
  const metrics = await evaluate(model, examples.loader, {
    metrics: { accuracy: new Accuracy() },
    onBatch: (outputs, labels) => confusion.update(outputs, labels),
  });
  return { ...metrics, examples: examples.length, ...reportClasses(labels.names, await confusion.compute()) };
}

/** A class's name with its probability. */
export interface Prediction {
  label: string;
  probability: number;
}

/** Every class with its probability, the most probable first, for each example of a batch. Frees the inputs. */
export async function predictBatch(
  model: Classifier,
  inputs: Batch["inputs"],
  labels: LabelSet,
): Promise<Prediction[][]> {
  const scores = scope(() => noGrad(() => softmax(model.forward(...inputs), -1)));
  const probabilities = (await scores.toArray()) as number[][];
  for (const tensor of [...inputs, scores]) tensor.dispose();
  return probabilities.map((row) =>
    row.map((probability, k) => ({ label: labels.name(k), probability })).sort((a, b) => b.probability - a.probability),
  );
}
