/** `tilegrad demo`: trains on the customer-support messages that come with the package. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { percent, silentProgress, terminalProgress } from "../train/progress.ts";
import { trainText } from "../train/text-run.ts";
import { type OptionTable, parseOptions } from "./options.ts";
import { openDevice, printJson } from "./output.ts";
import { COMMON_OPTIONS, defaultFolder, printResult, runSettings, TRAINING_OPTIONS } from "./train-text.ts";

export const DEMO_OPTIONS = {
  epochs: { type: "integer", min: 1, default: 8, help: "passes over the training messages" },
  seed: TRAINING_OPTIONS.seed,
  out: { type: "string", value: "DIR", help: "the run's folder; default: runs/ and the date" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

export async function demoCommand(args: readonly string[]): Promise<void> {
  const { values } = parseOptions("demo", DEMO_OPTIONS, args);
  const { epochs, seed, json } = values;
  const { device, adapter } = await openDevice(values.device);
  const folder = fileURLToPath(new URL("../../datasets/support", import.meta.url));
  const file = (name: string) => join(folder, name);
  const files = { train: file("train.csv"), valid: file("valid.csv"), test: file("test.csv"), validFraction: 0 };
  const out = values.out ?? defaultFolder("transformer");
  const log = json ? () => {} : (line: string) => console.log(line);
  const settings = (args: readonly string[]) => runSettings(parseOptions("demo", TRAINING_OPTIONS, args).values);

  log(`Customer-support messages in eight classes, on ${adapter?.description ?? device}`);
  const baseline = await trainText({
    files,
    table: {},
    ...settings([
      "--model",
      "bag-of-words",
      "--epochs",
      "30",
      "--lr",
      "0.05",
      "--min-frequency",
      "1",
      "--clip",
      "0",
      "--seed",
      `${seed}`,
    ]),
    out: join(out, "baseline"),
    progress: silentProgress,
    log: () => {},
  });
  const result = await trainText({
    files,
    table: {},
    ...settings(["--epochs", `${epochs}`, "--batch", "32", "--seed", `${seed}`]),
    out,
    progress: json ? silentProgress : terminalProgress(epochs),
    log,
  });
  if (json) {
    printJson({ ...result, baseline: baseline.test, out });
    return;
  }
  printResult(result, out);
  log(`for comparison, logistic regression on the bag of words: ${percent(baseline.test!.accuracy)}`);
  log(`try it: npm start -- predict --run ${out} "my parcel never arrived"`);
}
