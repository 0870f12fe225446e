/** Layers and containers. A layer is state and a `forward`; the functions it calls are tilegrad's ops. */

export {
  CELU,
  ELU,
  GELU,
  GLU,
  Hardshrink,
  Hardsigmoid,
  Hardswish,
  Hardtanh,
  LeakyReLU,
  LogSigmoid,
  LogSoftmax,
  Mish,
  PReLU,
  ReLU,
  ReLU6,
  SELU,
  Sigmoid,
  SiLU,
  Softmax,
  Softmax2d,
  Softmin,
  Softplus,
  Softshrink,
  Softsign,
  Tanh,
  Tanhshrink,
  Threshold,
} from "./activation.ts";
export { type AttentionOptions, MultiheadAttention, type MultiheadAttentionOptions } from "./attention.ts";
export { ModuleList, Sequential } from "./containers.ts";
export {
  Conv1d,
  Conv2d,
  type ConvLayerOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  type ConvTransposeLayerOptions,
} from "./convolution.ts";
export { AlphaDropout, Dropout, Dropout1d, Dropout2d, FeatureAlphaDropout } from "./dropout.ts";
export { Embedding, EmbeddingBag, type EmbeddingBagLayerOptions } from "./embedding.ts";
export type { BackwardHook, ForwardHook, ForwardPreHook } from "./hooks.ts";
export * as init from "./init.ts";
export { type CachedSequence, KeyValueCache } from "./key-value-cache.ts";
export { Bilinear, Flatten, Identity, Linear, Unflatten } from "./linear.ts";
export type { LoadOptions, LoadReport, Renaming, ShapeMismatch } from "./load-state.ts";
export * as lora from "./lora.ts";
export type { LoraAdapter } from "./lora-adapter.ts";
export {
  BCELoss,
  BCEWithLogitsLoss,
  CosineEmbeddingLoss,
  CosineSimilarity,
  CrossEntropyLoss,
  CTCLoss,
  GaussianNLLLoss,
  HingeEmbeddingLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  MarginRankingLoss,
  MSELoss,
  MultiLabelMarginLoss,
  MultiLabelSoftMarginLoss,
  MultiMarginLoss,
  NLLLoss,
  PairwiseDistance,
  PoissonNLLLoss,
  SmoothL1Loss,
  SoftMarginLoss,
  TripletMarginLoss,
  TripletMarginWithDistanceLoss,
} from "./loss.ts";
export { Buffer, Module, Parameter, type StateValue, type TensorModule } from "./module.ts";
export type { NamePattern } from "./names.ts";
export {
  BatchNorm1d,
  BatchNorm2d,
  type BatchNormOptions,
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  type InstanceNormOptions,
  LayerNorm,
  RMSNorm,
} from "./normalization.ts";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveMaxPool2d,
  AvgPool1d,
  AvgPool2d,
  GlobalAvgPool1d,
  GlobalAvgPool2d,
  MaxPool1d,
  MaxPool2d,
  Upsample,
} from "./pooling.ts";
export { LearnedPositions, type PositionOptions, RotaryPositions, SinusoidalPositions } from "./positions.ts";
export {
  GRU,
  GRUCell,
  LSTM,
  LSTMCell,
  type RecurrentForwardOptions,
  type RecurrentLayerOptions,
  RNN,
  RNNCell,
} from "./recurrent.ts";
export type { LayerSummary, ModuleSummary } from "./summary.ts";
export {
  Transformer,
  TransformerDecoder,
  TransformerEncoder,
  type TransformerMasks,
  type TransformerOptions,
  type TransformerStackOptions,
} from "./transformer.ts";
export {
  type DecoderOptions,
  type EncoderOptions,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from "./transformer-layers.ts";
export * as utils from "./utils.ts";
