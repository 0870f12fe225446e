/** `tilegrad demo`: trains on the customer-support messages that come with the package. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { percent, silentProgress } from "../train/progress.ts";
import { trainText } from "../train/text-run.ts";
import { type OptionTable, parseOptions } from "./options.ts";
import { openDevice, printJson } from "./output.ts";
import { COMMON_OPTIONS, FIT_OPTIONS, OUT_OPTION, reportRun, runOutput, trainingOptions } from "./train-options.ts";
import { TEXT_MODEL_OPTIONS, textModelOptions } from "./train-text.ts";

export const DEMO_OPTIONS = {
  epochs: { ...FIT_OPTIONS.epochs, default: 8 },
  seed: FIT_OPTIONS.seed,
  ...OUT_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export async function demoCommand(args: readonly string[]): Promise<void> {
  const { values } = parseOptions("demo", DEMO_OPTIONS, args);
  const { epochs, seed, json } = values;
  const { device, adapter } = await openDevice(values.device);
  const folder = fileURLToPath(new URL("../../datasets/support", import.meta.url));
  const file = (name: string) => join(folder, name);
  const files = { train: file("train.csv"), valid: file("valid.csv"), test: file("test.csv"), validFraction: 0 };
  const output = runOutput(values, "transformer", epochs);
  const model = textModelOptions(parseOptions("demo", TEXT_MODEL_OPTIONS, []).values);
  const training = trainingOptions({ ...parseOptions("demo", FIT_OPTIONS, []).values, seed });

  output.log(`Customer-support messages in eight classes, on ${adapter?.description ?? device}`);
  const baseline = await trainText({
    files,
    table: {},
    model: { ...model, model: "bag-of-words", minFrequency: 1 },
    training: { ...training, epochs: 30, lr: 0.05, clip: 0 },
    out: join(output.out, "baseline"),
    progress: silentProgress,
    log: () => {},
    signal: output.signal,
  });
  const result = await trainText({ files, table: {}, model, training: { ...training, epochs, batch: 32 }, ...output });
  if (json) {
    printJson({ ...result, baseline: baseline.test, out: output.out });
    return;
  }
  reportRun(result, output.out, false);
  output.log(`for comparison, logistic regression on the bag of words: ${percent(baseline.test!.accuracy)}`);
  output.log(`try it: npm start -- predict --run ${output.out} "my parcel never arrived"`);
}
