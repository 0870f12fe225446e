import { Storage } from "../../gpu/device.ts";
import { DeviceError } from "../../gpu/errors.ts";
import type { DeviceName } from "../../tensor/device.ts";
import { DTYPES, type DType, elementType } from "../../tensor/dtype.ts";
import { resolveDevice, Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";

/**
 * Converts to another dtype, as `cast` does. To another device it takes `await x.toDevice(device)`, since a GPU's memory
 * can only be read by waiting for it.
 *
 * @returns x itself where it has the dtype already
 * @throws DTypeError for an unknown dtype, DeviceError for a device's name
 */
export function to<D extends DType>(x: Tensor, dtype: D): Tensor<D> {
  if (!DTYPES.includes(dtype) && ["webgpu", "cpu", "cpu:f64"].includes(dtype)) {
    throw new DeviceError(`to: "${dtype}" is a device, expected a dtype; use await x.toDevice("${dtype}")`);
  }
  return cast(x, dtype);
}

/**
 * Copies a tensor to another device. The copy is a leaf: no gradient flows back through it.
 *
 * @param device "webgpu", "cpu" or "cpu:f64"
 * @returns x itself where it is there already
 * @throws DeviceError if there is no such device, and the first error that x's device has met
 */
export async function toDevice(x: Tensor, device: DeviceName): Promise<Tensor> {
  const target = resolveDevice(device);
  if (x.device === target) return x;
  const elements = await x.device.read(x.storage);
  return new Tensor(Storage.from(target, elementType(x.dtype), elements), x.shape, x.dtype);
}
