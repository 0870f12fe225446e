import { expectSameDevice, record } from "../../autograd/record.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { elementType, expectDType } from "../../tensor/dtype.ts";
import { broadcastShapes, broadcastStrides, collapse } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { expectValue } from "../assign/fill.ts";
import { expand } from "../view/expand.ts";

const THREADS = 64;
const MAX_RANK = 4;

const kernels = { f32: declareKernel("f32"), i32: declareKernel("i32"), u32: declareKernel("u32") };

function declareKernel(type: string): Kernel {
  return loadKernel(new URL("./masked-fill.wgsl", import.meta.url), {
    append: `alias T = ${type};\n`,
    reference: {
      forward({ x, mask, y }, { shape, strides, size, value }) {
        for (let i = 0; i < size; i++) {
          let rest = i;
          let at = 0;
          for (let k = 0; k < shape.length; k++) {
            at += (rest % shape[k]) * strides[k];
            rest = Math.floor(rest / shape[k]);
          }
          y[i] = mask[at] !== 0 ? value : x[i];
        }
      },
    },
  });
}

/**
 * Puts `value` where `mask` is true: y = mask ? value : x, with broadcasting. No gradient flows there.
 *
 * @param x any shape and dtype
 * @param mask bool; x and it broadcast
 * @param value a number that x's dtype has; for bool, anything but 0 is true
 * @returns the broadcast shape
 * @throws DTypeError unless the mask is bool, ShapeError unless the shapes broadcast
 * @throws ValueError for a value that the dtype does not have
 */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  expectDType("maskedFill", "mask", mask.dtype, ["bool"]);
  expectSameDevice("maskedFill", [x, mask]);
  const element = expectValue("maskedFill", value, x.dtype);
  const shape = broadcastShapes("maskedFill", x.shape, mask.shape);
  return fillWhere(expand(x, shape), mask, element);
}

// x has the shape that both broadcast to.
function fillWhere(x: Tensor, mask: Tensor, value: number): Tensor {
  const merged = collapse(x.shape, [broadcastStrides(mask.shape, x.shape)]);
  if (merged.shape.length > MAX_RANK) return fillWhere(x, expand(mask, x.shape), value);
  const y = empty(x.shape, { dtype: x.dtype, device: x.device });
  const { size } = y;
  dispatch(kernels[elementType(x.dtype)], "forward", {
    bind: { x, mask, y },
    params: { shape: merged.shape.toReversed(), strides: merged.strides[0]!.toReversed(), size, value },
    constants: { RANK: Math.max(merged.shape.length, 1) },
    groups: ceilDiv(size, THREADS),
  });
  return record(y, {
    op: "maskedFill",
    inputs: [x],
    saved: { mask },
    backward: (dy, { mask }) => [fillWhere(dy, mask, 0)],
    composed: true,
  });
}
