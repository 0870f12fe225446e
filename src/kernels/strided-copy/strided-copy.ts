/** The kernel under `expand`, `permute`, `slice`, `flip` and their like: a contiguous copy of a strided view. */
import type { Storage } from "../../gpu/device.ts";
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { type DType, elementType } from "../../tensor/dtype.ts";
import { collapse, MAX_RANK, type Shape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";

const THREADS = 64;

const kernels = {
  f32: declareKernel("f32"),
  i32: declareKernel("i32"),
  u32: declareKernel("u32"),
};

function declareKernel(type: "f32" | "i32" | "u32"): Kernel {
  return loadKernel(new URL("./strided-copy.wgsl", import.meta.url), {
    append: `alias T = ${type};\n`,
    reference: {
      forward({ x, y }, { shape, strides, size, offset, RANK }) {
        for (let i = 0; i < size; i++) {
          let rest = i;
          let at = offset;
          for (let k = 0; k < RANK; k++) {
            at += (rest % shape[k]) * strides[k];
            rest = Math.floor(rest / shape[k]);
          }
          y[i] = x[at];
        }
      },
    },
  });
}

/**
 * Copies the view of `x` that has `shape`, `strides` and `offset`, in elements of x's storage. Records no gradient.
 *
 * @returns a new contiguous tensor of `shape`
 */
export function stridedCopy<D extends DType>(
  x: Tensor<D>,
  shape: Shape,
  strides: readonly number[],
  offset = 0,
): Tensor<D> {
  const y = empty(shape, { dtype: x.dtype, device: x.device });
  const merged = collapse(shape, [strides]);
  const params = {
    shape: innermostFirst(merged.shape),
    strides: innermostFirst(merged.strides[0]!),
    size: y.size,
    offset,
  };
  const constants = { RANK: merged.shape.length };
  dispatch(kernels[elementType(x.dtype)], "forward", {
    bind: { x, y },
    params,
    constants,
    groups: ceilDiv(y.size, THREADS),
  });
  return y;
}

/** Copies the elements of `x` into a storage of the same size. */
export function copyInto(x: Tensor, y: Storage): void {
  const { size } = x;
  dispatch(kernels[elementType(x.dtype)], "forward", {
    bind: { x, y },
    params: { shape: innermostFirst([size]), strides: innermostFirst([1]), size, offset: 0 },
    constants: { RANK: 1 },
    groups: ceilDiv(size, THREADS),
  });
}

function innermostFirst(values: readonly number[]): number[] {
  return [...values].reverse().concat(new Array<number>(MAX_RANK - values.length).fill(0));
}
