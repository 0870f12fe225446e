import { openSource } from "../train/reuse.ts";
import {
  readTextRun,
  type TableOptions,
  TEXT_MODELS,
  type TextModelOptions,
  type TextRun,
  trainText,
} from "../train/text-run.ts";
import { type OptionTable, parseOptions, UsageError, type Values } from "./options.ts";
import { openDevice } from "./output.ts";
import {
  COMMON_OPTIONS,
  checkResumeOptions,
  FIT_OPTIONS,
  OUT_OPTION,
  RESUME_OPTIONS,
  reportRun,
  runOutput,
  SPLIT_OPTIONS,
  trainingOptions,
} from "./train-options.ts";

export const TABLE_OPTIONS = {
  "text-column": { type: "string", value: "NAME|INDEX", help: "the column with the text; default: text, or the first" },
  "label-column": {
    type: "string",
    value: "NAME|INDEX",
    help: "the column with the label; default: label, or the second",
  },
  header: { type: "flag", help: "the first row names the columns" },
  "no-header": { type: "flag", help: "the first row is data" },
  delimiter: { type: "string", value: "CHARACTER", help: "between fields; default: a comma, or a tab in .tsv files" },
  "no-quotes": { type: "flag", help: "a quote is a character like any other" },
  "skip-empty": { type: "flag", help: "leave out rows without text or label instead of refusing the file" },
} as const satisfies OptionTable;

export const TEXT_MODEL_OPTIONS = {
  model: { type: "string", choices: TEXT_MODELS, default: "transformer", help: "the kind of model" },
  features: { type: "integer", min: 1, default: 128, help: "of a token" },
  heads: { type: "integer", min: 1, default: 4, help: "transformer: of attention; must divide the features" },
  "feed-forward": {
    type: "integer",
    min: 1,
    default: 256,
    help: "transformer: features inside the feed-forward networks",
  },
  pooling: {
    type: "string",
    choices: ["mean", "last", "first", "class"],
    default: "mean",
    help: "how a text becomes one vector; last: lstm, gru, rnn; first, class: transformer",
  },
  layers: { type: "integer", min: 1, help: "transformer (default 2), lstm, gru, rnn (default 1): layers" },
  hidden: {
    type: "integer",
    min: 1,
    default: 128,
    help: "lstm, gru, rnn: features of a state; cnn: filters of each width",
  },
  bidirectional: { type: "flag", help: "lstm, gru, rnn: read from the end, too" },
  dropout: { type: "number", min: 0, default: 0.3, help: "the share that is dropped" },
  "max-length": { type: "integer", min: 1, default: 64, help: "tokens of a text that are read" },
  "vocab-size": { type: "integer", min: 3, default: 20000, help: "tokens in the vocabulary, at most" },
  "min-frequency": { type: "integer", min: 1, default: 2, help: "rarer tokens count as unknown" },
} as const satisfies OptionTable;

const REUSE_OPTIONS = {
  from: {
    type: "string",
    value: "DIR",
    help: "begin with the weights, sizes and vocabulary of this run: of pretrain text, or of train text with any classes",
  },
  freeze: {
    type: "string",
    value: "NAMES",
    help: "--from: what is not trained, such as embedding,positions,encoder.layers.0; * stands for a part of a name",
  },
  "body-lr": { type: "number", min: 0, help: "--from: the learning rate of all but the head; default: --lr" },
  "layer-decay": {
    type: "number",
    min: 0.001,
    default: 1,
    help: "--from: what the rate is multiplied by from each layer to the one below",
  },
} as const satisfies OptionTable;

export const TRAIN_TEXT_OPTIONS = {
  train: { type: "string", value: "FILE", help: "CSV, TSV or Parquet with a text and a label in each row (required)" },
  valid: { type: "string", value: "FILE", help: "rows that choose the best epoch; default: a part of --train" },
  test: { type: "string", value: "FILE", help: "rows for the final accuracy" },
  ...SPLIT_OPTIONS,
  ...TABLE_OPTIONS,
  ...TEXT_MODEL_OPTIONS,
  ...REUSE_OPTIONS,
  ...FIT_OPTIONS,
  ...OUT_OPTION,
  ...RESUME_OPTIONS,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** `tilegrad train text`. */
export async function trainTextCommand(args: readonly string[]): Promise<void> {
  const { values, given } = parseOptions("train text", TRAIN_TEXT_OPTIONS, args);
  const run = await textRun(values, given);
  await openDevice(values.device);
  const output = runOutput(values, run.model.model, run.training.epochs);
  reportRun(await trainText({ ...run, ...output }), output.out, values.json);
}

async function textRun(values: Values<typeof TRAIN_TEXT_OPTIONS>, given: ReadonlySet<string>): Promise<TextRun> {
  const { train, valid, test, resume, epochs } = values;
  if (resume !== undefined) {
    checkResumeOptions("train text", given);
    const run = await readTextRun(resume);
    return given.has("epochs") ? { ...run, training: { ...run.training, epochs } } : run;
  }
  if (train === undefined) throw new UsageError("train text: --train FILE is missing");
  return {
    files: { train, valid, test, validFraction: values["valid-fraction"] },
    table: tableOptions("train text", values),
    ...(await modelAndReuse(values, given)),
    training: trainingOptions(values),
  };
}

// What the weights of another run leave to choose.
const FREE_WITH_FROM = ["dropout", "pooling"];

async function modelAndReuse(
  values: Values<typeof TRAIN_TEXT_OPTIONS>,
  given: ReadonlySet<string>,
): Promise<Pick<TextRun, "model" | "reuse">> {
  const { from, freeze, dropout, "body-lr": bodyLr, "layer-decay": layerDecay } = values;
  if (from === undefined) {
    const needing = Object.keys(REUSE_OPTIONS).find((name) => given.has(name));
    if (needing !== undefined) throw new UsageError(`train text: --${needing} is for --from, which is missing`);
    return { model: textModelOptions(values) };
  }
  const settled = Object.keys(TEXT_MODEL_OPTIONS).find((name) => given.has(name) && !FREE_WITH_FROM.includes(name));
  if (settled !== undefined) throw new UsageError(`train text: --${settled} is settled by the run that --from names`);
  const { model } = await openSource(from);
  const pooling = given.has("pooling") ? (values.pooling as TextModelOptions["pooling"]) : model.pooling;
  if (pooling !== model.pooling && [pooling, model.pooling].includes("class")) {
    throw new UsageError(
      `train text: --pooling is ${pooling}, expected ${model.pooling} as in the run that --from names`,
    );
  }
  return {
    model: { ...model, pooling, dropout: given.has("dropout") ? dropout : model.dropout },
    reuse: { from, freeze: freeze?.split(",").map((name) => name.trim()) ?? [], bodyLr, layerDecay },
  };
}

export function textModelOptions(values: Values<typeof TEXT_MODEL_OPTIONS>): TextModelOptions {
  const model = values.model as TextModelOptions["model"];
  const { features, heads, hidden, bidirectional, dropout } = values;
  return {
    model,
    features,
    heads,
    feedForward: values["feed-forward"],
    pooling: values.pooling as TextModelOptions["pooling"],
    layers: values.layers ?? (model === "transformer" ? 2 : 1),
    hidden,
    bidirectional,
    dropout,
    maxLength: values["max-length"],
    vocabSize: values["vocab-size"],
    minFrequency: values["min-frequency"],
  };
}

export function tableOptions(command: string, values: Values<typeof TABLE_OPTIONS>): TableOptions {
  if (values.header && values["no-header"])
    throw new UsageError(`${command}: --header and --no-header contradict each other`);
  return {
    textColumn: values["text-column"],
    labelColumn: values["label-column"],
    header: values.header ? true : values["no-header"] ? false : "auto",
    delimiter: values.delimiter,
    quotes: !values["no-quotes"],
    skipEmpty: values["skip-empty"],
  };
}
