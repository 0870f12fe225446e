/** Runs before every test file: tests import inner modules, so the package's entry has not installed the platform. */

import { afterEach } from "vitest";
import { setPlatform } from "../src/gpu/platform.ts";
import { nodePlatform } from "../src/gpu/platform-node.ts";
import "../src/autograd/tensor-methods.ts";
import "../src/kernels/methods.ts";
import type { WebGpuDevice } from "../src/gpu/webgpu.ts";
import { deviceNamed } from "../src/tensor/device.ts";
import { openDefaultDevice } from "./devices.ts";

setPlatform(nodePlatform);
await openDefaultDevice();

// Every test ends with a look behind every tensor.
afterEach(() => (deviceNamed("webgpu") as WebGpuDevice).checkGuards());
