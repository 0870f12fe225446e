/** Pre-training of the Transformer's body on texts without labels, from files to a run's folder that fine-tuning begins from. */

import { BucketSampler } from "../data/batches.ts";
import { parseCsv } from "../data/csv.ts";
import { LanguageDataset, type LanguageObjective } from "../data/language.ts";
import { DataLoader } from "../data/loader.ts";
import { isParquet, readParquetTexts } from "../data/parquet-node.ts";
import { splitIndices } from "../data/split.ts";
import { WordTokenizer } from "../data/tokenizer.ts";
import { decodeUtf8 } from "../data/utf8.ts";
import { Vocab } from "../data/vocab.ts";
import { DataError } from "../gpu/errors.ts";
import { readFileChecked } from "../io/files-node.ts";
import { manualSeed } from "../kernels/random/generator.ts";
import { TransformerLanguageModel } from "../models/transformer-language-model.ts";
import {
  type ClassifierRun,
  describeRun,
  type Examples,
  openRun,
  type RunOutput,
  type RunResult,
  type TrainingOptions,
  trainClassifier,
} from "./classifier-run.ts";
import type { TableOptions, TextModelOptions } from "./text-run.ts";

/** The sizes of the body, as a text run has them. */
export type BodyOptions = Pick<
  TextModelOptions,
  "features" | "heads" | "feedForward" | "layers" | "dropout" | "maxLength" | "vocabSize" | "minFrequency"
>;

/** What a pre-training is, but for where it writes. */
export interface PretrainRun {
  readonly objective: LanguageObjective;
  /** The share of tokens that is hidden. */
  readonly maskShare: number;
  readonly files: {
    /** CSV or TSV files by their ending, of which the text column counts; any other has a text in each line. */
    readonly data: readonly string[];
    readonly valid?: string | undefined;
    /** The share of the texts that validates where there is no validation file. */
    readonly validFraction: number;
  };
  readonly table: Omit<TableOptions, "labelColumn">;
  readonly model: BodyOptions;
  readonly training: TrainingOptions;
}

export const MASK_TOKEN = "<mask>";

/** The pre-training that a folder's config.json tells of. @throws DataError for a folder that is not that of one */
export async function readPretrainRun(path: string): Promise<PretrainRun> {
  const { config } = await openRun(path, "pretrain");
  const { objective, maskShare, files, table, model, training } = config as unknown as PretrainRun;
  return { objective, maskShare, files, table, model, training };
}

/**
 * Pre-trains on files and writes the run's folder. Losses are per token that was asked for, so that their exponential is
 * the perplexity.
 *
 * @throws DataError for a file that cannot be used; nothing is written then
 */
export async function pretrainText(options: PretrainRun & RunOutput): Promise<RunResult> {
  const { objective, maskShare, files, table, model: sizes, training } = options;
  const start = performance.now();
  const { train, valid } = await readTexts(files, table, training.seed);
  const tokenizer = new WordTokenizer();
  const tokens = train.map((text) => tokenizer.tokenize(text));
  const { vocabSize, minFrequency, maxLength, ...body } = sizes;
  const vocab = Vocab.build(tokens, { maxSize: vocabSize, minFrequency, specials: ["<pad>", "<unk>", MASK_TOKEN] });
  const toSet = (tokens: readonly string[][]) =>
    new LanguageDataset(
      tokens.map((text) => vocab.encode(text)),
      vocab,
      { objective, maskShare, maxLength, seed: training.seed },
    );
  const sets = { train: toSet(tokens), valid: toSet(valid.map((text) => tokenizer.tokenize(text))) };
  for (const [name, { length }] of Object.entries(sets)) {
    if (length > 0) continue;
    const where = name === "valid" ? (files.valid ?? "the texts held out for validation") : files.data.join(", ");
    throw new DataError(
      `${where}: no text has two known words, so there is nothing to learn from; lower --min-frequency`,
    );
  }

  manualSeed(training.seed);
  const run: ClassifierRun = {
    task: "pretrain",
    modelName: `transformer-${objective}`,
    model: new TransformerLanguageModel({
      ...body,
      maxLength,
      vocabSize: vocab.size,
      causal: objective === "causal",
    }),
    config: { objective, maskShare, model: sizes, files, table, tokenizer: tokenizer.toJSON(), vocab: vocab.toJSON() },
    training,
    train: languageExamples(sets.train, training, true),
    valid: languageExamples(sets.valid, training, false),
    test: null,
    start,
  };
  const texts = `${sets.train.sequences.length} and ${sets.valid.sequences.length} texts`;
  options.log(
    describeRun(run, objective === "causal" ? "next tokens" : "hidden tokens", `${texts}, ${vocab.size} tokens`),
  );
  return trainClassifier(run, options);
}

function languageExamples(set: LanguageDataset, { batch, seed }: TrainingOptions, shuffle: boolean): Examples {
  const batchSampler = new BucketSampler(set.lengths, { batchSize: batch, shuffle, seed });
  const loader = new DataLoader(set, { batchSampler });
  return { length: set.questions, batchCount: loader.length, loader };
}

async function readTexts(
  { data, valid, validFraction }: PretrainRun["files"],
  table: PretrainRun["table"],
  seed: number,
) {
  const train: string[] = [];
  for (const file of data) for (const text of await readFileOfTexts(file, table)) train.push(text);
  if (valid !== undefined) return { train, valid: await readFileOfTexts(valid, table) };
  const held = Math.max(1, Math.round(train.length * validFraction));
  if (held >= train.length) {
    throw new DataError(
      `${data.join(", ")}: has ${train.length} texts, too few to hold some out for validation; give --valid`,
    );
  }
  const [stay, part] = splitIndices(train.length, [train.length - held, held], { seed });
  return { train: Array.from(stay!, (i) => train[i]!), valid: Array.from(part!, (i) => train[i]!) };
}

async function readFileOfTexts(file: string, table: PretrainRun["table"]): Promise<string[]> {
  const given = Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
  if (isParquet(file)) return (await readParquetTexts(file, { ...given, labelColumn: null })).texts;
  const bytes = await readFileChecked(file);
  if (/\.(csv|tsv|tab)$/i.test(file)) {
    return parseCsv(bytes, { file, ...given, labelColumn: null }).texts;
  }
  const lines = decodeUtf8(bytes, file).split(/\r\n|\n|\r/);
  const texts = lines.filter((line) => line.trim() !== "");
  if (texts.length === 0) throw new DataError(`${file}: has no text; expected one in each line`);
  return texts;
}
