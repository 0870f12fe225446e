/** Conversion between dtypes. */
import { dispatch, type Kernel, loadKernel } from "../../gpu/kernel.ts";
import { DTYPES, type DType, elementType, expectDType } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { groupsFor, lift, paceFor, vectorOf, type Width } from "../elementwise/iteration.ts";
import { MATH } from "../lib/lib.ts";

const kernels = new Map<string, Kernel>();

/**
 * Converts to another dtype: floats to integers by cutting towards zero (NaN gives 0, what is out of range the nearest
 * bound), anything to bool by x != 0 (NaN is true), bool to 0 and 1. The bits stay between i32 and u32.
 *
 * @param x any shape and dtype
 * @returns x itself where it has the dtype already
 * @throws DTypeError for an unknown dtype
 */
export function cast<D extends DType>(x: Tensor, dtype: D): Tensor<D> {
  expectDType("cast", "dtype", dtype, DTYPES);
  if (x.dtype === dtype) return x as Tensor<D>;
  const y = empty(x.shape, { dtype, device: x.device });
  const pace = paceFor(x.device, x.size);
  const { width, step } = pace;
  dispatch(kernelFor(x.dtype, dtype, width), "forward", {
    bind: { x, y },
    params: { size: x.size / width },
    constants: { STEP: step },
    groups: groupsFor(x.size, pace),
  });
  return y; // no gradient: one side is not f32
}

function kernelFor(from: DType, to: DType, width: Width): Kernel {
  const key = `${from} ${to} ${width}`;
  let kernel = kernels.get(key);
  if (!kernel) kernels.set(key, (kernel = declareKernel(from, to, width)));
  return kernel;
}

const REFERENCES: Record<DType, (x: number) => number> = {
  f32: (x) => x,
  // Math.trunc(NaN) is NaN, which an integer array stores as 0.
  i32: (x) => Math.min(Math.max(Math.trunc(x), -(2 ** 31)), 2 ** 31 - 1),
  u32: (x) => Math.min(Math.max(Math.trunc(x), 0), 2 ** 32 - 1),
  bool: (x) => (x === 0 ? 0 : 1),
};

function declareKernel(from: DType, to: DType, width: Width): Kernel {
  const T = elementType(from);
  const R = elementType(to);
  // Between i32 and u32 the bits stay, as everywhere.
  const reference = from === "f32" || to === "bool" ? REFERENCES[to] : (x: number) => x;
  return loadKernel(new URL("./cast.wgsl", import.meta.url), {
    name: `cast ${from} to ${to}`,
    lib: [MATH],
    append: `alias X = ${vectorOf(T, width)};
alias Y = ${vectorOf(R, width)};
fn convert(x: ${T}) -> ${R} { return ${conversion(from, to)}; }
${lift(width, "map", "convert", { x: "X" }, "Y")}`,
    reference: {
      forward({ x, y }, { size }) {
        for (let i = 0; i < size; i++) y[i] = reference(x[i]);
      },
    },
  });
}

// A WGSL expression of `x`.
function conversion(from: DType, to: DType): string {
  if (to === "bool") return `select(1u, 0u, ${from === "f32" ? "isZero(x)" : `x == ${elementType(from)}(0)`})`;
  if (from !== "f32") return `${elementType(to)}(x)`;
  return to === "i32" ? "floatToI32(x)" : "floatToU32(x)";
}
