import { type Kernel, type KernelOptions, loadKernel } from "../../gpu/kernel.ts";

/**
 * As `loadKernel`, for WGSL that moves words as they are, whatever the dtype: its element type `T` is WIDTH words. Sizes
 * and offsets are counted in words in either width.
 *
 * @returns the kernel for one word, or for four where all that the kernel counts in words is divisible by them
 */
export function loadWords(source: URL, options: KernelOptions): (fours: boolean) => Kernel {
  const single = loadKernel(source, { ...options, append: "alias T = u32;\nconst WIDTH = 1u;\n" });
  const packed = loadKernel(source, { ...options, append: "alias T = vec4u;\nconst WIDTH = 4u;\n" });
  return (fours) => (fours ? packed : single);
}
