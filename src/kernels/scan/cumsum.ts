import { record } from "../../autograd/record.ts";
import type { ElementType } from "../../gpu/device.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { elementType } from "../../tensor/dtype.ts";
import { normalizeAxis, sizeOf } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { cast } from "../cast/cast.ts";
import { reshape } from "../view/reshape.ts";

const THREADS = 64;
const UNDIVIDED = 256; // elements that one thread adds up

const kernels: Record<ElementType, Kernel> = { f32: declare("f32"), i32: declare("i32"), u32: declare("u32") };

function declare(type: ElementType): Kernel {
  return loadKernel(new URL("./cumsum.wgsl", import.meta.url), {
    append: `alias T = ${type};\n`,
    reference: {
      forward({ x, y }, { outer, n, inner, REVERSE }) {
        for (let o = 0; o < outer; o++) {
          for (let i = 0; i < inner; i++) {
            let sum = 0;
            for (let k = 0; k < n; k++) {
              const at = (o * n + (REVERSE ? n - 1 - k : k)) * inner + i;
              sum += x[at];
              y[at] = sum;
            }
          }
        }
      },
    },
  });
}

/**
 * Adds up along an axis: y[c] = x[0] + ... + x[c].
 *
 * @param x any shape and dtype
 * @param axis along which axis
 * @returns x's shape; bool adds up to i32
 * @throws ShapeError if the axis is out of range
 */
export function cumsum(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis("cumsum", axis, x.rank);
  const lines = [sizeOf(x.shape.slice(0, at)), x.shape[at]!, sizeOf(x.shape.slice(at + 1))];
  const from = reshape(x.dtype === "bool" ? cast(x, "i32") : x, lines);
  const y = scan(from, false);
  const result = reshape(y, x.shape);
  from.dispose();
  y.dispose();
  return result;
}

// Over the middle axis of x [outer, n, inner]. The gradient of running sums are running sums from the other end.
function scan(x: Tensor, reverse: boolean): Tensor {
  return record(scanned(x, reverse), {
    op: "cumsum",
    inputs: [x],
    saved: {},
    backward: (dy) => [scan(dy, !reverse)],
    composed: true,
  });
}

function scanned(x: Tensor, reverse: boolean): Tensor {
  const [outer, n, inner] = x.shape as [number, number, number];
  const { device, dtype } = x;
  const y = empty(x.shape, x);
  const kernel = kernels[elementType(dtype)];
  const constants = { REVERSE: Number(reverse) };
  // The reference is the whole scan.
  if (n <= UNDIVIDED || device.kind === "cpu") {
    const params = { outer, n, inner, splits: 1, chunk: n };
    dispatch(kernel, "forward", { bind: { x, y }, params, constants, groups: ceilDiv(outer * inner, THREADS) });
    return y;
  }
  const chunk = Math.ceil(Math.sqrt(n));
  const splits = ceilDiv(n, chunk);
  const params = { outer, n, inner, splits, chunk };
  const groups = ceilDiv(outer * splits * inner, THREADS);
  const sums = empty([outer, splits, inner], x);
  dispatch(kernel, "partSums", { bind: { x, sums }, params, groups });
  const carry = scanned(sums, reverse);
  dispatch(kernel, "parts", { bind: { x, y, carry }, params, constants, groups });
  sums.dispose();
  carry.dispose();
  return y;
}
