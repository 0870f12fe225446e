/**
 * `npm run bench`: what tilegrad takes, on this machine.
 *
 *     npm run bench                        training steps of the standard workloads, plain and captured
 *     npm run bench -- --peers             beside TensorFlow.js and jax-js (installed into bench/ then), and PyTorch where python3 has it
 *     npm run bench -- --only cnn,lstm     some workloads
 *     npm run bench -- kernels             each kernel family against the adapter's ceilings
 *     npm run bench -- scaling             time over batch and length, memory over length, sizes beside the edges of tiles
 *
 * The first two print one object with --json instead of tables. All go by the heuristics; with --tuned, by what `tilegrad tune` has measured.
 */
import { type OptionTable, parseOptions, UsageError } from "../src/cli/options.ts";
import { benchKernels } from "./kernels.ts";
import { benchScaling } from "./scaling.ts";
import { benchSteps } from "./steps.ts";

const OPTIONS = {
  peers: { type: "flag", help: "measure other libraries too" },
  only: { type: "string", value: "NAMES", help: "workloads, with commas between" },
  rounds: { type: "integer", min: 1, default: 5, help: "turns of each library" },
  steps: { type: "integer", min: 1, default: 3, help: "steps in a turn" },
  tuned: { type: "flag", help: "choose kernels as tilegrad tune has measured here, not by the heuristics" },
  json: { type: "flag", help: "print one JSON object" },
} as const satisfies OptionTable;

const { values, positionals } = parseOptions("bench", OPTIONS, process.argv.slice(2), 1);
const [part = "steps"] = positionals;
if (!values.tuned) process.env.TILEGRAD_TUNING = "off"; // the processes that it starts too
if (part === "steps") await benchSteps({ ...values, only: values.only?.split(",") });
else if (part === "kernels") await benchKernels(values);
else if (part === "scaling") await benchScaling();
else throw new UsageError(`bench: there is no part "${part}", expected steps, kernels or scaling`);
process.exit(0);
