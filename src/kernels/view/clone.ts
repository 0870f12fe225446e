import { record } from "../../autograd/record.ts";
import { stridesOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { stridedCopy } from "../strided-copy/strided-copy.ts";

/** A copy with a storage of its own. Gradients flow through it to x. */
export function clone(x: Tensor): Tensor {
  const y = stridedCopy(x, x.shape, stridesOf(x.shape));
  return record(y, { op: "clone", inputs: [x], saved: {}, backward: (dy) => [dy], composed: true });
}
