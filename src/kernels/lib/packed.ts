/** Kernels over rows, in two widths: elements one by one, and four at a time where the rows' length is a multiple of 4. */
import { type Kernel, type KernelOptions, loadKernel } from "../../gpu/kernel.ts";
import { PACK_1, PACK_4 } from "./lib.ts";

/** Picks the kernel for rows of `cols` elements. */
export type PackedKernel = (cols: number) => Kernel;

/** As `loadKernel`, for WGSL written in the element type T, of WIDTH elements. */
export function loadPacked(source: URL | string, { lib = [], ...options }: KernelOptions): PackedKernel {
  const single = loadKernel(source, { ...options, lib: [...lib, PACK_1] });
  const packed = loadKernel(source, { ...options, lib: [...lib, PACK_4] });
  return (cols) => (cols % 4 === 0 ? packed : single);
}
