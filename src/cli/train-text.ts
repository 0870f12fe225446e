import { percent, silentProgress, terminalProgress } from "../train/progress.ts";
import { type TextRunOptions, type TextRunResult, trainText } from "../train/text-run.ts";
import { type OptionTable, parseOptions, UsageError, type Values } from "./options.ts";
import { openDevice, printJson } from "./output.ts";

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

export const COMMON_OPTIONS = {
  device: { type: "string", choices: ["auto", "webgpu", "cpu"], default: "auto", help: "where to compute" },
  json: { type: "flag", help: "print one line of JSON instead of a report" },
} as const satisfies OptionTable;

export const TRAINING_OPTIONS = {
  model: {
    type: "string",
    choices: ["transformer", "bag-of-words"],
    default: "transformer",
    help: "the kind of model",
  },
  epochs: { type: "integer", min: 1, default: 6, help: "passes over the training rows" },
  batch: { type: "integer", min: 1, default: 64, help: "examples per step" },
  lr: { type: "number", min: 0, default: 0.001, help: "Adam's learning rate" },
  "weight-decay": { type: "number", min: 0, default: 0, help: "Adam's weight decay" },
  clip: { type: "number", min: 0, default: 1, help: "the largest norm of the gradients; 0: no limit" },
  seed: { type: "integer", min: 0, default: 0, help: "of parameters, dropout, order and splits" },
  features: { type: "integer", min: 1, default: 128, help: "of a token" },
  heads: { type: "integer", min: 1, default: 4, help: "of attention; must divide the features" },
  layers: { type: "integer", min: 1, default: 2, help: "of the encoder" },
  "feed-forward": { type: "integer", min: 1, default: 256, help: "features inside the feed-forward networks" },
  dropout: { type: "number", min: 0, default: 0.3, help: "the share that is dropped" },
  pooling: { type: "string", choices: ["mean", "first"], default: "mean", help: "how a text becomes one vector" },
  "max-length": { type: "integer", min: 1, default: 64, help: "tokens of a text that are read" },
  "vocab-size": { type: "integer", min: 3, default: 20000, help: "tokens in the vocabulary, at most" },
  "min-frequency": { type: "integer", min: 1, default: 2, help: "rarer tokens count as unknown" },
} as const satisfies OptionTable;

export const TRAIN_TEXT_OPTIONS = {
  train: { type: "string", value: "FILE", help: "CSV or TSV with a text and a label in each row (required)" },
  valid: { type: "string", value: "FILE", help: "rows that choose the best epoch; default: a part of --train" },
  test: { type: "string", value: "FILE", help: "rows for the final accuracy" },
  "valid-fraction": { type: "number", min: 0.001, default: 0.1, help: "of --train where there is no --valid" },
  ...TABLE_OPTIONS,
  ...TRAINING_OPTIONS,
  out: { type: "string", value: "DIR", help: "the run's folder; default: runs/ and the date" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** `tilegrad train text`. */
export async function trainTextCommand(args: readonly string[]): Promise<void> {
  const { values } = parseOptions("train text", TRAIN_TEXT_OPTIONS, args);
  const { train } = values;
  if (train === undefined) throw new UsageError("train text: --train FILE is missing");
  await openDevice(values.device);
  const out = values.out ?? defaultFolder(values.model);
  const result = await trainText({
    files: { train, valid: values.valid, test: values.test, validFraction: values["valid-fraction"] },
    table: tableOptions("train text", values),
    ...runSettings(values),
    out,
    progress: values.json ? silentProgress : terminalProgress(values.epochs),
    log: values.json ? () => {} : (line) => console.log(line),
  });
  if (values.json) printJson({ ...result, out });
  else printResult(result, out);
}

export function runSettings(values: Values<typeof TRAINING_OPTIONS>): Pick<TextRunOptions, "model" | "training"> {
  const { epochs, batch, lr, clip, seed, features, heads, layers, dropout } = values;
  return {
    model: {
      model: values.model as "transformer" | "bag-of-words",
      features,
      heads,
      layers,
      feedForward: values["feed-forward"],
      dropout,
      pooling: values.pooling as "mean" | "first",
      maxLength: values["max-length"],
      vocabSize: values["vocab-size"],
      minFrequency: values["min-frequency"],
    },
    training: { epochs, batch, lr, weightDecay: values["weight-decay"], clip, seed },
  };
}

export function tableOptions(command: string, values: Values<typeof TABLE_OPTIONS>): TextRunOptions["table"] {
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

export function printResult({ test, valid, seconds, examplesPerSecond }: TextRunResult, out: string): void {
  const metrics = test ?? valid!;
  console.log(
    `${test ? "test" : "validation"} accuracy ${percent(metrics.accuracy)}, loss ${metrics.loss.toFixed(4)}; ` +
      `${seconds.toFixed(0)} s, ${examplesPerSecond.toFixed(0)} examples/s; saved in ${out}`,
  );
}

/** A folder named for the time and the model. */
export function defaultFolder(model: string): string {
  const time = new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  return `runs/${time}-${model}`;
}
