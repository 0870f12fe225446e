/** What a run runs on and what it trains: its `about.json`, written when it begins. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import type { Device } from "../../gpu/device.ts";
import type { LayerSummary, Module } from "../../nn/index.ts";
import { defaultDevice } from "../../tensor/device.ts";

export interface About {
  /** When it began, in ISO 8601. */
  readonly started: string;
  readonly device: string;
  /** The adapter's own words; null on the cpu device. */
  readonly adapter: string | null;
  /** How many choices of kernels that were measured on the adapter were in use. */
  readonly tuned: number;
  readonly processor: string;
  readonly platform: string;
  readonly versions: { readonly tilegrad: string; readonly node: string; readonly webgpu: string };
  readonly stepsPerEpoch: number;
  readonly examples: { readonly train: number; readonly valid: number; readonly test: number | null };
  readonly parameters: number;
  readonly trainable: number;
  readonly parameterBytes: number;
  readonly bufferBytes: number;
  readonly layers: readonly LayerSummary[];
}

/**
 * @param inputs what to call the model with, for the shapes of its layers' outputs
 * @param data how much there is to train on
 */
export async function describeBeginning(
  model: Module,
  inputs: readonly unknown[],
  data: Pick<About, "stepsPerEpoch" | "examples">,
): Promise<About> {
  const { layers, parameters, trainable, parameterBytes, bufferBytes } = model.summary(...inputs);
  const { name, tuning, capabilities } = defaultDevice() as Device & { capabilities?: { description?: string } };
  const require = createRequire(import.meta.url);
  return {
    started: new Date().toISOString(),
    device: name,
    adapter: capabilities?.description ?? null,
    tuned: tuning.size,
    processor: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} logical cores`,
    platform: `${process.platform} ${process.arch}`,
    versions: {
      tilegrad: await versionIn(new URL("../../../package.json", import.meta.url)),
      node: process.versions.node,
      webgpu: await versionIn(require.resolve("webgpu/package.json")),
    },
    ...data,
    parameters,
    trainable,
    parameterBytes,
    bufferBytes,
    layers,
  };
}

async function versionIn(packageFile: string | URL): Promise<string> {
  return (JSON.parse(await readFile(packageFile, "utf8")) as { version: string }).version;
}
