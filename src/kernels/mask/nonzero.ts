import { stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fromValues } from "../creation/creation.ts";

/**
 * The positions of all elements that are not 0, in row-major order; NaN is not 0. How many there are is the result's shape,
 * so this reads x back: it is the only op on tensors that must be awaited.
 *
 * @param x any shape and dtype
 * @returns i32 [count, x.rank], on x's device
 */
export async function nonzero(x: Tensor): Promise<Tensor<"i32">> {
  const { shape, rank, device } = x;
  const elements = await x.data();
  const strides = stridesOf(shape);
  let count = 0;
  for (const element of elements) if (element !== 0) count++;
  const positions = new Int32Array(count * rank);
  let written = 0;
  for (let i = 0; i < elements.length; i++) {
    if (elements[i] === 0) continue;
    for (let axis = 0; axis < rank; axis++) positions[written++] = Math.floor(i / strides[axis]!) % shape[axis]!;
  }
  return fromValues("nonzero", positions, [count, rank], "i32", { device });
}
