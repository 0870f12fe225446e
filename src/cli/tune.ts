/** `tilegrad tune`: measures which kernels are fastest on this adapter, and remembers them for every later program. */
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { capabilitiesOf, findAdapter } from "../gpu/adapter.ts";
import { DataError, DeviceError } from "../gpu/errors.ts";
import type { Choice } from "../gpu/tuning.ts";
import { formatTuning, readTuning, tuningPath } from "../gpu/tuning-file-node.ts";
import type { WebGpuDevice } from "../gpu/webgpu.ts";
import { writeFileAtomic } from "../io/files-node.ts";
import { deviceNamed, init } from "../tensor/device.ts";
import { barOn } from "../train/progress.ts";
import { InterruptedError } from "../train/trainer.ts";
import { type OptionTable, parseOptions, UsageError, type Values } from "./options.ts";
import { listenForCtrlC, printJson } from "./output.ts";
import { productCases, standardCases, TUNED_OPS } from "./tune-cases.ts";
import { type Measurement, measure, remember, type TuningCase } from "./tuner.ts";

export const TUNE_OPTIONS = {
  ops: { type: "string", value: "NAMES", default: TUNED_OPS.join(","), help: "what to measure, with commas between" },
  shapes: {
    type: "string",
    value: "MxNxK",
    help: "measure these matrix products and their gradients, with commas between, instead of the standard sizes",
  },
  quick: { type: "flag", help: "fewer sizes, and fewer turns for each candidate" },
  seconds: { type: "number", min: 0, help: "begin nothing new after so long; what was found counts" },
  clear: { type: "flag", help: "forget what was measured on this adapter" },
  json: { type: "flag", help: "print one line of JSON instead of a report" },
} as const satisfies OptionTable;

const ROUNDS = { quick: 3, full: 6 } as const;
const BUCKET_WIDTH = 46;

export async function tuneCommand(args: readonly string[]): Promise<void> {
  const { values } = parseOptions("tune", TUNE_OPTIONS, args);
  const { json } = values;
  const makeCases = casesOf(values);
  if (values.clear) return clear(json);

  await init({ device: "webgpu", tuning: false });
  const device = deviceNamed("webgpu") as WebGpuDevice;
  const cases = makeCases(device);
  const path = tuningPath(device.capabilities);
  makeFolder(dirname(path));
  if (!json) console.log(`${cases.length} sizes on ${device.capabilities.description}`);
  const { measured, isInterrupted } = await measureAll(device, cases, values);
  const choices = readTuning(device.capabilities).size;
  if (json) printJson({ path, sizes: cases.length, measured, choices });
  else {
    const won = measured.filter(({ winner }) => winner).length;
    console.log(
      `${won} of ${measured.length} measured sizes have faster kernels than the heuristic's; choices that are remembered: ${choices}, in ${path}`,
    );
  }
  if (isInterrupted) {
    throw new InterruptedError(`tune: stopped after ${measured.length} of ${cases.length} sizes, which are remembered`);
  }
}

// Each is remembered at once: a driver that crashes on the next one takes nothing with it.
async function measureAll(
  device: WebGpuDevice,
  cases: readonly TuningCase[],
  { json, quick, seconds = Number.POSITIVE_INFINITY }: Values<typeof TUNE_OPTIONS>,
) {
  const rounds = quick ? ROUNDS.quick : ROUNDS.full;
  const measured: Measurement[] = [];
  const { signal, end } = listenForCtrlC("stopping; what was measured is kept; Ctrl-C again to stop at once");
  const begin = performance.now();
  const { bar } = json ? { bar: null } : barOn(process.stdout, "{bucket}", "{value}/{total}");
  bar?.start(cases.length, 0, { bucket: "" });
  try {
    for (const [i, one] of cases.entries()) {
      if (signal.aborted || performance.now() - begin > 1000 * seconds) break;
      bar?.update(i, { bucket: one.bucket.padEnd(BUCKET_WIDTH) });
      const measurement = await measure(device, one, { rounds, isStopped: () => signal.aborted });
      if (!measurement) break;
      measured.push(measurement);
      await save(device, measurement);
      if (!bar && !json) console.log(lineOf(measurement));
    }
  } finally {
    bar?.stop();
    end();
  }
  if (bar) for (const measurement of measured) console.log(lineOf(measurement));
  return { measured, isInterrupted: signal.aborted };
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new DataError(`tune: the folder ${folder} cannot be made; set TILEGRAD_CACHE to one that can be written`, {
      cause,
    });
  }
}

async function save({ capabilities }: WebGpuDevice, measurement: Measurement): Promise<void> {
  const path = tuningPath(capabilities);
  const tuning = remember(readTuning(capabilities), measurement);
  await writeFileAtomic(path, new TextEncoder().encode(formatTuning(capabilities, tuning)));
}

// What is asked for, once there is a device. Refuses what cannot be.
function casesOf({ ops, shapes, quick }: Values<typeof TUNE_OPTIONS>): (device: WebGpuDevice) => TuningCase[] {
  const names = ops.split(",");
  for (const name of names) {
    if (!(TUNED_OPS as readonly string[]).includes(name)) {
      throw new UsageError(`tune: --ops has "${name}", expected some of ${TUNED_OPS.join(", ")}`);
    }
  }
  if (shapes === undefined) return (device) => standardCases(device, names, quick);
  const sizes = shapes.split(",").map((shape) => {
    const [, m, n, k] = /^([1-9]\d*)x([1-9]\d*)x([1-9]\d*)$/.exec(shape) ?? [];
    if (!k) throw new UsageError(`tune: --shapes has "${shape}", expected three sizes as in 512x128x64`);
    return [Number(m), Number(n), Number(k)] as const;
  });
  return (device) => sizes.flatMap((size) => productCases(device, ...size));
}

async function clear(json: boolean): Promise<void> {
  const adapter = await findAdapter();
  if (!adapter) throw new DeviceError("tune: no WebGPU adapter was found, so nothing was measured");
  const path = tuningPath(await capabilitiesOf(adapter));
  rmSync(path, { force: true });
  if (json) printJson({ path, choices: 0 });
  else console.log(`nothing is tuned now: ${path} is gone`);
}

function lineOf({ bucket, heuristicMilliseconds, winner, refused }: Measurement): string {
  const found = winner
    ? `${milliseconds(winner.milliseconds)}  ${(heuristicMilliseconds / winner.milliseconds).toFixed(2)} x  ${choiceText(winner.choice)}`
    : `${"".padStart(9)}     the heuristic's`;
  const fault = refused.length > 0 ? `; wrong or impossible: ${refused.map(choiceText).join("; ")}` : "";
  return `${bucket.padEnd(BUCKET_WIDTH)}${milliseconds(heuristicMilliseconds)}  ${found}${fault}`;
}

function milliseconds(value: number): string {
  return `${Number.isFinite(value) ? value.toFixed(3) : "wrong"} ms`.padStart(12);
}

function choiceText(choice: Choice): string {
  const { kernel, ...fields } = choice;
  return [kernel, ...Object.entries(fields).map(([name, value]) => `${name} ${value}`)].join(" ");
}
