/** Arrays as files hold them, to tensors and back. */
import { fromValues } from "../kernels/creation/creation.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Tensor, TensorOptions } from "../tensor/tensor.ts";
import type { NpyEntry } from "./npy.ts";
import type { SafetensorsEntry } from "./safetensors.ts";
import { toNumbers } from "./state.ts";

/**
 * Puts an array on a device: floats of any width as f32, integers as i32 or u32, BOOL as bool; or as the `dtype` that is
 * given.
 *
 * @returns [...entry.shape]
 * @throws DataError for integers beyond 32 bits, or elements that are no numbers
 * @example const x = io.toTensor(io.parseNpy(await readFile("x.npy")));
 */
export function toTensor(entry: SafetensorsEntry, options: TensorOptions = {}): Tensor {
  const values = entry.dtype === "F64" ? entry.data : toNumbers(entry, "toTensor: the array");
  return fromValues("toTensor", values, entry.shape, options.dtype ?? dtypeOf(entry, values), options);
}

function dtypeOf({ dtype }: SafetensorsEntry, values: ArrayLike<number>): DType {
  if (dtype === "BOOL") return "bool";
  return values instanceof Int32Array ? "i32" : values instanceof Uint32Array ? "u32" : "f32";
}

/**
 * Reads a tensor back as an array that `serializeNpy` and `serializeSafetensors` take: F32 (F64 on the device `cpu:f64`),
 * I32, U32 or BOOL.
 *
 * @throws the first error that its device has met
 * @example await writeFile("x.npy", io.serializeNpy(await io.fromTensor(x)));
 */
export async function fromTensor(tensor: Tensor): Promise<NpyEntry> {
  const { shape, dtype } = tensor;
  const data = await tensor.data();
  if (dtype === "bool") return { dtype: "BOOL", shape, data: Uint8Array.from(data) };
  if (dtype === "u32") return { dtype: "U32", shape, data: Uint32Array.from(data) };
  if (dtype === "i32") return { dtype: "I32", shape, data: Int32Array.from(data) };
  if (data instanceof Float64Array) return { dtype: "F64", shape, data: Float64Array.from(data) };
  return { dtype: "F32", shape, data: Float32Array.from(data) };
}
