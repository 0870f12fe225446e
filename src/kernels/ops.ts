/**
 * Every op whose first argument is a tensor. One line here makes an op a public function and a method of `Tensor`,
 * its type included.
 */
export { cast } from "./cast/cast.ts";
export { dropout } from "./dropout/dropout.ts";
export * from "./elementwise/binary-ops.ts";
export * from "./elementwise/unary-ops.ts";
export { layerNorm } from "./layer-norm/layer-norm.ts";
export { bernoulli } from "./random/random.ts";
export { sum } from "./reduce/sum.ts";
export { sumTo } from "./reduce/sum-to.ts";
export { rmsNorm } from "./rms-norm/rms-norm.ts";
export { expand } from "./view/expand.ts";
export { flatten, reshape, squeeze, unsqueeze } from "./view/reshape.ts";
