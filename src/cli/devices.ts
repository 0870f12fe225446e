/** `tilegrad devices`: what there is to compute on, and what would be used. */
import { capabilitiesOf, findAdapter, openDevice } from "../gpu/adapter.ts";
import { platform } from "../gpu/platform.ts";
import { tuningPath } from "../gpu/tuning-file-node.ts";
import { type OptionTable, parseOptions } from "./options.ts";
import { printJson } from "./output.ts";

export const DEVICES_OPTIONS = {
  json: { type: "flag", help: "print one line of JSON instead of a report" },
} as const satisfies OptionTable;

const SHOWN_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const;

export async function devicesCommand(args: readonly string[]): Promise<void> {
  const { values } = parseOptions("devices", DEVICES_OPTIONS, args);
  const adapter = await findAdapter();
  const capabilities = adapter && (await capabilitiesOf(adapter));
  const limits: Record<string, number> = {};
  if (adapter) {
    const device = await openDevice(adapter);
    for (const name of SHOWN_LIMITS) limits[name] = device.limits[name];
    device.destroy();
  }
  const used = adapter ? "webgpu" : "cpu";
  const tuned = capabilities ? platform().readTuning(capabilities).size : 0;
  if (values.json) {
    printJson({ used, adapter: capabilities, limits, tuned });
    return;
  }
  if (capabilities) {
    const { description, software, family, subgroupSize, features, immediateBytes } = capabilities;
    console.log(`webgpu   ${description}${software ? " (a software adapter)" : ""}   <- would be used`);
    console.log(
      `         kernels: ${family}; subgroups: ${subgroupSize || "of varying size"}; immediates: ${immediateBytes || "no"} bytes`,
    );
    console.log(`         features: ${features.join(", ") || "none"}`);
    const measured = tuned > 0 ? `${tuned} (${tuningPath(capabilities)})` : "none; see tilegrad tune";
    console.log(`         measured choices of kernels: ${measured}`);
    for (const [name, value] of Object.entries(limits)) console.log(`         ${name}: ${value.toLocaleString("en")}`);
  } else {
    console.log("webgpu   no adapter found; install a Vulkan driver, or run `tilegrad setup` for a software one");
  }
  console.log(`cpu      the reference of every kernel in float32${adapter ? "" : "   <- would be used"}`);
  console.log("cpu:f64  the same in float64, for checks");
}
