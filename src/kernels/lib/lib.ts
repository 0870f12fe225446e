/** WGSL that several kernels share; pass it as `lib` to `loadKernel`. */

/** isNan, nanMax and the like; exponentials, logarithms, sigmoid, tanh, erf, accurate where WGSL's builtins are not. */
export const MATH = new URL("./math.wgsl", import.meta.url);

/** preciseSin, preciseAtan2 and the like; needs MATH. */
export const TRIGONOMETRY = new URL("./trigonometry.wgsl", import.meta.url);

/** precisePow, fmod, remainder, floorDivide; needs MATH. */
export const POWER = new URL("./power.wgsl", import.meta.url);

/** gelu, silu, mish and the like, and their derivatives; needs MATH. */
export const ACTIVATIONS = new URL("./activations.wgsl", import.meta.url);

/** offset: where a broadcast operand is read; its host side is elementwise/iteration.ts. */
export const BROADCAST = new URL("./broadcast.wgsl", import.meta.url);

/** workgroupSum, workgroupMax; needs MATH. The workgroup size is the override WG, which the dispatcher sets. */
export const REDUCE = {
  gpu: new URL("./reduce-gpu.wgsl", import.meta.url),
  software: new URL("./reduce-software.wgsl", import.meta.url),
};

/** workgroupCombine, for any state S and fn combine that the kernel or what is appended to it defines. */
export const COMBINE = {
  gpu: new URL("./combine-gpu.wgsl", import.meta.url),
  software: new URL("./combine-software.wgsl", import.meta.url),
};

/** combineMoments: count, mean and squared deviations of two samples together. */
export const MOMENTS = new URL("./moments.wgsl", import.meta.url);

/** keyOfF32, keyOfI32, keyOfU32: integers in the order of the elements; needs MATH. */
export const SORT_KEY = new URL("./sort-key.wgsl", import.meta.url);

/** reportIndexError; the dispatcher binds its buffer. */
export const INDEX_ERROR = new URL("./index-error.wgsl", import.meta.url);

/** randomPair, unitFloat; bind `randomState` and pass `stream`, as `nextStream` gives them. */
export const RANDOM = new URL("./random.wgsl", import.meta.url);

/** T, U, WIDTH, first, total, indices, component, fromPairs: the element type of kernels over rows, which `loadPacked` declares in both widths. */
export const PACK_1 = new URL("./pack-1.wgsl", import.meta.url);
export const PACK_4 = new URL("./pack-4.wgsl", import.meta.url);
