/** Conversion between dtypes. */
import { ceilDiv, dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { DTYPES, type DType, elementType, expectDType } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { MATH } from "../lib/lib.ts";

const THREADS = 64;
const kernels = new Map<string, Kernel>();

/**
 * Converts to another dtype: floats to integers by cutting towards zero (NaN gives 0, what is out of range the nearest
 * bound), anything to bool by x != 0 (NaN is true), bool to 0 and 1.
 *
 * @param x any shape and dtype
 * @returns x itself where it has the dtype already
 */
export function cast<D extends DType>(x: Tensor, dtype: D): Tensor<D> {
  expectDType("cast", "dtype", dtype, DTYPES);
  if (x.dtype === dtype) return x as Tensor<D>;
  const y = empty(x.shape, { dtype, device: x.device });
  dispatch(kernelFor(x.dtype, dtype), "forward", {
    bind: { x, y },
    params: { size: y.size },
    groups: ceilDiv(y.size, THREADS),
  });
  return y; // no gradient: one side is not f32
}

function kernelFor(from: DType, to: DType): Kernel {
  const key = `${from}-${to}`;
  let kernel = kernels.get(key);
  if (!kernel) kernels.set(key, (kernel = declareKernel(from, to)));
  return kernel;
}

const REFERENCES: Record<DType, (x: number) => number> = {
  f32: (x) => x,
  // Math.trunc(NaN) is NaN, which an integer array stores as 0.
  i32: (x) => Math.min(Math.max(Math.trunc(x), -(2 ** 31)), 2 ** 31 - 1),
  u32: (x) => Math.min(Math.max(Math.trunc(x), 0), 2 ** 32 - 1),
  bool: (x) => (x === 0 ? 0 : 1),
};

function declareKernel(from: DType, to: DType): Kernel {
  const expression =
    to === "bool"
      ? from === "f32"
        ? "select(0u, 1u, x != 0.0 || isNan(x))"
        : "select(0u, 1u, x != T(0))"
      : from === "f32"
        ? `floatTo${to === "i32" ? "I" : "U"}32(x)`
        : "R(x)";
  // Between i32 and u32 the bits stay, as everywhere.
  const reference = from === "f32" || to === "bool" ? REFERENCES[to] : (x: number) => x;
  return loadKernel(new URL("./cast.wgsl", import.meta.url), {
    name: `cast ${from} to ${to}`,
    lib: [MATH],
    append: `alias T = ${elementType(from)};
alias R = ${elementType(to)};
fn convert(x: T) -> R { return ${expression}; }
`,
    reference: {
      forward({ x, y }, { size }) {
        for (let i = 0; i < size; i++) y[i] = reference(x[i]);
      },
    },
  });
}
