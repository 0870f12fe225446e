/** Layers and containers. A layer is state and a `forward`; the functions it calls are tilegrad's ops. */

export {
  ELU,
  GELU,
  Hardswish,
  LeakyReLU,
  LogSoftmax,
  Mish,
  ReLU,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Tanh,
} from "./activation.ts";
export { ModuleList, Sequential } from "./containers.ts";
export { Dropout } from "./dropout.ts";
export { Embedding } from "./embedding.ts";
export * as init from "./init.ts";
export { Identity, Linear } from "./linear.ts";
export { Buffer, Module, Parameter, type StateValue, type TensorModule } from "./module.ts";
export { LayerNorm, RMSNorm } from "./normalization.ts";
export {
  type AttentionOptions,
  type EncoderOptions,
  LearnedPositions,
  MultiheadAttention,
  SinusoidalPositions,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from "./transformer.ts";
export * as utils from "./utils.ts";
