/** Text classification from files to a run's folder, and back from the folder to a model that can be used. */
import { BucketSampler } from "../data/batches.ts";
import { type CsvData, parseCsv } from "../data/csv.ts";
import { LabelSet } from "../data/labels.ts";
import { DataLoader } from "../data/loader.ts";
import { isParquet, readParquetTexts } from "../data/parquet-node.ts";
import { TextDataset } from "../data/text.ts";
import { type Tokenizer, tokenizerFromJSON, WordTokenizer } from "../data/tokenizer.ts";
import { Vocab } from "../data/vocab.ts";
import { checkOptions, DataError, ValueError } from "../gpu/errors.ts";
import { readFileChecked } from "../io/files-node.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { BagOfWords } from "../models/bag-of-words.ts";
import { RecurrentClassifier } from "../models/recurrent-classifier.ts";
import { TextCNN } from "../models/text-cnn.ts";
import { TransformerClassifier } from "../models/transformer-classifier.ts";
import {
  type ClassifierRun,
  describeRun,
  type Evaluation,
  type Examples,
  evaluateClassifier,
  holdOut,
  loadClassifier,
  openRun,
  type Prediction,
  predictBatch,
  type RunOutput,
  type RunResult,
  type TrainingOptions,
  trainClassifier,
} from "./classifier-run.ts";
import type { Classifier } from "./evaluate.ts";
import { openSource, type Reuse, reuseGroups, takeWeights } from "./reuse.ts";

/** How a CSV or TSV file is read. */
export interface TableOptions {
  textColumn?: string | undefined;
  labelColumn?: string | undefined;
  header?: boolean | "auto" | undefined;
  delimiter?: string | undefined;
  quotes?: boolean | undefined;
  skipEmpty?: boolean | undefined;
}

export const TEXT_MODELS = ["transformer", "lstm", "gru", "rnn", "cnn", "bag-of-words"] as const;

export interface TextModelOptions {
  model: (typeof TEXT_MODELS)[number];
  /** Of a token. */
  features: number;
  /** Of the Transformer. */
  heads: number;
  feedForward: number;
  /** How a text becomes one vector: "last" is for recurrent models, "first" and "class" for the Transformer. */
  pooling: "mean" | "last" | "first" | "class";
  /** Of the Transformer and the recurrent models. */
  layers: number;
  /** Features of a recurrent state, or filters of each width of the CNN. */
  hidden: number;
  bidirectional: boolean;
  dropout: number;
  /** Tokens of a text that are read. */
  maxLength: number;
  /** Tokens in the vocabulary, at most. */
  vocabSize: number;
  /** Rarer tokens are unknown. */
  minFrequency: number;
  /** Of the Transformer: whether a token sees no later ones, as after a causal pre-training. */
  causal?: boolean | undefined;
}

export interface TextFiles {
  train: string;
  valid?: string | undefined;
  test?: string | undefined;
  /** The share of the training rows that validates where there is no validation file. */
  validFraction: number;
}

/** What a text run is, but for where it writes. */
export interface TextRun {
  readonly files: TextFiles;
  readonly table: TableOptions;
  readonly model: TextModelOptions;
  readonly training: TrainingOptions;
  /** Begin from another run's weights, with its tokenizer and vocabulary; `model` is then that of `openSource`. */
  readonly reuse?: Reuse | undefined;
}

/** The run that a folder's config.json tells of. @throws DataError for a folder that is not that of a text run */
export async function readTextRun(path: string): Promise<TextRun> {
  const { config } = await openRun(path, "text");
  const { files, table, model, training, reuse } = config as unknown as TextRun;
  return { files, table, model, training, reuse };
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
export async function trainText(options: TextRun & RunOutput): Promise<RunResult> {
  const { files, table, model: modelOptions, training, reuse } = options;
  const start = performance.now();
  const { train, valid, test } = await readSplits(files, table, training.seed);
  const labels = LabelSet.build(train.data.labels);
  if (labels.size < 2)
    throw new DataError(`${train.file}: every row has the label "${labels.name(0)}"; a classifier needs two or more`);
  // A run that goes on has what it took from the other one in its own folder.
  const source = reuse ? await openSource(options.resume ? options.out : reuse.from) : null;
  const { tokenizer, vocab } = source ?? buildVocab(train.data.texts, modelOptions);
  const { maxLength } = modelOptions;
  const encode = ({ file, data }: Split, shuffle: boolean): Examples => {
    const classes = labels.encode(data.labels, { file, rows: data.rows });
    const set = new TextDataset(data.texts, classes, tokenizer, vocab, maxLength);
    return {
      length: set.length,
      loader: bucketed(set, training.batch, shuffle, training.seed),
      inspection: { names: labels.names, labels: classes, show: (i) => ({ text: excerpt(data.texts[i]!) }) },
    };
  };
  const sets = { train: encode(train, true), valid: encode(valid, false), test: test && encode(test, false) };

  manualSeed(training.seed);
  const model = buildModel(modelOptions, vocab.size, labels.size);
  const taken = source && !options.resume ? await takeWeights(source, model, labels.toJSON()) : null;
  const run: ClassifierRun = {
    task: "text",
    modelName: modelOptions.model,
    model,
    config: {
      model: modelOptions,
      files,
      table,
      labels: labels.toJSON(),
      tokenizer: tokenizer.toJSON(),
      vocab: vocab.toJSON(),
      reuse,
    },
    training,
    groups: reuse && reuseGroups(model, reuse, training.lr),
    ...sets,
    start,
  };
  options.log(describeRun(run, "texts", `${labels.size} classes, ${vocab.size} tokens`));
  if (taken) options.log(taken);
  return trainClassifier(run, options);
}

function buildVocab(texts: readonly string[], { vocabSize, minFrequency }: TextModelOptions) {
  const tokenizer = new WordTokenizer();
  const tokens = texts.map((text) => tokenizer.tokenize(text));
  return { tokenizer, vocab: Vocab.build(tokens, { maxSize: vocabSize, minFrequency }) };
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
    const { folder, config, file } = await openRun(path, "text");
    const labels = LabelSet.fromJSON(config.labels, file);
    const tokenizer = tokenizerFromJSON(config.tokenizer, file);
    const vocab = Vocab.fromJSON(config.vocab, file);
    const options = config.model as TextModelOptions;
    const model = await loadClassifier(folder, () => buildModel(options, vocab.size, labels.size));
    return new TextClassifier(model, labels, tokenizer, vocab, options.maxLength);
  }

  /** Measures it on a table of labelled texts, as a whole and class by class. @throws DataError for a file that cannot be used */
  async evaluate(file: string, table: TableOptions, batchSize: number): Promise<Evaluation> {
    const data = await readTable(file, table);
    const encoded = this.labels.encode(data.labels, { file, rows: data.rows });
    const set = new TextDataset(data.texts, encoded, this.#tokenizer, this.#vocab, this.#maxLength);
    return evaluateClassifier(
      this.#model,
      { length: set.length, loader: bucketed(set, batchSize, false) },
      this.labels,
    );
  }

  /**
   * Labels texts.
   *
   * @returns for each text every label with its probability, the most probable first
   */
  async predict(texts: readonly string[], batchSize = 64): Promise<Prediction[][]> {
    const labels = new Int32Array(texts.length);
    const set = new TextDataset(texts, labels, this.#tokenizer, this.#vocab, this.#maxLength);
    const results: Prediction[][] = new Array(texts.length);
    for await (const { inputs, labels, indices } of bucketed(set, batchSize, false)) {
      labels.dispose();
      const predictions = await predictBatch(this.#model, inputs, this.labels);
      for (const [row, example] of indices.entries()) results[example] = predictions[row]!;
    }
    return results;
  }
}

// Batches of texts of similar length.
function bucketed(set: TextDataset, batchSize: number, shuffle: boolean, seed = 0) {
  return new DataLoader(set, { batchSampler: new BucketSampler(set.lengths, { batchSize, shuffle, seed }) });
}

const LONGEST_EXCERPT = 600;

function excerpt(text: string): string {
  return text.length > LONGEST_EXCERPT ? `${text.slice(0, LONGEST_EXCERPT)}…` : text;
}

function buildModel(options: TextModelOptions, vocabSize: number, classes: number): Classifier {
  const { model, features, heads, layers, hidden, bidirectional, feedForward, dropout, pooling, maxLength } = options;
  const { causal = false } = options;
  const sizes = { vocabSize, classes };
  switch (model) {
    case "transformer":
      if (pooling === "last")
        throw new ValueError("pooling is last, which a transformer has not; expected mean, first or class");
      return new TransformerClassifier({
        ...sizes,
        maxLength,
        features,
        heads,
        layers,
        feedForward,
        dropout,
        pooling,
        causal,
      });
    case "rnn":
    case "lstm":
    case "gru":
      if (pooling !== "mean" && pooling !== "last") {
        throw new ValueError(`pooling is ${pooling}, which only a transformer has; expected mean or last`);
      }
      return new RecurrentClassifier({
        ...sizes,
        cell: model,
        features,
        hidden,
        layers,
        bidirectional,
        pooling,
        dropout,
      });
    case "cnn":
      return new TextCNN({ ...sizes, features, filters: hidden, dropout });
    case "bag-of-words":
      return new BagOfWords(sizes);
    default:
      throw new ValueError(`model is "${model}", expected ${TEXT_MODELS.join(", ")}`);
  }
}

async function readTable(file: string, table: TableOptions): Promise<CsvData> {
  checkOptions("table", table, ["textColumn", "labelColumn", "header", "delimiter", "quotes", "skipEmpty"]);
  const given = Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
  if (isParquet(file)) return readParquetTexts(file, given);
  return parseCsv(await readFileChecked(file), { file, ...given });
}

async function readSplits(files: TextFiles, table: TableOptions, seed: number) {
  const train = { file: files.train, data: await readTable(files.train, table) };
  // The other files have a header if the first one has.
  const header = table.header === "auto" || table.header === undefined ? train.data.columns !== null : table.header;
  const read = async (file: string): Promise<Split> => ({ file, data: await readTable(file, { ...table, header }) });
  const test = files.test === undefined ? null : await read(files.test);
  if (files.valid !== undefined) return { train, valid: await read(files.valid), test };
  const about = { seed, file: train.file, remedy: "give --valid" };
  const [stay, held] = holdOut(train.data.labels, files.validFraction, about);
  const pick = (indices: Int32Array): Split => ({
    file: train.file,
    data: {
      ...train.data,
      texts: Array.from(indices, (i) => train.data.texts[i]!),
      labels: Array.from(indices, (i) => train.data.labels[i]!),
      rows: Array.from(indices, (i) => train.data.rows[i]!),
    },
  });
  return { train: pick(stay), valid: pick(held), test };
}
