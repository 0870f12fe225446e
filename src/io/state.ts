/**
 * A module's state as a safetensors file, in PyTorch's dtypes: bool is BOOL, and the batches that a norm has counted, which
 * are i32 on the device, are I64.
 */
import { DataError } from "../gpu/errors.ts";
import type { ReferenceArray } from "../gpu/kernel.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { parseSafetensors, type SafetensorsEntry, serializeSafetensors, toFloat32 } from "./safetensors.ts";

const COUNTER = /(^|\.)num_batches_tracked$/;
const I32_RANGE = [-(2 ** 31), 2 ** 31 - 1] as const;

/**
 * Writes a state dict as a safetensors file.
 *
 * @param state tensors by name, as `module.stateDict()` gives them
 * @param metadata strings to keep with them; by default what Python libraries ask for in PyTorch's files
 * @throws the first error that a tensor's device has met
 * @example await writeFile("model.safetensors", await io.serializeState(model.stateDict()));
 */
export async function serializeState(
  state: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Promise<Uint8Array> {
  const entries = [...state].map(async ([name, tensor]) => [name, await toEntry(name, tensor)] as const);
  return serializeSafetensors(await Promise.all(entries), metadata);
}

async function toEntry(name: string, tensor: Tensor): Promise<SafetensorsEntry> {
  const { shape, dtype } = tensor;
  const data = await tensor.data();
  if (dtype === "bool") return { dtype: "BOOL", shape, data: Uint8Array.from(data) };
  if (dtype === "u32") return { dtype: "U32", shape, data: Uint32Array.from(data) };
  if (dtype === "f32") return { dtype: "F32", shape, data: Float32Array.from(data) };
  if (COUNTER.test(name)) return { dtype: "I64", shape, data: BigInt64Array.from(data as Int32Array, BigInt) };
  return { dtype: "I32", shape, data: Int32Array.from(data) };
}

/**
 * Reads a safetensors file as `module.loadStateDict` takes it: floats of any width as float32, integers as i32 or u32.
 *
 * @param bytes the whole file
 * @param options `file`: the name that messages use
 * @throws DataError for a file that `parseSafetensors` refuses, or whose numbers have no such form
 * @example model.loadStateDict(io.parseState(await readFile("model.safetensors")));
 */
export function parseState(
  bytes: Uint8Array,
  options: { file?: string } = {},
): Map<string, { shape: Shape; data: ReferenceArray }> {
  const { tensors } = parseSafetensors(bytes, options);
  const { file = "safetensors" } = options;
  return new Map(
    [...tensors].map(([name, entry]) => [name, { shape: entry.shape, data: toNumbers(entry, `${file}: ${name}`) }]),
  );
}

/** The elements as a device holds them. @param what names them in messages @throws DataError if they have no such form */
export function toNumbers(entry: SafetensorsEntry, what: string): ReferenceArray {
  switch (entry.dtype) {
    case "F32":
    case "F64":
    case "F16":
    case "BF16":
      return toFloat32(entry);
    case "U32":
    case "I32":
      return entry.data;
    case "BOOL":
    case "U8":
    case "U16":
      return Uint32Array.from(entry.data);
    case "I8":
    case "I16":
      return Int32Array.from(entry.data);
    case "I64":
    case "U64": {
      const numbers = Array.from(entry.data as BigInt64Array, Number);
      const odd = numbers.find((value) => value < I32_RANGE[0] || value > I32_RANGE[1]);
      if (odd === undefined) return Int32Array.from(numbers);
      throw new DataError(
        `${what} has the element ${odd} in ${entry.dtype}, expected ${I32_RANGE[0]} to ${I32_RANGE[1]}`,
      );
    }
    default:
      throw new DataError(`${what} has dtype ${entry.dtype}, expected one whose elements are numbers of their own`);
  }
}
