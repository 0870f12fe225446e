/** Runs before every test file: tests import inner modules, so the package's entry has not installed the platform. */
import { setPlatform } from "../src/gpu/platform.ts";
import { nodePlatform } from "../src/gpu/platform-node.ts";
import "../src/autograd/tensor-methods.ts";
import "../src/kernels/methods.ts";
import { openDefaultDevice } from "./devices.ts";

setPlatform(nodePlatform);
await openDefaultDevice();
