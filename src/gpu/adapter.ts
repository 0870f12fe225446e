/** Chooses an adapter and asks it for everything it has: its own maximal limits and the features tilegrad can use. */

import type { Family } from "./kernel.ts";
import { platform } from "./platform.ts";

/** What kernels are chosen by. */
export interface Capabilities {
  /** The adapter's own words, for messages and records. */
  readonly description: string;
  /** Whether the adapter computes on the processor (lavapipe, SwiftShader, WARP). */
  readonly software: boolean;
  readonly family: Family;
  /** Lanes per subgroup, or 0 where that is unknown or varies. */
  readonly subgroupSize: number;
  readonly features: readonly string[];
  /** Bytes of params that travel with a dispatch; 0 where they need a uniform. */
  readonly immediateBytes: number;
}

const FEATURES: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
  "maxImmediateSize",
] as const;

const IMMEDIATES = "immediate_address_space";

/** The high-performance adapter, or null where the host has none. */
export async function findAdapter(): Promise<GPUAdapter | null> {
  const gpu = await platform().gpu();
  return (await gpu?.requestAdapter({ powerPreference: "high-performance" })) ?? null;
}

export async function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) {
    const limit = adapter.limits[name];
    if (limit !== undefined) requiredLimits[name] = limit;
  }
  const requiredFeatures = FEATURES.filter((feature) => adapter.features.has(feature));
  return adapter.requestDevice({ requiredFeatures, requiredLimits, label: "tilegrad" });
}

export async function capabilitiesOf(adapter: GPUAdapter): Promise<Capabilities> {
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = adapter.info;
  const words = [...new Set([vendor, architecture, device, description].filter((word) => word !== ""))].join(" ");
  const software = /llvmpipe|lavapipe|swiftshader|basic render/i.test(words);
  const hasSubgroups = adapter.features.has("subgroups") && subgroupMinSize === subgroupMaxSize;
  const language = (await platform().gpu())!.wgslLanguageFeatures;
  return {
    description: words,
    software,
    family: software && hasSubgroups ? "software" : "gpu",
    subgroupSize: hasSubgroups ? subgroupMinSize : 0,
    features: FEATURES.filter((feature) => adapter.features.has(feature)),
    immediateBytes: language.has(IMMEDIATES) ? (adapter.limits.maxImmediateSize ?? 0) : 0,
  };
}

/** The directives a shader starts with, on one line, so that line numbers in errors stay the file's. */
export function directives({ subgroups, immediates }: { subgroups: boolean; immediates: boolean }): string {
  return `${subgroups ? "enable subgroups; " : ""}${immediates ? `requires ${IMMEDIATES}; ` : ""}`;
}
