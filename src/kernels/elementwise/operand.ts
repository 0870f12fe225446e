/** JavaScript numbers as operands: each becomes a scalar tensor on the device, made once and remembered. */
import { type Device, Storage } from "../../gpu/device.ts";
import { type DType, elementType } from "../../tensor/dtype.ts";
import { keep } from "../../tensor/scope.ts";
import { Tensor } from "../../tensor/tensor.ts";

const MAX_CONSTANTS = 512;
const constants = new Map<Device, Map<string, Tensor>>();

/** A scalar tensor of `value`. It is shared: never change or dispose it. */
export function constant(value: number, dtype: DType, device: Device): Tensor {
  let known = constants.get(device);
  if (!known) constants.set(device, (known = new Map()));
  const key = `${dtype}${Object.is(value, -0) ? "-0" : value}`;
  let tensor = known.get(key);
  if (tensor) return tensor;
  if (known.size >= MAX_CONSTANTS) {
    const [oldest, dropped] = known.entries().next().value!;
    known.delete(oldest);
    dropped.dispose();
  }
  const words = { f32: Float64Array, i32: Int32Array, u32: Uint32Array, bool: Uint32Array }[dtype].of(value);
  tensor = keep(new Tensor(Storage.from(device, elementType(dtype), words), [], dtype));
  known.set(key, tensor);
  return tensor;
}
