/** Layers and containers. A layer is state and a `forward`; the functions it calls are tilegrad's ops. */
export { ModuleList, Sequential } from "./containers.ts";
export * as init from "./init.ts";
export {
  Dropout,
  ELU,
  Embedding,
  GELU,
  Hardswish,
  Identity,
  LayerNorm,
  LeakyReLU,
  Linear,
  LogSoftmax,
  Mish,
  ReLU,
  RMSNorm,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Tanh,
} from "./layers.ts";
export { Buffer, Module, Parameter, type StateValue, type TensorModule } from "./module.ts";
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
