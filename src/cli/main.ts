#!/usr/bin/env node
/** The `tilegrad` command. */
import { DataError, didYouMean, TilegradError, ValueError } from "../gpu/errors.ts";
import "../index.ts";
import { InterruptedError } from "../train/trainer.ts";
import { DATA_GET_OPTIONS, DATA_LIST_OPTIONS, dataGetCommand, dataListCommand } from "./data.ts";
import { DEMO_OPTIONS, demoCommand } from "./demo.ts";
import { DEVICES_OPTIONS, devicesCommand } from "./devices.ts";
import { formatOptions, type OptionTable, parseOptions, UsageError } from "./options.ts";
import { PRETRAIN_TEXT_OPTIONS, pretrainTextCommand } from "./pretrain-text.ts";
import { SetupError, setupVulkan } from "./setup-vulkan.ts";
import { TRAIN_IMAGE_OPTIONS, trainImageCommand } from "./train-image.ts";
import { TRAIN_TEXT_OPTIONS, trainTextCommand } from "./train-text.ts";
import { TUNE_OPTIONS, tuneCommand } from "./tune.ts";
import { EVAL_OPTIONS, evalCommand, PREDICT_OPTIONS, predictCommand } from "./use-run.ts";
import { reportCommand, WATCH_OPTIONS, watchCommand } from "./view.ts";

interface Command {
  readonly arguments: string;
  readonly help: string;
  readonly options: OptionTable;
  readonly run: (args: readonly string[]) => Promise<void>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  demo: {
    arguments: "[options]",
    help: "train on the messages that come with the package",
    options: DEMO_OPTIONS,
    run: demoCommand,
  },
  "train text": {
    arguments: "--train FILE [--valid FILE] [--test FILE] [options]",
    help: "train a text classifier on CSV files",
    options: TRAIN_TEXT_OPTIONS,
    run: trainTextCommand,
  },
  "pretrain text": {
    arguments: "--data FILE [FILE ...] [options]",
    help: "train the body of a text classifier on texts without labels",
    options: PRETRAIN_TEXT_OPTIONS,
    run: pretrainTextCommand,
  },
  "train image": {
    arguments: "--data DIR|FILE [options]",
    help: "train an image classifier on IDX, CIFAR-10 or CSV files, or a folder of pictures per class",
    options: TRAIN_IMAGE_OPTIONS,
    run: trainImageCommand,
  },
  eval: {
    arguments: "--run DIR --data FILE|DIR [options]",
    help: "measure a trained model on new data",
    options: EVAL_OPTIONS,
    run: evalCommand,
  },
  predict: {
    arguments: '--run DIR ["a text" | PICTURE ...] [options]',
    help: "label texts or pictures given as arguments or in lines of standard input",
    options: PREDICT_OPTIONS,
    run: predictCommand,
  },
  "data get": {
    arguments: "NAME [options]",
    help: "download a public data set, and say how to train on it",
    options: DATA_GET_OPTIONS,
    run: dataGetCommand,
  },
  "data list": {
    arguments: "[--json]",
    help: "the public data sets that data get knows",
    options: DATA_LIST_OPTIONS,
    run: dataListCommand,
  },
  report: {
    arguments: "DIR",
    help: "write a run's report.html anew",
    options: {},
    run: reportCommand,
  },
  watch: {
    arguments: "[DIR] [--port N]",
    help: "serve a live page on this machine that compares the runs in a folder (default: runs)",
    options: WATCH_OPTIONS,
    run: watchCommand,
  },
  devices: {
    arguments: "[--json]",
    help: "what there is to compute on",
    options: DEVICES_OPTIONS,
    run: devicesCommand,
  },
  tune: {
    arguments: "[options]",
    help: "measure which kernels are fastest on this adapter, and remember them",
    options: TUNE_OPTIONS,
    run: tuneCommand,
  },
  setup: {
    arguments: "",
    help: "install a software Vulkan driver where no adapter is found",
    options: {},
    run: async (args) => {
      parseOptions("setup", {}, args);
      const adapter = await setupVulkan({ log: (line) => console.error(line) });
      console.log(`adapter: ${adapter}`);
    },
  },
};

async function main(args: readonly string[]): Promise<void> {
  if (args.length === 0 || args[0] === "--help" || args[0] === "-h" || args[0] === "help") {
    printOverview();
    return;
  }
  const isOfTwoWords = Object.keys(COMMANDS).some((name) => name.startsWith(`${args[0]} `));
  const name = isOfTwoWords ? args.slice(0, 2).join(" ") : args[0]!;
  const command = COMMANDS[name];
  if (!command) throw new UsageError(`there is no command "${name}"${didYouMean(name, Object.keys(COMMANDS))}`);
  const rest = args.slice(name.split(" ").length);
  if (rest.includes("--help") || rest.includes("-h")) {
    console.log(`tilegrad ${name} ${command.arguments}\n\n${command.help}\n\n${formatOptions(command.options)}`);
    return;
  }
  await command.run(rest);
}

function printOverview(): void {
  const rows = Object.entries(COMMANDS).map(([name, { help }]) => `  tilegrad ${name.padEnd(14)} ${help}`);
  console.log(
    `tilegrad: deep learning for TypeScript on WebGPU\n\n${rows.join("\n")}\n\ntilegrad COMMAND --help lists a command's options.`,
  );
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // What the user can mend is one line and exit code 2, an interruption 130; anything else is told with its stack.
  const mendable =
    error instanceof UsageError ||
    error instanceof DataError ||
    error instanceof ValueError ||
    error instanceof SetupError;
  if (error instanceof TilegradError) console.error(`tilegrad: ${error.message}`);
  else console.error(error);
  process.exitCode = error instanceof InterruptedError ? 130 : mendable ? 2 : 1;
}
