/**
 * Every op whose first argument is a tensor. One line here makes an op a public function and a method of `Tensor`,
 * its type included.
 */
export { copyFrom, fill, zero } from "./assign/assign.ts";
export { to, toDevice } from "./assign/to.ts";
export { multiHeadAttention, scaledDotProductAttention, selfAttention } from "./attention/attention.ts";
export { batchNorm } from "./batch-norm/batch-norm.ts";
export { cast } from "./cast/cast.ts";
export { conv1d, conv2d } from "./conv/conv.ts";
export { convTranspose1d, convTranspose2d } from "./conv/conv-transpose.ts";
export { cosineSimilarity } from "./cosine-similarity/cosine-similarity.ts";
export { crossEntropy, nllLoss } from "./cross-entropy/cross-entropy.ts";
export { ctcLoss } from "./ctc-loss/ctc-loss.ts";
export { alphaDropout, dropout, dropout1d, dropout2d, featureAlphaDropout } from "./dropout/dropout.ts";
export * from "./elementwise/activations.ts";
export * from "./elementwise/binary-ops.ts";
export { lerp, where } from "./elementwise/ternary.ts";
export * from "./elementwise/unary-ops.ts";
export { embeddingBag } from "./embedding-bag/embedding-bag.ts";
export { gather, oneHot, scatterAdd } from "./gather/gather.ts";
export { glu } from "./glu/glu.ts";
export { groupNorm } from "./group-norm/group-norm.ts";
export { instanceNorm } from "./group-norm/instance-norm.ts";
export { embedding } from "./index-select/embedding.ts";
export { indexAdd, indexSelect } from "./index-select/index-select.ts";
export { interpolate } from "./interpolate/interpolate.ts";
export { dropoutAddLayerNorm, layerNorm } from "./layer-norm/layer-norm.ts";
export { bceLoss, bceWithLogitsLoss } from "./losses/binary-cross-entropy.ts";
export {
  cosineEmbeddingLoss,
  pairwiseDistance,
  tripletMarginLoss,
  tripletMarginWithDistanceLoss,
} from "./losses/distance.ts";
export { klDivLoss } from "./losses/kl-div.ts";
export { gaussianNLLLoss, poissonNLLLoss } from "./losses/likelihood.ts";
export {
  hingeEmbeddingLoss,
  marginRankingLoss,
  multilabelSoftMarginLoss,
  softMarginLoss,
} from "./losses/margin.ts";
export { multilabelMarginLoss, multiMarginLoss } from "./losses/multi-margin.ts";
export { huberLoss, l1Loss, mseLoss, smoothL1Loss } from "./losses/regression.ts";
export { maskedFill } from "./mask/masked-fill.ts";
export { nonzero } from "./mask/nonzero.ts";
export { tril, triu } from "./mask/triangle.ts";
export { bilinear } from "./matmul/bilinear.ts";
export { bmm, dot, linear, matmul, outer } from "./matmul/matmul.ts";
export { pad } from "./pad/pad.ts";
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  globalAvgPool1d,
  globalAvgPool2d,
} from "./pool/avg-pool.ts";
export { adaptiveMaxPool2d, maxPool1d, maxPool2d, maxPool2dWithIndices } from "./pool/max-pool.ts";
export { multinomial } from "./random/multinomial.ts";
export { bernoulli } from "./random/random.ts";
export { gru, lstm, rnn } from "./recurrent/recurrent.ts";
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
export { logSoftmax, softmax, softmin } from "./softmax/softmax.ts";
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
