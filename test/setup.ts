/** Runs before every test file: tests import inner modules, so the package's entry has not installed the platform. */

import { configureGlobal } from "fast-check";
import { afterEach, beforeEach } from "vitest";
import { setPlatform } from "../src/gpu/platform.ts";
import { nodePlatform } from "../src/gpu/platform-node.ts";
import "../src/autograd/tensor-methods.ts";
import "../src/kernels/methods.ts";
import type { WebGpuDevice } from "../src/gpu/webgpu.ts";
import { manualSeed } from "../src/kernels/random/generator.ts";
import { deviceNamed } from "../src/tensor/device.ts";
import { openDefaultDevice } from "./devices.ts";

setPlatform(nodePlatform);
await openDefaultDevice();

// Properties draw new cases in every run; with TILEGRAD_SEED the same ones, so that a change is judged by what it changed.
if (process.env.TILEGRAD_SEED) configureGlobal({ seed: Number(process.env.TILEGRAD_SEED) });
beforeEach(() => manualSeed(0));

// Every test ends with a look behind every tensor.
afterEach(() => (deviceNamed("webgpu") as WebGpuDevice).checkGuards());
