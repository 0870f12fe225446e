/** File formats, as functions between bytes and typed arrays. Runs in Node and in a browser. */

export { type NpyEntry, parseNpy, parseNpz, serializeNpy, serializeNpz } from "./npy.ts";
export { PytorchTensor, type PytorchValue, parsePytorch } from "./pytorch.ts";
export {
  parseSafetensors,
  type Safetensors,
  type SafetensorsDType,
  type SafetensorsEntry,
  serializeSafetensors,
  toFloat32,
} from "./safetensors.ts";
export { parseState, serializeState } from "./state.ts";
export { fromTensor, toTensor } from "./tensors.ts";
export {
  type HostOptimizerState,
  type HostState,
  parseWeights,
  pytorchOptimizerState,
  type WeightsOptions,
} from "./weights.ts";
