/** Optimizers, learning-rate schedules, averages of weights and the scaling of losses. Gradient clipping is in `nn.utils`, as in PyTorch. */
export { Adadelta, type AdadeltaOptions } from "./adadelta.ts";
export { Adagrad, type AdagradOptions } from "./adagrad.ts";
export { Adam, type AdamOptions, AdamW, type AdamWOptions } from "./adam.ts";
export { Adamax, type AdamaxOptions } from "./adamax.ts";
export { GradScaler, type GradScalerOptions, type ScaledOptimizer } from "./grad-scaler.ts";
export { Lion, type LionOptions } from "./lion.ts";
export { ExponentialMovingAverage, type MovingAverageOptions } from "./moving-average.ts";
export { NAdam, type NAdamOptions } from "./nadam.ts";
export {
  type Group,
  type Optimized,
  Optimizer,
  type OptimizerOptions,
  type OptimizerState,
  type ParameterGroup,
} from "./optimizer.ts";
export { type GroupRule, type LayerRates, layerRates, parameterGroups } from "./parameter-groups.ts";
export { RAdam, type RAdamOptions } from "./radam.ts";
export { RMSprop, type RMSpropOptions } from "./rmsprop.ts";
export {
  ChainedScheduler,
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  LRScheduler,
  MultiplicativeLR,
  MultiStepLR,
  OneCycleLR,
  type OneCycleOptions,
  type PlateauOptions,
  PolynomialLR,
  ReduceLROnPlateau,
  type Schedule,
  type Scheduled,
  type ScheduleState,
  SequentialLR,
  StepLR,
} from "./schedules.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
