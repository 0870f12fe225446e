import { didYouMean } from "../gpu/errors.ts";
import { AUGMENTS, type AugmentOptions } from "../train/augment.ts";
import { IMAGE_MODELS, type ImageModelOptions, type ImageRun, readImageRun, trainImage } from "../train/image-run.ts";
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

export const TRAIN_IMAGE_OPTIONS = {
  data: {
    type: "string",
    value: "DIR|FILE",
    help: "IDX files as MNIST's, gzipped or not; or CIFAR-10's binary files; or a CSV file with a label and pixels in each row, or train.csv, valid.csv and test.csv; or a folder of pictures per class, or train/, valid/ and test/ of these (required)",
  },
  size: { type: "integer", min: 4, help: "scale and crop pictures to N x N pixels; default: as they are" },
  channels: { type: "string", choices: ["1", "3"], help: "1: grey, 3: colour; default: as the first picture is" },
  ...SPLIT_OPTIONS,
  "test-fraction": { type: "number", min: 0, default: 0.1, help: "of the images, where none are set apart for tests" },
  augment: {
    type: "string",
    value: "LIST",
    help: `random changes of training images, as "flip,crop=4"; ${Object.entries(AUGMENTS)
      .map(([name, { help, default: preset }]) => `${name}: ${help} (${preset})`)
      .join("; ")}`,
  },
  model: { type: "string", choices: IMAGE_MODELS, default: "cnn", help: "the kind of model" },
  dropout: { type: "number", min: 0, default: 0.25, help: "cnn, mlp: the share that is dropped before the last layer" },
  blocks: { type: "integer", min: 1, default: 1, help: "resnet: blocks in each of its three stages" },
  ...FIT_OPTIONS,
  epochs: { ...FIT_OPTIONS.epochs, default: 3 },
  schedule: { ...FIT_OPTIONS.schedule, default: "cosine" },
  ...OUT_OPTION,
  ...RESUME_OPTIONS,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

/** `tilegrad train image`. */
export async function trainImageCommand(args: readonly string[]): Promise<void> {
  const { values, given } = parseOptions("train image", TRAIN_IMAGE_OPTIONS, args);
  const run = await imageRun(values, given);
  await openDevice(values.device);
  const output = runOutput(values, run.model.model, run.training.epochs);
  reportRun(await trainImage({ ...run, ...output }), output.out, values.json);
}

async function imageRun(values: Values<typeof TRAIN_IMAGE_OPTIONS>, given: ReadonlySet<string>): Promise<ImageRun> {
  const { data, size, dropout, blocks, resume, epochs } = values;
  if (resume !== undefined) {
    checkResumeOptions("train image", given);
    const run = await readImageRun(resume);
    return given.has("epochs") ? { ...run, training: { ...run.training, epochs } } : run;
  }
  if (data === undefined) throw new UsageError("train image: --data DIR is missing");
  return {
    source: {
      data,
      size,
      channels: values.channels === undefined ? undefined : (Number(values.channels) as 1 | 3),
      validFraction: values["valid-fraction"],
      testFraction: values["test-fraction"],
    },
    augment: values.augment === undefined ? undefined : parseAugment(values.augment),
    model: { model: values.model as ImageModelOptions["model"], dropout, blocks },
    training: trainingOptions(values),
  };
}

// "flip,crop=4": names, each perhaps with how strong it is.
function parseAugment(text: string): AugmentOptions {
  const entries = text.split(",").map((part) => {
    const [name, value, ...more] = part.split("=").map((word) => word.trim());
    if (!Object.hasOwn(AUGMENTS, name!)) {
      const known = Object.keys(AUGMENTS);
      throw new UsageError(`train image: --augment has "${name}"${didYouMean(name!, known)}`);
    }
    const strength = value === undefined ? AUGMENTS[name as keyof AugmentOptions].default : Number(value || Number.NaN);
    if (!(strength >= 0) || more.length > 0) {
      throw new UsageError(
        `train image: --augment has "${part.trim()}", expected a name, or a name = a number from 0 up`,
      );
    }
    return [name, strength] as const;
  });
  const twice = entries.find(([name], i) => entries.findIndex(([other]) => other === name) !== i);
  if (twice) throw new UsageError(`train image: --augment has "${twice[0]}" twice`);
  return Object.fromEntries(entries);
}
