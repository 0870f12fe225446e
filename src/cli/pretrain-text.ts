/** `tilegrad pretrain text`: a Transformer's body from texts without labels. */
import { type PretrainRun, pretrainText, readPretrainRun } from "../train/pretrain-run.ts";
import { percent } from "../train/progress.ts";
import { type OptionTable, parseOptions, UsageError, type Values } from "./options.ts";
import { openDevice, printJson } from "./output.ts";
import {
  COMMON_OPTIONS,
  checkResumeOptions,
  FIT_OPTIONS,
  OUT_OPTION,
  RESUME_OPTIONS,
  runOutput,
  SPLIT_OPTIONS,
  trainingOptions,
} from "./train-options.ts";
import { TABLE_OPTIONS, TEXT_MODEL_OPTIONS, tableOptions } from "./train-text.ts";

const { "label-column": _, ...TEXT_TABLE_OPTIONS } = TABLE_OPTIONS;
const { features, heads, "feed-forward": feedForward, "max-length": maxLength } = TEXT_MODEL_OPTIONS;
const { "vocab-size": vocabSize, "min-frequency": minFrequency } = TEXT_MODEL_OPTIONS;

export const PRETRAIN_TEXT_OPTIONS = {
  data: {
    type: "string",
    value: "FILE",
    help: "texts, one in each line, or a CSV, TSV or Parquet file with a text column (required); more files may follow",
  },
  valid: { type: "string", value: "FILE", help: "texts that choose the best epoch; default: a part of --data" },
  ...SPLIT_OPTIONS,
  objective: {
    type: "string",
    choices: ["masked", "causal"],
    default: "masked",
    help: "what is learned: tokens that are hidden, or each next token",
  },
  "mask-share": { type: "number", min: 0.001, default: 0.15, help: "masked: of a text's tokens that are hidden" },
  ...TEXT_TABLE_OPTIONS,
  features,
  heads,
  "feed-forward": feedForward,
  layers: { type: "integer", min: 1, default: 2, help: "of the encoder" },
  dropout: { type: "number", min: 0, default: 0.1, help: "the share that is dropped" },
  "max-length": maxLength,
  "vocab-size": vocabSize,
  "min-frequency": minFrequency,
  ...FIT_OPTIONS,
  epochs: { ...FIT_OPTIONS.epochs, default: 20, help: "passes over the texts" },
  batch: { ...FIT_OPTIONS.batch, help: "texts per step" },
  schedule: { ...FIT_OPTIONS.schedule, default: "cosine" },
  ...OUT_OPTION,
  ...RESUME_OPTIONS,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export async function pretrainTextCommand(args: readonly string[]): Promise<void> {
  const { values, positionals, given } = parseOptions(
    "pretrain text",
    PRETRAIN_TEXT_OPTIONS,
    args,
    Number.POSITIVE_INFINITY,
  );
  const run = await pretrainRun(values, positionals, given);
  await openDevice(values.device);
  const output = runOutput(values, `pretrained-${run.objective}`, run.training.epochs);
  const { valid, seconds, ...result } = await pretrainText({ ...run, ...output });
  const perplexity = Math.exp(valid!.loss);
  if (values.json) printJson({ ...result, valid: { ...valid, perplexity }, seconds, out: output.out });
  else {
    console.log(
      `validation perplexity ${perplexity.toFixed(2)}, accuracy ${percent(valid!.accuracy)}; ${seconds.toFixed(0)} s; ` +
        `saved in ${output.out}; go on with: tilegrad train text --from ${output.out} --train FILE`,
    );
  }
}

async function pretrainRun(
  values: Values<typeof PRETRAIN_TEXT_OPTIONS>,
  files: readonly string[],
  given: ReadonlySet<string>,
): Promise<PretrainRun> {
  const { data, valid, resume, objective, features, heads, layers, dropout, epochs } = values;
  if (resume !== undefined) {
    checkResumeOptions("pretrain text", given);
    if (files.length > 0) throw new UsageError(`pretrain text: unexpected argument "${files[0]}" with --resume`);
    const run = await readPretrainRun(resume);
    return given.has("epochs") ? { ...run, training: { ...run.training, epochs } } : run;
  }
  if (data === undefined) throw new UsageError("pretrain text: --data FILE is missing");
  const { labelColumn, ...table } = tableOptions("pretrain text", { ...values, "label-column": undefined });
  return {
    objective: objective as PretrainRun["objective"],
    maskShare: values["mask-share"],
    files: { data: [data, ...files], valid, validFraction: values["valid-fraction"] },
    table,
    model: {
      features,
      heads,
      feedForward: values["feed-forward"],
      layers,
      dropout,
      maxLength: values["max-length"],
      vocabSize: values["vocab-size"],
      minFrequency: values["min-frequency"],
    },
    training: trainingOptions(values),
  };
}
