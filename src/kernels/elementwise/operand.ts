/** Operands of elementwise ops: tensors are converted, and JavaScript numbers become scalar tensors, made once and kept. */
import { type Device, Storage } from "../../gpu/device.ts";
import { DTypeError, ValueError } from "../../gpu/errors.ts";
import { type DType, elementType, promote } from "../../tensor/dtype.ts";
import { keep } from "../../tensor/scope.ts";
import { isTensor, Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";

export type Operand = Tensor | number;

const MAX_CONSTANTS = 512;
const constants = new Map<Device, Map<string, Tensor>>();

const RANGES = { i32: [-(2 ** 31), 2 ** 31 - 1], u32: [0, 2 ** 32 - 1] } as const;

/** The dtype that two operands meet in. @throws DTypeError for i32 with u32 */
export function commonDType(op: string, a: Operand, b: Operand): DType {
  return promote(op, isTensor(a) ? a.dtype : a, isTensor(b) ? b.dtype : b);
}

/** The device of the tensors among the operands. @throws DTypeError if all are numbers */
export function deviceOf(op: string, operands: readonly Operand[]): Device {
  const tensor = operands.find(isTensor);
  if (!tensor) throw new DTypeError(`${op}: all operands are numbers, expected a tensor among them`);
  return tensor.device;
}

/**
 * The operand as a tensor of `dtype`.
 *
 * @throws ValueError for a number that an integer dtype cannot hold
 */
export function operandAs(op: string, operand: Operand, dtype: DType, device: Device): Tensor {
  if (isTensor(operand)) return cast(operand, dtype);
  if (dtype === "i32" || dtype === "u32") {
    const [low, high] = RANGES[dtype];
    if (operand < low || operand > high) {
      throw new ValueError(
        `${op}: the number ${operand} does not fit ${dtype}; convert the tensor first, with .to("f32")`,
      );
    }
  }
  return constant(dtype === "bool" ? Number(operand !== 0) : operand, dtype, device);
}

// A scalar tensor that is shared: never changed nor disposed by those who get it.
function constant(value: number, dtype: DType, device: Device): Tensor {
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
