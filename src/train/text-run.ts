/** Text classification from files to a run's folder, and back from the folder to a model that can be used. */

import { noGrad } from "../autograd/record.ts";
import { type CsvData, parseCsv } from "../data/csv.ts";
import { LabelSet } from "../data/labels.ts";
import { splitIndices } from "../data/split.ts";
import { type TextBatch, TextDataset } from "../data/text.ts";
import { type Tokenizer, tokenizerFromJSON, WordTokenizer } from "../data/tokenizer.ts";
import { Vocab } from "../data/vocab.ts";
import { checkOptions, DataError, ValueError } from "../gpu/errors.ts";
import { readFileChecked } from "../io/files-node.ts";
import { softmax } from "../kernels/ops.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { BagOfWords } from "../models/bag-of-words.ts";
import { TransformerClassifier } from "../models/transformer-classifier.ts";
import { Adam } from "../optim/adam.ts";
import { defaultDevice } from "../tensor/device.ts";
import { scope } from "../tensor/scope.ts";
import type { Progress } from "./progress.ts";
import { RunFolder } from "./run-folder.ts";
import { type Batch, type Classifier, type EpochReport, type Metrics, Trainer } from "./trainer.ts";

/** How a CSV or TSV file is read. */
export interface TableOptions {
  textColumn?: string | undefined;
  labelColumn?: string | undefined;
  header?: boolean | "auto" | undefined;
  delimiter?: string | undefined;
  quotes?: boolean | undefined;
  skipEmpty?: boolean | undefined;
}

export interface TextModelOptions {
  model: "transformer" | "bag-of-words";
  features: number;
  heads: number;
  layers: number;
  feedForward: number;
  dropout: number;
  pooling: "mean" | "first";
  /** Tokens of a text that are read. */
  maxLength: number;
  /** Tokens in the vocabulary, at most. */
  vocabSize: number;
  /** Rarer tokens are unknown. */
  minFrequency: number;
}

export interface TextTrainingOptions {
  epochs: number;
  batch: number;
  lr: number;
  weightDecay: number;
  /** The largest norm of the gradients; 0 for no limit. */
  clip: number;
  seed: number;
}

export interface TextFiles {
  train: string;
  valid?: string | undefined;
  test?: string | undefined;
  /** The share of the training rows that validates where there is no validation file. */
  validFraction: number;
}

export interface TextRunOptions {
  readonly files: TextFiles;
  readonly table: TableOptions;
  readonly model: TextModelOptions;
  readonly training: TextTrainingOptions;
  readonly out: string;
  readonly progress: Progress;
  /** Receives a line for each thing that is worth knowing. */
  readonly log: (line: string) => void;
}

/** How a run ended; what `result.json` holds. */
export interface TextRunResult {
  task: "text";
  model: string;
  device: string;
  parameters: number;
  epochs: number;
  steps: number;
  seconds: number;
  examplesPerSecond: number;
  train: Metrics;
  valid: Metrics | null;
  test: Metrics | null;
}

interface Split {
  readonly file: string;
  readonly data: CsvData;
}

/**
 * Trains a text classifier on files and writes the run's folder.
 *
 * @throws DataError for a file that cannot be used; nothing is written then
 */
export async function trainText(options: TextRunOptions): Promise<TextRunResult> {
  const { files, table, model: modelOptions, training, progress, log } = options;
  const start = performance.now();
  const { train, valid, test } = await readSplits(files, table, training.seed);
  const labels = LabelSet.build(train.data.labels);
  if (labels.size < 2)
    throw new DataError(`${train.file}: every row has the label "${labels.name(0)}"; a classifier needs two or more`);
  const tokenizer = new WordTokenizer();
  const { maxLength, vocabSize, minFrequency } = modelOptions;
  const tokens = train.data.texts.map((text) => tokenizer.tokenize(text));
  const vocab = Vocab.build(tokens, { maxSize: vocabSize, minFrequency });
  const encode = ({ file, data }: Split) =>
    new TextDataset(data.texts, labels.encode(data.labels, { file, rows: data.rows }), tokenizer, vocab);
  const [trainSet, validSet, testSet] = [encode(train), encode(valid), test && encode(test)];

  manualSeed(training.seed);
  const model = buildModel(modelOptions, vocab.size, labels.size);
  const folder = await RunFolder.create(options.out);
  await folder.writeJson("config.json", {
    task: "text",
    model: modelOptions,
    training,
    files,
    labels: labels.toJSON(),
    tokenizer: tokenizer.toJSON(),
    vocab: vocab.toJSON(),
  });
  log(
    `${trainSet.length} training, ${validSet.length} validation${testSet ? `, ${testSet.length} test` : ""} texts; ` +
      `${labels.size} classes, ${vocab.size} tokens; ${modelOptions.model} with ${model.parameterCount().toLocaleString("en")} parameters ` +
      `on ${defaultDevice().name}`,
  );

  const batches = function* (set: TextDataset, epoch: number, shuffle: boolean): Iterable<Batch> {
    const { batch: batchSize, seed } = training;
    for (const batch of set.batches(epoch, { batchSize, maxLength, shuffle, seed })) yield toBatch(batch);
  };
  const trainer = new Trainer({
    model,
    optimizer: new Adam(model.parameters(), { lr: training.lr, weightDecay: training.weightDecay }),
    clipNorm: training.clip > 0 ? training.clip : undefined,
    onStep: async (report) => {
      progress.step(report);
      await folder.log({ event: "step", ...report });
    },
    onEpoch: async (report) => {
      progress.epoch(report);
      await folder.log({ event: "epoch", ...report });
      if (report.best) await folder.saveModel(model);
    },
  });
  const trainingStart = performance.now();
  let reports: EpochReport[];
  try {
    reports = await trainer.fit({
      epochs: training.epochs,
      train: (epoch) => {
        progress.startEpoch(epoch, trainSet.length);
        return batches(trainSet, epoch, true);
      },
      valid: () => batches(validSet, 0, false),
    });
  } finally {
    progress.stop();
  }
  const trainingSeconds = (performance.now() - trainingStart) / 1000;
  const best = reports.findLast((report) => report.best)!;
  const result: TextRunResult = {
    task: "text",
    model: modelOptions.model,
    device: defaultDevice().name,
    parameters: model.parameterCount(),
    epochs: training.epochs,
    steps: trainer.steps,
    seconds: (performance.now() - start) / 1000,
    examplesPerSecond: (training.epochs * trainSet.length) / trainingSeconds,
    train: best.train,
    valid: best.valid,
    test: testSet ? await trainer.evaluate(batches(testSet, 0, false)) : null,
  };
  await folder.writeJson("result.json", result);
  return result;
}

/** A trained text classifier. */
export class TextClassifier {
  readonly labels: LabelSet;
  readonly #model: Classifier;
  readonly #tokenizer: Tokenizer;
  readonly #vocab: Vocab;
  readonly #maxLength: number;

  private constructor(model: Classifier, labels: LabelSet, tokenizer: Tokenizer, vocab: Vocab, maxLength: number) {
    this.#model = model;
    this.labels = labels;
    this.#tokenizer = tokenizer;
    this.#vocab = vocab;
    this.#maxLength = maxLength;
  }

  /**
   * Loads the model of a run's folder, in evaluation mode.
   *
   * @throws DataError for a folder that is not that of a text run, or files that are damaged
   */
  static async load(path: string): Promise<TextClassifier> {
    const folder = new RunFolder(path);
    const file = folder.file("config.json");
    const config = await folder.readConfig();
    if (config.task !== "text")
      throw new DataError(`${file}: the task is ${JSON.stringify(config.task)}, expected "text"`);
    const labels = LabelSet.fromJSON(config.labels, file);
    const tokenizer = tokenizerFromJSON(config.tokenizer, file);
    const vocab = Vocab.fromJSON(config.vocab, file);
    const options = config.model as TextModelOptions;
    let model: Classifier;
    try {
      model = buildModel(options, vocab.size, labels.size);
    } catch (cause) {
      throw new DataError(`${file}: the model's options cannot be used (${(cause as Error).message})`, { cause });
    }
    await folder.loadModel(model);
    model.eval();
    return new TextClassifier(model, labels, tokenizer, vocab, options.maxLength);
  }

  /** The loss and accuracy on a table of labelled texts. @throws DataError for a file that cannot be used */
  async evaluate(file: string, table: TableOptions, batchSize: number): Promise<Metrics & { examples: number }> {
    const data = await readTable(file, table);
    const encoded = this.labels.encode(data.labels, { file, rows: data.rows });
    const set = new TextDataset(data.texts, encoded, this.#tokenizer, this.#vocab);
    const trainer = new Trainer({ model: this.#model, optimizer: { step() {}, zeroGrad() {}, lr: 0 } });
    const batches = function* (maxLength: number): Iterable<Batch> {
      for (const batch of set.batches(0, { batchSize, maxLength, shuffle: false })) yield toBatch(batch);
    };
    return { ...(await trainer.evaluate(batches(this.#maxLength))), examples: set.length };
  }

  /**
   * Labels texts.
   *
   * @returns for each text every label with its probability, the most probable first
   */
  async predict(texts: readonly string[], batchSize = 64): Promise<{ label: string; probability: number }[][]> {
    const set = new TextDataset(texts, new Int32Array(texts.length), this.#tokenizer, this.#vocab);
    const results: { label: string; probability: number }[][] = new Array(texts.length);
    for (const { ids, labels, indices } of set.batches(0, { batchSize, maxLength: this.#maxLength, shuffle: false })) {
      const scores = scope(() => noGrad(() => softmax(this.#model.forward(ids), -1)));
      const probabilities = (await scores.toArray()) as number[][];
      for (const tensor of [ids, labels, scores]) tensor.dispose();
      for (const [row, example] of indices.entries()) {
        results[example] = probabilities[row]!.map((probability, k) => ({
          label: this.labels.name(k),
          probability,
        })).sort((a, b) => b.probability - a.probability);
      }
    }
    return results;
  }
}

function toBatch({ ids, labels, size }: TextBatch): Batch {
  return { inputs: [ids], labels, size };
}

function buildModel(options: TextModelOptions, vocabSize: number, classes: number): Classifier {
  const { model, features, heads, layers, feedForward, dropout, pooling, maxLength } = options;
  if (model === "bag-of-words") return new BagOfWords({ vocabSize, classes });
  if (model !== "transformer") throw new ValueError(`model is "${model}", expected transformer or bag-of-words`);
  return new TransformerClassifier({
    vocabSize,
    classes,
    maxLength,
    features,
    heads,
    layers,
    feedForward,
    dropout,
    pooling,
  });
}

async function readTable(file: string, table: TableOptions): Promise<CsvData> {
  checkOptions("table", table, ["textColumn", "labelColumn", "header", "delimiter", "quotes", "skipEmpty"]);
  const given = Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
  return parseCsv(await readFileChecked(file), { file, ...given });
}

async function readSplits(files: TextFiles, table: TableOptions, seed: number) {
  const train = { file: files.train, data: await readTable(files.train, table) };
  // The other files have a header if the first one has.
  const header = table.header === "auto" || table.header === undefined ? train.data.columns !== null : table.header;
  const read = async (file: string): Promise<Split> => ({ file, data: await readTable(file, { ...table, header }) });
  const test = files.test === undefined ? null : await read(files.test);
  if (files.valid !== undefined) return { train, valid: await read(files.valid), test };
  const { length } = train.data.texts;
  const held = Math.max(1, Math.round(length * files.validFraction));
  if (held >= length)
    throw new DataError(`${train.file}: has ${length} rows, too few to hold some out for validation; give --valid`);
  const [rest, part] = splitIndices(length, [length - held, held], { seed, stratify: train.data.labels });
  const pick = (indices: Int32Array): Split => ({
    file: train.file,
    data: {
      ...train.data,
      texts: Array.from(indices, (i) => train.data.texts[i]!),
      labels: Array.from(indices, (i) => train.data.labels[i]!),
      rows: Array.from(indices, (i) => train.data.rows[i]!),
    },
  });
  return { train: pick(rest!), valid: pick(part!), test };
}
