/** File formats, as functions between bytes and typed arrays. Runs in Node and in a browser. */

export {
  parseSafetensors,
  type Safetensors,
  type SafetensorsDType,
  type SafetensorsEntry,
  serializeSafetensors,
  toFloat32,
} from "./safetensors.ts";
export { parseState, serializeState } from "./state.ts";
