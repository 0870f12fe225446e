/** Rounding to float16 of what is then computed with in float32: operands that no kernel packs. */
import { ceilDiv, dispatch, loadKernel } from "../../gpu/kernel.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { QUADS } from "./quads.ts";

const LARGEST = 65_504;
const SMALLEST = 2 ** -24;
const THREADS = 64;

/** The float16 nearest to `x`, ties to even; infinity from 65,520 on. */
export function nearestHalf(x: number): number {
  const size = Math.abs(x);
  if (!(size < LARGEST + 16)) return size >= LARGEST ? Math.sign(x) * Number.POSITIVE_INFINITY : Number.NaN;
  const step = Math.max(2 ** (Math.floor(Math.log2(size)) - 10), SMALLEST);
  // So far up, float64 has nothing between the multiples of the step.
  const far = 2 ** 52 * step;
  return x < 0 || Object.is(x, -0) ? -(size + far - far) : size + far - far;
}

const kernel = loadKernel(new URL("./round-half.wgsl", import.meta.url), {
  lib: [QUADS.f16],
  reference: {
    forward({ x, y }, { size }) {
      for (let i = 0; i < size; i++) y[i] = nearestHalf(x[i]);
    },
  },
});

/** Runs `fn`, which packs nothing, on two operands that are rounded first. */
export function onRounded<R>(a: Tensor, b: Tensor, fn: (a: Tensor, b: Tensor) => R): R {
  const operands = [roundToHalf(a), roundToHalf(b)] as const;
  const result = fn(...operands);
  for (const operand of operands) operand.dispose();
  return result;
}

/** The float16 nearest to each element, as f32. Has no gradient. */
export function roundToHalf(x: Tensor): Tensor {
  const y = empty(x.shape, { device: x.device });
  dispatch(kernel, "forward", { bind: { x, y }, params: { size: x.size }, groups: ceilDiv(x.size, 4 * THREADS) });
  return y;
}
