/** What all commands that train have in common. */
import type { RunOutput, RunResult, TrainingOptions } from "../train/classifier-run.ts";
import { percent, silentProgress, terminalProgress } from "../train/progress.ts";
import { type OptionTable, UsageError, type Values } from "./options.ts";
import { listenForCtrlC, printJson } from "./output.ts";

export const COMMON_OPTIONS = {
  device: { type: "string", choices: ["auto", "webgpu", "cpu"], default: "auto", help: "where to compute" },
  json: { type: "flag", help: "print one line of JSON instead of a report" },
} as const satisfies OptionTable;

export const SPLIT_OPTIONS = {
  "valid-fraction": {
    type: "number",
    min: 0.001,
    default: 0.1,
    help: "of the training examples, where none are set apart for validation",
  },
} as const satisfies OptionTable;

export const FIT_OPTIONS = {
  epochs: { type: "integer", min: 1, default: 6, help: "passes over the training examples" },
  batch: { type: "integer", min: 1, default: 64, help: "examples per step" },
  lr: { type: "number", min: 0, default: 0.001, help: "Adam's learning rate" },
  "weight-decay": { type: "number", min: 0, default: 0, help: "Adam's weight decay" },
  clip: { type: "number", min: 0, default: 1, help: "the largest norm of the gradients; 0: no limit" },
  accumulate: { type: "integer", min: 1, default: 1, help: "batches whose gradients make a step" },
  schedule: {
    type: "string",
    choices: ["constant", "cosine", "linear", "plateau"],
    default: "constant",
    help: "how the learning rate falls: over all steps to 0, or by half where the validation loss does not",
  },
  warmup: { type: "integer", min: 0, default: 0, help: "steps in which the learning rate rises to --lr" },
  patience: { type: "integer", min: 0, default: 0, help: "epochs without a better one after which to stop; 0: never" },
  amp: { type: "flag", help: "mixed precision: products of float16 numbers, summed in float32" },
  seed: { type: "integer", min: 0, default: 0, help: "of parameters, dropout, order and splits" },
} as const satisfies OptionTable;

export const OUT_OPTION = {
  out: { type: "string", value: "DIR", help: "the run's folder; default: runs/ and the date" },
} as const satisfies OptionTable;

/** What is no part of a run itself. */
export const RESUME_OPTIONS = {
  "save-every": { type: "integer", min: 1, help: "steps between checkpoints; there is one after each epoch anyway" },
  resume: { type: "string", value: "DIR", help: "go on with the run in this folder, with its own options" },
  "no-tensorboard": { type: "flag", help: "write no file for TensorBoard" },
  capture: { type: "flag", help: "replay steps whose shapes come again, to the same bits; takes memory" },
  profile: { type: "flag", help: "time the kernels of some steps, and write them to trace.json" },
} as const satisfies OptionTable;

// What may be said anew when a run goes on.
const WITH_RESUME = ["resume", "save-every", "epochs", "device", "json", "no-tensorboard", "capture", "profile"];

/** @throws UsageError if an option is given that the run to be resumed has settled */
export function checkResumeOptions(command: string, given: ReadonlySet<string>): void {
  const settled = [...given].find((name) => !WITH_RESUME.includes(name));
  if (settled === undefined) return;
  const free = WITH_RESUME.slice(1).map((name) => `--${name}`);
  throw new UsageError(
    `${command}: --${settled} is settled by the run that is resumed; only ${free.join(", ")} may be given`,
  );
}

export function trainingOptions(values: Values<typeof FIT_OPTIONS>): TrainingOptions {
  const { epochs, batch, lr, clip, accumulate, warmup, patience, seed, amp } = values;
  const schedule = values.schedule as TrainingOptions["schedule"];
  const weightDecay = values["weight-decay"];
  return { epochs, batch, lr, weightDecay, clip, accumulate, schedule, warmup, patience, seed, amp };
}

/** Where a run writes, how it is watched (with `--json`, not at all), and how it is stopped: by Ctrl-C, after its step. */
export function runOutput(
  values: Partial<Values<typeof RESUME_OPTIONS>> &
    Pick<Values<typeof OUT_OPTION & typeof COMMON_OPTIONS>, "json" | "out">,
  model: string,
  epochs: number,
): RunOutput {
  return {
    out: values.resume ?? values.out ?? defaultFolder(model),
    progress: values.json ? silentProgress : terminalProgress(epochs),
    log: values.json ? () => {} : (line: string) => console.log(line),
    saveEvery: values["save-every"],
    resume: values.resume !== undefined,
    tensorboard: !values["no-tensorboard"],
    capture: values.capture,
    profile: values.profile,
    signal: listenForCtrlC("stopping after this step; Ctrl-C again to stop at once, without saving").signal,
  };
}

export function reportRun(result: RunResult, out: string, json: boolean): void {
  if (json) {
    printJson({ ...result, out });
    return;
  }
  const { test, valid, seconds, examplesPerSecond } = result;
  const metrics = test ?? valid!;
  console.log(
    `${test ? "test" : "validation"} accuracy ${percent(metrics.accuracy)}, loss ${metrics.loss.toFixed(4)}; ` +
      `${seconds.toFixed(0)} s, ${examplesPerSecond.toFixed(0)} examples/s; saved in ${out}`,
  );
}

/** A folder named for the time and the model. */
function defaultFolder(model: string): string {
  const time = new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  return `runs/${time}-${model}`;
}
