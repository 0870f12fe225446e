/** WGSL that several kernels share; pass it as `lib` to `loadKernel`. */

/** isNan, isInf, nanMax, nanMin and the functions WGSL lacks. */
export const MATH = new URL("./math.wgsl", import.meta.url);

/** workgroupSum, workgroupMax; needs MATH. The workgroup size is the override WG, which the dispatcher sets. */
export const REDUCE = {
  gpu: new URL("./reduce-gpu.wgsl", import.meta.url),
  software: new URL("./reduce-software.wgsl", import.meta.url),
};

/** reportIndexError; the dispatcher binds its buffer. */
export const INDEX_ERROR = new URL("./index-error.wgsl", import.meta.url);

/** randomPair, randomWord, unitFloat; bind `randomState` and pass `stream`, as `nextStream` gives them. */
export const RANDOM = new URL("./random.wgsl", import.meta.url);

/** T, WIDTH, first, total: the element type of kernels over rows, which `loadPacked` declares in both widths. */
export const PACK_1 = new URL("./pack-1.wgsl", import.meta.url);
export const PACK_4 = new URL("./pack-4.wgsl", import.meta.url);
