/** The package's entry for Node. */
import { setPlatform } from "./gpu/platform.ts";
import { nodePlatform } from "./gpu/platform-node.ts";

setPlatform(nodePlatform);

export { loadWeights, readPytorchFile, readWeightsFile } from "./io/weights-node.ts";
export * from "./tilegrad.ts";
export * as train from "./train/index.ts";
