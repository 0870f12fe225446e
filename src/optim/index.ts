/** Optimizers. Gradient clipping is in `nn.utils`, as in PyTorch. */
export { Adam, type AdamOptions, AdamW } from "./adam.ts";
export { Optimizer, type ParameterGroup } from "./optimizer.ts";
