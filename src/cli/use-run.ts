/** `tilegrad eval` and `tilegrad predict`: a trained model on new data. */
import type { Evaluation } from "../train/classifier-run.ts";
import { ImageClassifier } from "../train/image-run.ts";
import { percent } from "../train/progress.ts";
import { RunFolder } from "../train/run-folder.ts";
import { TextClassifier } from "../train/text-run.ts";
import { type OptionTable, parseOptions, UsageError } from "./options.ts";
import { openDevice, printJson } from "./output.ts";
import { COMMON_OPTIONS, FIT_OPTIONS } from "./train-options.ts";
import { TABLE_OPTIONS, tableOptions } from "./train-text.ts";

const RUN = { type: "string", value: "DIR", help: "the folder of a run (required)" } as const;

export const EVAL_OPTIONS = {
  run: RUN,
  data: {
    type: "string",
    value: "FILE|DIR",
    help: "CSV or TSV with texts and labels, or a folder of images as for train image (required)",
  },
  ...TABLE_OPTIONS,
  batch: FIT_OPTIONS.batch,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export async function evalCommand(args: readonly string[]): Promise<void> {
  const { values } = parseOptions("eval", EVAL_OPTIONS, args);
  const { run, data, batch } = values;
  if (run === undefined) throw new UsageError("eval: --run DIR is missing");
  if (data === undefined) throw new UsageError("eval: --data FILE is missing");
  await openDevice(values.device);
  const metrics = (await isImageRun(run))
    ? await (await ImageClassifier.load(run)).evaluate(data, batch)
    : await (await TextClassifier.load(run)).evaluate(data, tableOptions("eval", values), batch);
  if (values.json) printJson(metrics);
  else {
    console.log(
      `accuracy ${percent(metrics.accuracy)}, loss ${metrics.loss.toFixed(4)} on ${metrics.examples} examples`,
    );
    console.log(formatClasses(metrics));
  }
}

const MAX_COLUMNS = 12;

/** A table of what is measured of each class, and, of few classes, how many were taken for which. */
function formatClasses({ classes, confusion }: Evaluation): string {
  if (!classes) return "";
  const names = classes.map(({ label }) => label);
  const scores = table(
    ["", "precision", "recall", "F1", "examples"],
    classes.map(({ label, precision, recall, f1, support }) => [
      label,
      percent(precision),
      percent(recall),
      percent(f1),
      `${support}`,
    ]),
  );
  if (!confusion || names.length > MAX_COLUMNS) return scores;
  const matrix = table(
    ["is, and was taken for", ...names],
    confusion.map((row, k) => [names[k]!, ...row.map(String)]),
  );
  return `${scores}\n\n${matrix}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const align = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  return [head, ...rows].map(align).join("\n");
}

export const PREDICT_OPTIONS = {
  run: RUN,
  top: { type: "integer", min: 1, default: 3, help: "labels to show" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** Labels the texts or picture files given as arguments, or in the lines of standard input. */
export async function predictCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseOptions("predict", PREDICT_OPTIONS, args, Number.POSITIVE_INFINITY);
  const { run, top } = values;
  if (run === undefined) throw new UsageError("predict: --run DIR is missing");
  const inputs = positionals.length > 0 ? positionals : await linesOfInput();
  if (inputs.length === 0)
    throw new UsageError(
      'predict: there is no text; give it as an argument, as in predict --run DIR "a text", or a line each on standard input',
    );
  await openDevice(values.device);
  const isImages = await isImageRun(run);
  const classifier = await (isImages ? ImageClassifier : TextClassifier).load(run);
  const predictions = await classifier.predict(inputs);
  for (const [i, input] of inputs.entries()) {
    const labels = predictions[i]!.slice(0, top);
    if (values.json) printJson({ [isImages ? "file" : "text"]: input, labels });
    else
      console.log(
        `${labels.map(({ label, probability }) => `${label} ${percent(probability)}`).join(", ")}${inputs.length > 1 ? `  ${input}` : ""}`,
      );
  }
}

async function isImageRun(run: string): Promise<boolean> {
  return (await new RunFolder(run).readConfig()).task === "image";
}

async function linesOfInput(): Promise<string[]> {
  if (process.stdin.isTTY) return [];
  let input = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) input += chunk;
  return input.split(/\r?\n/).filter((line) => line.trim() !== "");
}
