/** `tilegrad eval` and `tilegrad predict`: a trained model on new data. */
import { percent } from "../train/progress.ts";
import { TextClassifier } from "../train/text-run.ts";
import { type OptionTable, parseOptions, UsageError } from "./options.ts";
import { openDevice, printJson } from "./output.ts";
import { COMMON_OPTIONS, TABLE_OPTIONS, tableOptions } from "./train-text.ts";

const RUN = { type: "string", value: "DIR", help: "the folder of a run (required)" } as const;

export const EVAL_OPTIONS = {
  run: RUN,
  data: { type: "string", value: "FILE", help: "CSV or TSV with texts and labels (required)" },
  ...TABLE_OPTIONS,
  batch: { type: "integer", min: 1, default: 64, help: "examples per step" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export async function evalCommand(args: readonly string[]): Promise<void> {
  const { values } = parseOptions("eval", EVAL_OPTIONS, args);
  const { run, data } = values;
  if (run === undefined) throw new UsageError("eval: --run DIR is missing");
  if (data === undefined) throw new UsageError("eval: --data FILE is missing");
  await openDevice(values.device);
  const classifier = await TextClassifier.load(run);
  const metrics = await classifier.evaluate(data, tableOptions("eval", values), values.batch);
  if (values.json) printJson(metrics);
  else
    console.log(
      `accuracy ${percent(metrics.accuracy)}, loss ${metrics.loss.toFixed(4)} on ${metrics.examples} examples`,
    );
}

export const PREDICT_OPTIONS = {
  run: RUN,
  top: { type: "integer", min: 1, default: 3, help: "labels to show for a text" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** Labels the text given as an argument, or each line of standard input. */
export async function predictCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseOptions("predict", PREDICT_OPTIONS, args, 1);
  const { run, top } = values;
  if (run === undefined) throw new UsageError("predict: --run DIR is missing");
  const texts = positionals.length > 0 ? positionals : await linesOfInput();
  if (texts.length === 0)
    throw new UsageError(
      'predict: there is no text; give it as an argument, as in predict --run DIR "a text", or a line each on standard input',
    );
  await openDevice(values.device);
  const classifier = await TextClassifier.load(run);
  const predictions = await classifier.predict(texts);
  for (const [i, text] of texts.entries()) {
    const labels = predictions[i]!.slice(0, top);
    if (values.json) printJson({ text, labels });
    else
      console.log(
        `${labels.map(({ label, probability }) => `${label} ${percent(probability)}`).join(", ")}${texts.length > 1 ? `  ${text}` : ""}`,
      );
  }
}

async function linesOfInput(): Promise<string[]> {
  if (process.stdin.isTTY) return [];
  let input = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) input += chunk;
  return input.split(/\r?\n/).filter((line) => line.trim() !== "");
}
