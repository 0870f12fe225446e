/**
 * Every op whose first argument is a tensor. One line here makes an op a public function and a method of `Tensor`,
 * its type included.
 */
export { copyFrom, fill, zero } from "./assign/assign.ts";
export { to, toDevice } from "./assign/to.ts";
export { multiHeadAttention, scaledDotProductAttention, selfAttention } from "./attention/attention.ts";
export { cast } from "./cast/cast.ts";
export { crossEntropy, nllLoss } from "./cross-entropy/cross-entropy.ts";
export { dropout } from "./dropout/dropout.ts";
export * from "./elementwise/activations.ts";
export * from "./elementwise/binary-ops.ts";
export { lerp, where } from "./elementwise/ternary.ts";
export * from "./elementwise/unary-ops.ts";
export { gather, oneHot, scatterAdd } from "./gather/gather.ts";
export { embedding } from "./index-select/embedding.ts";
export { indexAdd, indexSelect } from "./index-select/index-select.ts";
export { layerNorm } from "./layer-norm/layer-norm.ts";
export { bceLoss, bceWithLogitsLoss } from "./losses/binary-cross-entropy.ts";
export { klDivLoss } from "./losses/kl-div.ts";
export { huberLoss, l1Loss, mseLoss, smoothL1Loss } from "./losses/regression.ts";
export { maskedFill } from "./mask/masked-fill.ts";
export { nonzero } from "./mask/nonzero.ts";
export { tril, triu } from "./mask/triangle.ts";
export { bmm, dot, linear, matmul, outer } from "./matmul/matmul.ts";
export { pad } from "./pad/pad.ts";
export { multinomial } from "./random/multinomial.ts";
export { bernoulli } from "./random/random.ts";
export { argmax, argmin, max, min } from "./reduce/extrema.ts";
export { all, any, countNonzero } from "./reduce/logic.ts";
export { logsumexp } from "./reduce/logsumexp.ts";
export { norm } from "./reduce/norm.ts";
export { prod } from "./reduce/prod.ts";
export { mean, sum } from "./reduce/sum.ts";
export { std, variance } from "./reduce/variance.ts";
export { rmsNorm } from "./rms-norm/rms-norm.ts";
export { rotaryEmbedding } from "./rotary/rotary-embedding.ts";
export { cumsum } from "./scan/cumsum.ts";
export { logSoftmax, softmax } from "./softmax/softmax.ts";
export { argsort, sort, topk } from "./sort/sort.ts";
export { clone } from "./view/clone.ts";
export { diagonal } from "./view/diagonal.ts";
export { expand } from "./view/expand.ts";
export { flip, roll } from "./view/flip.ts";
export { permute, transpose } from "./view/permute.ts";
export { repeat, repeatInterleave } from "./view/repeat.ts";
export { flatten, reshape, squeeze, unsqueeze } from "./view/reshape.ts";
export { at, narrow, slice } from "./view/slice.ts";
export { chunk, split, unbind } from "./view/split.ts";
